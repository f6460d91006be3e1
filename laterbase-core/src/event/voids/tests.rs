#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn dot(origin: u8, seq: u64) -> Dot {
    Dot { origin: ReplicaId::from_bytes([origin; 16]), seq }
}

proptest! {
    #[test]
    fn voids_come_back_in_order_and_once(
        given in prop::collection::vec((0_u8..4, 1_u64..9), 0..40)
    ) {
        let given: Vec<Dot> = given.into_iter().map(|(origin, seq)| dot(origin, seq)).collect();
        let voids: VoidsBuf = given.iter().copied().collect();
        prop_assert!(voids.as_voids().is_sound());
        let mut expected = given;
        expected.sort_unstable();
        expected.dedup();
        let found: Vec<Dot> = voids.as_voids().iter().map(|void| void.dot).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn random_bytes_are_sound_or_not_and_never_panic(bytes: Vec<u8>) {
        let voids = Voids::from_bytes(&bytes);
        prop_assert!(!voids.is_sound() || voids.iter().count() * 48 == bytes.len());
    }
}

#[test]
fn what_is_out_of_order_twice_or_too_many_is_not_sound() {
    let a: VoidsBuf = [dot(1, 1)].into_iter().collect();
    let b: VoidsBuf = [dot(1, 2)].into_iter().collect();
    let (a, b) = (a.as_voids().as_bytes(), b.as_voids().as_bytes());
    assert!(Voids::from_bytes(&[a, b].concat()).is_sound());
    assert!(!Voids::from_bytes(&[b, a].concat()).is_sound());
    assert!(!Voids::from_bytes(&[a, a].concat()).is_sound());
    assert!(!Voids::from_bytes(&a[1..]).is_sound());
    let none: VoidsBuf = [dot(1, 0)].into_iter().collect();
    assert!(!none.as_voids().is_sound(), "no event has the seq 0");
    let most: VoidsBuf = (1..=256).map(|seq| dot(1, seq)).collect();
    assert!(most.as_voids().is_sound());
    let too_many: VoidsBuf = (1..=257).map(|seq| dot(1, seq)).collect();
    assert!(!too_many.as_voids().is_sound());
}
