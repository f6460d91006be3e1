#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::event::Record;

#[test]
fn the_values_are_those_of_the_format_document() {
    let root = RootName::new("shipment").unwrap();
    let genesis = ChainHash::genesis(&root, ReplicaId::from_bytes([7; 16]));
    let expected = "3956083f0f42f216ad406ce7d4ef2f926fc48c60fbe98d8df8f09e729af06b30";
    assert_eq!(format!("{genesis:?}"), expected);
    let mut record = Vec::new();
    Record::json("a", "t", "{}").filled_in(0).encode(&mut record);
    let first = genesis.next(Hlc::from_bits(101), RecordHash::of(&record));
    let expected = "69757e06ba8394a8c66d8ab9f120cd865c48b6d993b28a357347553c50017a03";
    assert_eq!(format!("{first:?}"), expected);
}

#[test]
fn the_chain_depends_on_origin_root_stamp_and_record() {
    let root = |name| RootName::new(name).unwrap();
    let base = ChainHash::genesis(&root("a"), ReplicaId::from_bytes([1; 16]));
    assert_ne!(base, ChainHash::genesis(&root("b"), ReplicaId::from_bytes([1; 16])));
    assert_ne!(base, ChainHash::genesis(&root("a"), ReplicaId::from_bytes([2; 16])));
    let next = base.next(Hlc::from_bits(1), RecordHash::of(b"x"));
    assert_ne!(next, base.next(Hlc::from_bits(2), RecordHash::of(b"x")));
    assert_ne!(next, base.next(Hlc::from_bits(1), RecordHash::of(b"y")));
}
