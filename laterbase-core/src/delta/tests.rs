#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn root() -> RootName {
    RootName::new("shipment").unwrap()
}

fn origin() -> ReplicaId {
    ReplicaId::from_bytes([7; 16])
}

fn page(payloads: &[&str]) -> Vec<u8> {
    let mut builder = DeltaBuilder::new();
    let mut chain = ChainHash::genesis(&root(), origin());
    let run = builder.start_run(&root(), origin(), 1, chain);
    for (index, payload) in payloads.iter().enumerate() {
        let mut record = Vec::new();
        Record::json("a", "t", payload).filled_in(0).encode(&mut record);
        let seq = index as u64 + 1;
        let recorded = Hlc::from_bits(100 + seq);
        chain = chain.next(recorded, RecordHash::of(&record));
        builder.push(run, Outgoing { origin: origin(), seq, recorded, record: &record, chain });
    }
    let size = builder.size_bytes();
    let bytes = builder.finish();
    assert!(bytes.len() <= size, "the size estimate is never too low");
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_bytes_are_those_of_the_format_document() {
    let bytes = page(&["{}"]);
    assert_eq!(
        hex(&bytes[..31]),
        // magic, format, root, origin, first seq, count
        concat!(
            "4c424450",
            "01",
            "08",
            "736869706d656e74",
            "07070707070707070707070707070707",
            "01"
        )
    );
    let event = &bytes[31 + 1 + 64..bytes.len() - 16];
    // stamp, record length, record
    assert_eq!(hex(event), concat!("0000000000000065", "0b", "017401040301610000", "7b7d"));
}

#[test]
fn a_page_comes_back() {
    let bytes = page(&["{}", "[1]", "null"]);
    let delta = Delta::decode(&bytes).unwrap();
    assert_eq!(delta.event_count(), 3);
    assert_eq!(delta.runs[0].last_seq(), 3);
    assert_eq!(Record::decode(delta.runs[0].events[1].record).unwrap().data, b"[1]");
}

#[test]
fn an_empty_page_is_a_page() {
    assert_eq!(Delta::decode(&DeltaBuilder::new().finish()), Ok(Delta::default()));
}

#[test]
fn a_page_of_a_newer_format_is_named() {
    let mut bytes = page(&["{}"]);
    bytes[4] = 2;
    assert_eq!(Delta::decode(&bytes), Err(CodecError::NewerFormat { found: 2 }));
}

#[test]
fn a_chain_that_does_not_add_up_is_refused() {
    let mut bytes = page(&["{}"]);
    let chain_after = 31 + 1 + 32;
    bytes[chain_after] ^= 1;
    let end = bytes.len() - HASH_BYTES;
    let hash = page_hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&hash);
    assert_eq!(Delta::decode(&bytes), Err(CodecError::Mismatch { what: "chain" }));
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let bytes = page(&["{}", "[1,2,3]"]);
    for position in 0..bytes.len() {
        assert!(Delta::decode(&bytes[..position]).is_err(), "cut at {position}");
        let mut flipped = bytes.clone();
        flipped[position] ^= 0x10;
        assert!(Delta::decode(&flipped).is_err(), "flipped at {position}");
    }
}

proptest! {
    #[test]
    fn random_bytes_behind_a_good_start_never_panic(noise: Vec<u8>) {
        let mut bytes = MAGIC.to_vec();
        bytes.push(FORMAT);
        bytes.extend(noise);
        let hash = page_hash(&bytes);
        bytes.extend(hash);
        let _ = Delta::decode(&bytes);
    }
}
