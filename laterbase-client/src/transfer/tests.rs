#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use laterbase_core::event::Record;
use laterbase_core::memory_store::MemoryStore;

use super::*;
use crate::device::DeviceOptions;

fn device() -> Device {
    Device::over(Arc::new(MemoryStore::new()), DeviceOptions::default()).unwrap()
}

fn filled() -> Device {
    let device = device();
    for name in ["pallet", "truck@depot-7"] {
        let mut batch = device.batch(&RootName::new(name).unwrap());
        for index in 0..300 {
            let data = format!("\"{}\"", "x".repeat(index * 100));
            batch.push(&Record::json("A1", "Packed", &data)).unwrap();
        }
        device.record(&batch).unwrap();
    }
    device
}

fn file(device: &Device) -> Vec<u8> {
    let roots = device.reader().roots();
    let mut heard = 0;
    let (bytes, counts) = export(device, &roots, Vec::new(), &mut |events| heard = events).unwrap();
    assert_eq!((counts.events, heard), (600, 600));
    assert!(counts.pages > 2, "several pages a root");
    bytes
}

fn take(device: &Device, bytes: &[u8]) -> (Result<PagedFileCounts, TransferError>, Merged) {
    let mut imported = Imported::default();
    let done = import(device, bytes, &mut imported, &mut |_merged| {});
    assert_eq!(imported.held_back, []);
    (done, imported.merged)
}

#[test]
fn a_file_carries_every_event_with_its_dot() {
    let source = filled();
    let copy = device();
    let (counts, merged) = take(&copy, &file(&source));
    assert_eq!((counts.unwrap().events, merged), (600, Merged { stored: 600, known: 0 }));
    let digests = |device: &Device| -> Vec<String> {
        device.reader().status().unwrap().roots.into_iter().map(|root| root.digest).collect()
    };
    assert_eq!(digests(&copy), digests(&source));
}

#[test]
fn a_file_taken_in_twice_changes_nothing() {
    let bytes = file(&filled());
    let copy = device();
    take(&copy, &bytes).0.unwrap();
    let (counts, merged) = take(&copy, &bytes);
    assert_eq!((counts.unwrap().events, merged), (600, Merged { stored: 0, known: 600 }));
    assert_eq!(copy.reader().head(), 600);
}

#[test]
fn a_file_cut_short_gives_its_whole_pages_and_is_named() {
    let bytes = file(&filled());
    let copy = device();
    let (cut, merged) = take(&copy, &bytes[..bytes.len() - 1]);
    assert!(matches!(cut, Err(TransferError::File(PagedFileError::Truncated { .. }))));
    assert_eq!(merged.stored, 600);
    let copy = device();
    let (cut, merged) = take(&copy, &bytes[..bytes.len() / 3 * 2]);
    assert!(matches!(cut, Err(TransferError::File(PagedFileError::Truncated { .. }))));
    assert!((1..600).contains(&merged.stored), "{merged:?}");
    let (_whole, merged) = take(&copy, &bytes);
    assert_eq!(merged.stored + merged.known, 600);
    assert_eq!(copy.reader().head(), 600);
}

#[test]
fn a_damaged_page_is_named_and_not_stored() {
    let mut bytes = file(&filled());
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let (damaged, merged) = take(&device(), &bytes);
    assert!(matches!(damaged, Err(TransferError::File(PagedFileError::Page { .. }))));
    assert!(merged.stored < 600);
}
