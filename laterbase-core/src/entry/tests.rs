#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn entry(record: &[u8]) -> Entry<'_> {
    Entry {
        root: 1,
        origin: 2,
        seq: 3,
        recorded: Hlc::from_bits(4),
        arrived: -5,
        history: 6,
        chain: ChainHash::from_bytes([7; 32]),
        record,
    }
}

fn bytes(entry: &Entry<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    entry.encode(&mut out);
    out
}

#[test]
fn the_bytes_are_those_of_the_format_document() {
    let bytes = bytes(&entry(b"record"));
    assert_eq!(bytes.len(), HEAD_BYTES + 6);
    assert_eq!(bytes[4..12], [0, 0, 0, 1, 0, 0, 0, 2]);
    assert_eq!(bytes[12..28], [0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4]);
    assert_eq!(bytes[28..36], (-5_i64).to_be_bytes());
    assert_eq!(bytes[36..44], 6_u64.to_be_bytes());
    assert_eq!(bytes[44..76], [7; 32]);
    assert_eq!(&bytes[76..], b"record");
    assert_eq!(Entry::decode(&bytes), Ok(entry(b"record")));
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let bytes = bytes(&entry(b"record"));
    for position in 0..bytes.len() {
        assert!(Entry::decode(&bytes[..position]).is_err(), "cut at {position}");
        let mut flipped = bytes.clone();
        flipped[position] ^= 0x01;
        assert!(Entry::decode(&flipped).is_err(), "flipped at {position}");
    }
}

#[test]
fn histories_that_differ_anywhere_differ_behind_it() {
    let chain = |byte| ChainHash::from_bytes([byte; 32]);
    let ab = next_history(next_history(0, chain(1)), chain(2));
    let ba = next_history(next_history(0, chain(2)), chain(1));
    let b = next_history(0, chain(2));
    assert!(ab != ba && ab != b);
}
