#![allow(clippy::unwrap_used, reason = "tests")]

use laterbase_core::id::ReplicaId;
use laterbase_core::version_vector::VersionVector;

use super::{ROOTS_TOLD_MAX, announcement, lacking};

fn vv(entries: &[(u8, u64)]) -> VersionVector {
    let mut vv = VersionVector::new();
    for &(origin, seq) in entries {
        vv.raise(ReplicaId::from_bytes([origin; 16]), seq);
    }
    vv
}

/// A server that claimed more events than there are numbers ended the command with a panic.
#[test]
fn a_server_may_claim_any_number_of_events() {
    let theirs = vv(&[(1, u64::MAX), (2, u64::MAX), (3, 5)]);
    assert_eq!(lacking(&theirs, &vv(&[])), u64::MAX);
    assert_eq!(lacking(&vv(&[(3, 5), (4, 2)]), &vv(&[(3, 3), (4, 9)])), 2);
    let told = announcement(&[("a".to_owned(), u64::MAX), ("b".to_owned(), 1)]).unwrap();
    assert!(told.starts_with(&format!("takes {} events of the server's: a ", u64::MAX)), "{told}");
}

#[test]
fn of_many_roots_the_first_are_named() {
    assert_eq!(announcement(&[]), None);
    let many: Vec<(String, u64)> =
        (0..ROOTS_TOLD_MAX + 3).map(|number| (format!("root-{number:02}"), 2)).collect();
    let told = announcement(&many).unwrap();
    assert!(told.starts_with("takes 46 events of the server's: root-00 2, root-01 2,"), "{told}");
    assert!(told.contains("root-19 2, 3 other roots; "), "{told}");
}
