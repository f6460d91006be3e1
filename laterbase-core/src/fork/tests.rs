#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::chain::RecordHash;

fn root() -> RootName {
    RootName::new("shipment").unwrap()
}

fn origin() -> ReplicaId {
    ReplicaId::from_bytes([0xab; 16])
}

fn event(seq: u64, before: ChainHash, record: &[u8]) -> Quarantined<'_> {
    let recorded = Hlc::from_bits(seq << 20);
    let chain = before.next(recorded, RecordHash::of(record));
    Quarantined { seq, recorded, before, chain, record }
}

#[test]
fn the_id_of_a_branch_is_that_of_the_format_document() {
    let first = ChainHash::genesis(&root(), origin()).next(Hlc::from_bits(1), RecordHash::of(b"x"));
    let id = branch_id(&root(), origin(), first);
    assert_eq!(id.to_string(), "3da5e39dee9a3dc2062c4c818a88d317");
    assert_ne!(id, branch_id(&RootName::new("order").unwrap(), origin(), first));
    assert_ne!(id, branch_id(&root(), ReplicaId::from_bytes([1; 16]), first));
    assert_ne!(id, branch_id(&root(), origin(), ChainHash::genesis(&root(), origin())));
}

#[test]
fn events_gather_in_the_branches_that_they_go_on_with() {
    let start = ChainHash::genesis(&root(), origin());
    let (a, b) = (event(5, start, b"a"), event(5, start, b"b"));
    let (a2, b2) = (event(6, a.chain, b"a2"), event(6, b.chain, b"b2"));
    let mut branches = Vec::new();
    for event in [&a, &b, &a2, &b2] {
        extend(&mut branches, &root(), origin(), event);
    }
    let found: Vec<(u64, u64, ChainHash)> =
        branches.iter().map(|b| (b.first_seq, b.event_count, b.tip)).collect();
    assert_eq!(found, [(5, 2, a2.chain), (5, 2, b2.chain)]);
    assert_ne!(branches[0].id, branches[1].id);
    assert_eq!(branches[0].last_seq(), 6);
}

#[test]
fn a_quarantined_event_is_read_as_it_was_written() {
    let event = event(7, ChainHash::genesis(&root(), origin()), b"the record");
    let mut bytes = Vec::new();
    event.encode(&mut bytes);
    assert_eq!(Quarantined::decode(7, &bytes), Some(event));
    assert_eq!(event.size_bytes(), bytes.len() as u64);
    for length in 0..HEAD_BYTES {
        assert_eq!(Quarantined::decode(7, &bytes[..length]), None);
    }
}
