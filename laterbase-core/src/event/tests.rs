#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn bytes(record: &Record<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    record.encode(&mut out);
    out
}

#[test]
fn the_bytes_are_those_of_the_format_document() {
    let record = Record {
        version: 2,
        occurred: Some(-1),
        idempotency_key: Some("k1"),
        ..Record::json("ASN-5", "Departed", "{}")
    };
    let mut golden = vec![8];
    golden.extend(b"Departed");
    golden.extend([2, 4, 1, 5]);
    golden.extend(b"ASN-5");
    golden.push(1);
    golden.extend([1, 2]);
    golden.extend(b"k1");
    golden.extend(b"{}");
    assert_eq!(bytes(&record), golden);
    assert_eq!(Record::decode(&golden), Ok(record));
    // What was filled in is marked in the flags.
    golden[11] = 3;
    let defaulted = Record { occurred: None, ..record }.filled_in(-1);
    assert_eq!((bytes(&defaulted), Record::decode(&golden)), (golden.clone(), Ok(defaulted)));
}

#[test]
fn the_bytes_of_what_few_events_have_are_those_of_the_format_document() {
    let mut metadata = MetadataBuf::default();
    metadata.set("actor", "Ama").unwrap();
    let dot = crate::id::Dot { origin: crate::id::ReplicaId::from_bytes([0xa7; 16]), seq: 258 };
    let seen = Seen { check: [9; 8], occurred: -1, recorded: crate::hlc::Hlc::from_bits(7) };
    let voids: VoidsBuf = [Void { dot, seen: Some(seen) }].into_iter().collect();
    let record = Record::json("A", "t", "{}")
        .at(0)
        .with_offset(120)
        .with_metadata(metadata.as_metadata())
        .with_voids(voids.as_voids());
    let record = Record { extension: b"x", ..record };
    let mut golden = vec![1, b't', 1, 4, 5, 1, b'A', 0, 0];
    // The offset, zigzag.
    golden.extend([1, 240]);
    golden.push(11);
    golden.extend(b"\x05actor\x00\x03Ama");
    golden.push(48);
    golden.extend([0xa7; 16]);
    golden.extend([0, 0, 0, 0, 0, 0, 1, 2]);
    golden.extend([9; 8]);
    golden.extend([255; 8]);
    golden.extend([0, 0, 0, 0, 0, 0, 0, 7]);
    golden.extend(b"\x01x{}");
    assert_eq!(bytes(&record), golden);
    assert_eq!(Record::decode(&golden), Ok(record));
}

#[test]
fn a_record_of_a_newer_format_is_named() {
    let mut newer = bytes(&Record::json("a", "t", "").filled_in(0));
    newer[3] = 9;
    assert_eq!(Record::decode(&newer), Err(CodecError::NewerFormat { found: 9 }));
}

#[test]
fn every_bound_is_checked_and_its_field_named() {
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    let good = Record::json("a", "t", "{}").filled_in(0);
    let data = vec![0; DATA_BYTES_MAX + 1];
    for (record, field) in [
        (Record { event_type: "", ..good }, "type"),
        (Record { event_type: &long, ..good }, "type"),
        (Record { aggregate_id: "", ..good }, "aggregate_id"),
        (Record { aggregate_id: &long, ..good }, "aggregate_id"),
        (Record { idempotency_key: Some(""), ..good }, "idempotency_key"),
        (Record { idempotency_key: Some(&long), ..good }, "idempotency_key"),
        (Record { data: &data, ..good }, "data"),
        (good.with_offset(1440), "occurred_at"),
        (good.with_offset(i16::MIN), "occurred_at"),
        (good.with_metadata(Metadata::from_bytes(b"\x00\x00\x00")), "metadata"),
        (good.with_voids(Voids::from_bytes(&[0; 48])), "voids"),
    ] {
        assert_eq!(record.check(), Err(CodecError::Bounds { field }));
        assert_eq!(Record::decode(&bytes(&record)), Err(CodecError::Bounds { field }));
    }
    let longest = &long[1..];
    let edge = Record { event_type: longest, data: &data[1..], ..good };
    assert_eq!(Record::decode(&bytes(&edge)), Ok(edge));
}

proptest! {
    #[test]
    fn records_come_back(
        event_type in "\\PC{1,40}", version: u32, aggregate_id in "\\PC{1,40}",
        occurred: i64, is_occurred_defaulted: bool, key in prop::option::of("\\PC{1,40}"), is_json: bool,
        offset in prop::option::of(-1439_i16..=1439), names in prop::collection::vec("[a-z]{1,9}", 0..4),
        seqs in prop::collection::vec(1_u64.., 0..4), extension: Vec<u8>, data: Vec<u8>,
    ) {
        let mut metadata = MetadataBuf::default();
        for name in &names {
            metadata.set(name, "value").unwrap();
        }
        let origin = crate::id::ReplicaId::from_bytes([3; 16]);
        let voids: VoidsBuf = seqs.iter().map(|&seq| crate::id::Dot { origin, seq }).collect();
        let record = Record {
            event_type: &event_type, version, aggregate_id: &aggregate_id, occurred: Some(occurred), is_occurred_defaulted,
            idempotency_key: key.as_deref(), is_json, extension: &extension, data: &data, occurred_offset: offset,
            metadata: metadata.as_metadata(), voids: voids.as_voids(),
        };
        let bytes = bytes(&record);
        prop_assert_eq!(Record::decode(&bytes), Ok(record));
    }

    #[test]
    fn a_head_cut_anywhere_is_an_error(cut in 0_usize..17) {
        let bytes = bytes(&Record::json("ASN-5", "Departed", "").filled_in(0));
        prop_assert!(Record::decode(&bytes[..cut.min(bytes.len() - 1)]).is_err());
    }

    #[test]
    fn random_bytes_never_panic(bytes: Vec<u8>) {
        let _ = Record::decode(&bytes);
    }
}
