#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn snapshot() -> Snapshot {
    let dot = Dot { origin: ReplicaId::from_bytes([9; 16]), seq: 4 };
    Snapshot {
        recorded_max: Hlc::from_bits(7),
        arrived_max: 301,
        digest: [3; 32],
        event_count: 300,
        voided: VoidedMark { count: 2, digest: [5; 16] },
        refused_count: 1,
        refused: vec![(dot, "no".to_owned())],
        state: Arc::new(b"{}".to_vec()),
    }
}

#[test]
fn a_snapshot_comes_back_and_damage_is_noticed() {
    let mut bytes = Vec::new();
    snapshot().encode(&mut bytes);
    assert_eq!(Snapshot::decode(&bytes), Ok(snapshot()));
    for position in 0..bytes.len() {
        assert!(Snapshot::decode(&bytes[..position]).is_err(), "cut at {position}");
        let mut flipped = bytes.clone();
        flipped[position] ^= 1;
        assert!(Snapshot::decode(&flipped).is_err(), "flipped at {position}");
    }
}

#[test]
fn a_rung_comes_back_from_its_key() {
    let rung = Rung { place: Place::from_bytes([5; 32]), event_count: 6, position: 7 };
    let prefix = ladder_prefix(&keys::index_aggregate(1, "a\0b"), "fold", 2);
    assert_eq!(Rung::of_key(&rung.key(&prefix)), Some(rung));
    assert_eq!(Rung::of_key(b"short"), None);
}

proptest! {
    /// Adding a rung every so often and thinning each time leaves few rungs, and a near one
    /// before every event.
    #[test]
    fn ladders_stay_short_and_near(steps in prop::collection::vec(1_u64..5, 1..2_000)) {
        let mut counts: Vec<u64> = Vec::new();
        let mut total = 0;
        let widest = steps.iter().max().copied().unwrap_or(1);
        for step in &steps {
            total += step;
            counts.push(total);
            let mut kept = kept_rungs(&counts).into_iter();
            counts.retain(|_| kept.next().unwrap());
        }
        prop_assert_eq!(counts.last(), Some(&total));
        prop_assert!(counts.len() as u64 <= 4 * u64::from(total.ilog2() + 1) + 4);
        for event in 1..=total {
            let distance = total - event;
            let nearest = counts.iter().rev().find(|&&count| count <= event).copied();
            let farther = event - nearest.unwrap_or(0);
            prop_assert!(
                farther <= distance + 2 * widest,
                "event {} of {}: nearest rung at {:?}", event, total, nearest
            );
        }
    }
}
