#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn entry(root: &str, origin: u8, seq: u64) -> HeadEntry {
    HeadEntry {
        root: RootName::new(root).unwrap(),
        origin: ReplicaId::from_bytes([origin; 16]),
        seq,
        check: [origin, 0, 0, 0, 0, 0, 0, 1],
    }
}

fn page(entries: Vec<HeadEntry>, more: bool) -> HeadsPage {
    let last = entries.last().map(|last| (last.root.clone(), last.origin));
    HeadsPage { entries, next: last.filter(|_| more) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A document of which only the frame is right.
fn framed(body: &[u8]) -> Vec<u8> {
    let mut bytes = [&MAGIC[..], &[FORMAT], body].concat();
    sealed::seal(&mut bytes);
    bytes
}

#[test]
fn the_bytes_are_those_of_the_format_document() {
    let page = page(vec![entry("order", 7, 1), entry("order", 9, 300), entry("trip", 7, 2)], true);
    let golden = concat!(
        "4c424844",
        "01",
        "01",
        // order
        "056f72646572",
        "02",
        "07070707070707070707070707070707",
        "01",
        "0700000000000001",
        "09090909090909090909090909090909",
        "fb2c01",
        "0900000000000001",
        // trip
        "0474726970",
        "01",
        "07070707070707070707070707070707",
        "02",
        "0700000000000001",
        // hash
        "4ebe9e5e87b6edc0df4a8ea56e68454f"
    );
    assert_eq!(hex(&page.encode()), golden);
    assert_eq!(HeadsPage::decode(&page.encode()), Ok(page));
    assert_eq!(hex(&HeadsPage::default().encode()), "4c42484401007fe23bdb2ae3b5478d3f0e0c43ca4dec");
}

#[test]
fn the_check_is_the_start_of_the_chain() {
    let mut chain = [9; 32];
    chain[..8].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(HeadEntry::check_of(ChainHash::from_bytes(chain)), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn roots_and_origins_must_rise() {
    for entries in [
        vec![entry("b", 1, 1), entry("a", 1, 1)],
        vec![entry("a", 2, 1), entry("a", 1, 1)],
        vec![entry("a", 1, 1), entry("a", 1, 2)],
        vec![entry("a", 1, 1), entry("b", 1, 1), entry("a", 2, 1)],
    ] {
        let bytes = page(entries, false).encode();
        assert_eq!(HeadsPage::decode(&bytes), Err(CodecError::Malformed));
    }
}

#[test]
fn a_seq_of_nought_or_beyond_its_bound_is_refused() {
    for seq in [0, SEQ_MAX + 1, u64::MAX] {
        let bytes = page(vec![entry("a", 1, seq)], false).encode();
        assert_eq!(HeadsPage::decode(&bytes), Err(CodecError::Bounds { field: "seq" }));
    }
    let bytes = page(vec![entry("a", 1, SEQ_MAX)], false).encode();
    assert!(HeadsPage::decode(&bytes).is_ok());
}

#[test]
fn counts_that_lie_are_refused_and_allocate_nothing() {
    for count in [0_u64, HEADS_ENTRIES_MAX as u64 + 1, u64::from(u32::MAX), u64::MAX] {
        let mut body = vec![0];
        codec::encode(&"a", &mut body);
        codec::encode(&count, &mut body);
        let refused = HeadsPage::decode(&framed(&body)).unwrap_err();
        assert_eq!(refused, CodecError::Bounds { field: "count" });
    }
    let mut body = vec![0];
    codec::encode(&"a", &mut body);
    codec::encode(&HEADS_ENTRIES_MAX, &mut body);
    assert_eq!(HeadsPage::decode(&framed(&body)), Err(CodecError::Malformed));
}

#[test]
fn more_entries_than_a_page_holds_are_refused_over_roots_as_well() {
    let mut body = vec![0];
    for root in ["a", "b"] {
        codec::encode(&root, &mut body);
        codec::encode(&(HEADS_ENTRIES_MAX / 2 + 1), &mut body);
        for n in 0..=HEADS_ENTRIES_MAX as u128 / 2 {
            body.extend_from_slice(&n.to_be_bytes());
            codec::encode(&1_u64, &mut body);
            body.extend_from_slice(&[0; 8]);
        }
    }
    let refused = HeadsPage::decode(&framed(&body)).unwrap_err();
    assert_eq!(refused, CodecError::Bounds { field: "count" });
}

#[test]
fn an_empty_page_has_no_next_one_and_the_flag_is_a_flag() {
    assert_eq!(HeadsPage::decode(&framed(&[1])), Err(CodecError::Malformed));
    assert_eq!(HeadsPage::decode(&framed(&[2])), Err(CodecError::Malformed));
    assert_eq!(HeadsPage::decode(&framed(&[])), Err(CodecError::Malformed));
}

#[test]
fn a_newer_format_is_named() {
    let mut bytes = page(vec![], false).encode();
    bytes[4] = 2;
    assert_eq!(HeadsPage::decode(&bytes), Err(CodecError::NewerFormat { found: 2 }));
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let bytes = page(vec![entry("a", 1, 1), entry("b", 1, 70_000)], true).encode();
    for position in 0..bytes.len() {
        assert!(HeadsPage::decode(&bytes[..position]).is_err(), "cut at {position}");
        let mut flipped = bytes.clone();
        flipped[position] ^= 0x10;
        assert!(HeadsPage::decode(&flipped).is_err(), "flipped at {position}");
    }
}

proptest! {
    #[test]
    fn random_bytes_in_a_good_frame_never_panic(noise: Vec<u8>) {
        let _ = HeadsPage::decode(&framed(&noise));
        let _ = HeadsPage::decode(&noise);
    }
}
