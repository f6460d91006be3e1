#![allow(clippy::unwrap_used, reason = "tests")]

use laterbase_core::Precondition;
use laterbase_core::event::Record;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::Query;

use super::*;

fn root(name: &str) -> RootName {
    RootName::new(name).unwrap()
}

fn device() -> Device {
    let options = DeviceOptions { upkeep: UpkeepMode::Writer, ..DeviceOptions::default() };
    Device::over(Arc::new(MemoryStore::new()), options).unwrap()
}

fn batch(device: &Device, name: &str, records: &[Record<'_>]) -> PreparedBatch {
    let mut batch = device.batch(&root(name));
    for record in records {
        batch.push(record).unwrap();
    }
    batch
}

#[cfg(feature = "lmdb")]
#[test]
fn what_was_recorded_is_read_back_after_reopening_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let device = Device::open(&path, DeviceOptions::default()).unwrap();
    let id = device.id();
    device.record(&batch(&device, "pallet", &[Record::json("P1", "Packed", "{\"a\":1}")])).unwrap();
    device.close().unwrap();
    let device = Device::open(&path, DeviceOptions::default()).unwrap();
    assert_eq!(device.id(), id);
    let state = device.reader().aggregate(&root("pallet"), "P1", &Query::default()).unwrap();
    assert_eq!(state.unwrap().state, b"{\"a\":1}");
}

#[test]
fn batches_written_together_are_stored_together() {
    let device = device();
    let packed = [Record::json("P1", "Packed", "1"), Record::json("P2", "Packed", "2")];
    let batches = [
        batch(&device, "pallet", &packed),
        batch(&device, "truck", &[Record::json("T", "t", "0")]),
    ];
    assert_eq!(device.record_together(&batches).unwrap(), 3);
    assert_eq!(device.reader().roots(), [root("pallet"), root("truck")]);
}

#[test]
fn one_refused_batch_keeps_all_of_them_out() {
    let device = device();
    let late = Record { occurred: Some(i64::MAX), ..Record::json("T1", "Left", "1") };
    let good = batch(&device, "pallet", &[Record::json("P1", "Packed", "1")]);
    let bad = batch(&device, "truck", &[Record::json("T1", "Left", "1"), late]);
    let error = device.record_together(&[good, bad]).unwrap_err();
    assert_eq!(error.batch, Some(1));
    assert!(matches!(error.source, WriteError::Future { index: 1 }));
    assert!(device.reader().roots().is_empty());
    let again = batch(&device, "pallet", &[Record::json("P1", "Packed", "1")]);
    assert_eq!(device.record_together(&[again]).unwrap(), 1);
}

#[test]
fn replayed_events_do_not_count_as_new() {
    let device = device();
    let keyed = Record { idempotency_key: Some("k1"), ..Record::json("P1", "Packed", "1") };
    assert_eq!(device.record_together(&[batch(&device, "pallet", &[keyed])]).unwrap(), 1);
    let batches = [batch(&device, "pallet", &[keyed, Record::json("P2", "Packed", "2")])];
    assert_eq!(device.record_together(&batches).unwrap(), 1);
}

#[test]
fn a_page_that_is_no_delta_is_refused() {
    let device = device();
    assert!(matches!(device.merge(b"LBDP"), Err(WriteError::Malformed(_))));
}

/// Whoever leaves out what is at fault had to ask again for each, and each time all of the rest was
/// looked at.
#[test]
fn all_that_would_be_refused_is_named_at_once() {
    let device = device();
    let keyed = |data| Record { idempotency_key: Some("k"), ..Record::json("P", "t", data) };
    device.record(&batch(&device, "truck", &[keyed("0")])).unwrap();
    let late = Record { occurred: Some(i64::MAX), ..Record::json("T1", "Left", "1") };
    let good = Record::json("T1", "Left", "1");
    let batches = [
        batch(&device, "pallet", &[good, late, good, late]),
        batch(&device, "shipment", &[good]),
        batch(&device, "truck", &[keyed("1"), good, late]),
    ];
    let places = |error: &TogetherError| -> Vec<(Option<usize>, Option<usize>)> {
        error.refused().iter().map(|refused| (refused.batch, refused.index)).collect()
    };
    let all = [(0, 1), (0, 3), (2, 0), (2, 2)].map(|(batch, index)| (Some(batch), Some(index)));
    let error = device.record_together(&batches).unwrap_err();
    assert_eq!(places(&error), all);
    assert_eq!(places(&device.rehearse(&batches).unwrap_err()), all);
    let holder = format!("truck:{}-1 of P", device.id());
    assert!(error.refused()[2].detail.ends_with(&holder), "{:?}", error.refused());
    assert_eq!(device.reader().roots(), [root("truck")], "nothing of them is stored");
}

/// Behind a batch that was refused as a whole, the first refusal of the next one was left out, so
/// whoever took out what was named met it only at the next try.
#[test]
fn what_keeps_a_batch_back_as_a_whole_hides_no_refusal() {
    let device = device();
    let good = Record::json("T1", "Left", "1");
    let late = Record { occurred: Some(i64::MAX), ..good };
    device.record(&batch(&device, "truck", &[good])).unwrap();
    let mut first = batch(&device, "truck", &[good]);
    first.require(Precondition::Absent).unwrap();
    let batches = [first, batch(&device, "pallet", &[late, good, late])];
    for error in
        [device.record_together(&batches).unwrap_err(), device.rehearse(&batches).unwrap_err()]
    {
        assert_eq!(error.batch, Some(0));
        let others: Vec<_> =
            error.others.iter().map(|(batch, why)| (*batch, why.index())).collect();
        assert_eq!(others, [(1, Some(0)), (1, Some(2))]);
    }
}
