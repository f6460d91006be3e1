#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn a_value_is_of_its_table_and_key() {
    let stored = [b"value".as_slice(), &of(Table::Peers, b"key", b"value")].concat();
    assert_eq!(open(Table::Peers, b"key", &stored).unwrap(), b"value");
    assert!(open(Table::Peers, b"kez", &stored).is_err());
    assert!(open(Table::Keys, b"key", &stored).is_err());
    for position in 0..stored.len() {
        let mut flipped = stored.clone();
        flipped[position] ^= 1;
        assert!(open(Table::Peers, b"key", &flipped).is_err(), "flipped at {position}");
        assert!(open(Table::Peers, b"key", &stored[..position]).is_err(), "cut at {position}");
    }
    // Entries of the log have their own.
    assert_eq!(open(Table::Log, b"key", b"any").unwrap(), b"any");
}
