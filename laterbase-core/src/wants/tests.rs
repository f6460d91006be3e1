#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn want(root: &str, origin: u8, after: u64, until: u64) -> Want {
    let root = RootName::new(root).unwrap();
    Want { root, origin: ReplicaId::from_bytes([origin; 16]), after, until }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_bytes_are_those_of_the_format_document() {
    let wants = Wants { entries: vec![want("trip", 7, 0, 1), want("order", 9, 250, 300)] };
    let golden = concat!(
        "4c425754",
        "01",
        // trip
        "0474726970",
        "07070707070707070707070707070707",
        "00",
        "01",
        // order
        "056f72646572",
        "09090909090909090909090909090909",
        "fa",
        "fb2c01",
        // hash
        "7da9d6c02df2a8011c16fd45a7aa5468"
    );
    assert_eq!(hex(&wants.encode()), golden);
    assert_eq!(Wants::decode(&wants.encode()), Ok(wants));
    assert_eq!(hex(&Wants::default().encode()), "4c425754014c9cee75c045173dd842e1dc06a399bd");
}

#[test]
fn a_stretch_must_rise_and_stay_within_its_bound() {
    for (after, until) in [(0, 0), (5, 5), (6, 5), (u64::MAX, 1), (0, SEQ_MAX + 1), (1, u64::MAX)] {
        let bytes = Wants { entries: vec![want("a", 1, after, until)] }.encode();
        assert_eq!(Wants::decode(&bytes), Err(CodecError::Bounds { field: "seq" }));
    }
    let bytes = Wants { entries: vec![want("a", 1, SEQ_MAX - 1, SEQ_MAX)] }.encode();
    assert!(Wants::decode(&bytes).is_ok());
}

#[test]
fn a_list_is_bounded() {
    let mut wants = Wants { entries: vec![want("a", 1, 0, 1); WANTS_ENTRIES_MAX] };
    let mut bytes = wants.encode();
    assert_eq!(Wants::decode(&bytes).as_ref(), Ok(&wants));
    bytes.truncate(bytes.len() - 16);
    let WantFields { root, origin, after, until } =
        WantFields { root: "a", origin: [1; 16], after: 0, until: 1 };
    codec::encode(&WantFields { root, origin, after, until }, &mut bytes);
    sealed::seal(&mut bytes);
    assert_eq!(Wants::decode(&bytes), Err(CodecError::Bounds { field: "wants" }));
    wants.entries.clear();
    assert_eq!(
        Wants::decode(&vec![0; WANTS_BYTES_MAX + 1]),
        Err(CodecError::Bounds { field: "wants" })
    );
}

#[test]
fn a_bad_root_is_refused() {
    let mut bytes = Wants::default().encode();
    bytes.truncate(bytes.len() - 16);
    codec::encode(&WantFields { root: "a b", origin: [1; 16], after: 0, until: 1 }, &mut bytes);
    sealed::seal(&mut bytes);
    assert_eq!(Wants::decode(&bytes), Err(CodecError::Bounds { field: "root" }));
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let bytes = Wants { entries: vec![want("a", 1, 0, 1), want("b", 2, 300, 70_000)] }.encode();
    for position in 0..bytes.len() {
        assert!(Wants::decode(&bytes[..position]).is_err(), "cut at {position}");
        let mut flipped = bytes.clone();
        flipped[position] ^= 0x10;
        assert!(Wants::decode(&flipped).is_err(), "flipped at {position}");
    }
}

proptest! {
    #[test]
    fn random_bytes_in_a_good_frame_never_panic(noise: Vec<u8>) {
        let mut bytes = [&MAGIC[..], &[FORMAT], &noise].concat();
        sealed::seal(&mut bytes);
        let _ = Wants::decode(&bytes);
        let _ = Wants::decode(&noise);
    }
}
