//! Merge is set union.

use laterbase_core::replica::{Replica, WriteError};

use super::Fresh;
use super::cast::{Cast, Picture, full_state, merge, merge_all, open, pages};
use crate::simulator::dice::Dice;

/// What is merged again, in any order and any number of times, changes nothing.
///
/// # Panics
/// If it is not so.
pub fn merge_is_idempotent(fresh: &Fresh<'_>, seed: u64) {
    let mut cast = Cast::mixed(fresh, seed, 2, 16);
    let (now, dice) = (cast.now, &mut cast.dice);
    let [a, b] = &mut cast.replicas[..] else { unreachable!("two replicas") };
    merge_all(a, b, dice, now);
    let before = (Picture::of(a), a.reader().head(), a.id());
    let mut again = full_state(b, dice);
    again.extend(full_state(a, dice));
    again.extend(full_state(b, dice));
    dice.shuffle(&mut again);
    for page in again {
        assert_eq!(merge(a, &page, now).expect("it is held"), 0, "nothing of it is new");
    }
    assert_eq!((Picture::of(a), a.reader().head(), a.id()), before);
}

/// It does not matter which of two replicas is heard first.
///
/// # Panics
/// If it does.
pub fn merge_is_commutative(fresh: &Fresh<'_>, seed: u64) {
    let mut cast = Cast::mixed(fresh, seed, 2, 16);
    let (now, dice) = (cast.now, &mut cast.dice);
    let [a, b] = &mut cast.replicas[..] else { unreachable!("two replicas") };
    let (mut ab, mut ba) = (open(fresh(), dice), open(fresh(), dice));
    merge_all(&mut ab, a, dice, now);
    merge_all(&mut ab, b, dice, now);
    merge_all(&mut ba, b, dice, now);
    merge_all(&mut ba, a, dice, now);
    assert_eq!(Picture::of(&ab), Picture::of(&ba), "a then b, b then a");
    merge_all(a, b, dice, now);
    merge_all(b, a, dice, now);
    assert_eq!(Picture::of(a), Picture::of(&ab), "b into a");
    assert_eq!(Picture::of(b), Picture::of(&ab), "a into b");
}

/// It does not matter who merged with whom before.
///
/// # Panics
/// If it does.
pub fn merge_is_associative(fresh: &Fresh<'_>, seed: u64) {
    let mut cast = Cast::mixed(fresh, seed, 3, 20);
    let (now, dice) = (cast.now, &mut cast.dice);
    let [a, b, c] = &cast.replicas[..] else { unreachable!("three replicas") };
    let mut union = |first: &Replica, second: &Replica| {
        let mut union = open(fresh(), dice);
        merge_all(&mut union, first, dice, now);
        merge_all(&mut union, second, dice, now);
        union
    };
    let left = {
        let ab = union(a, b);
        union(&ab, c)
    };
    let right = {
        let bc = union(b, c);
        union(a, &bc)
    };
    assert_eq!(Picture::of(&left), Picture::of(&right));
}

/// Deltas made for what a replica holds bring it where the full state would, also when they come
/// late, twice and in any order: what does not fit yet is refused and fits later.
///
/// # Panics
/// If they do not.
pub fn merging_deltas_equals_merging_the_full_state(fresh: &Fresh<'_>, seed: u64) {
    let mut cast = Cast::mixed(fresh, seed, 2, 20);
    let (now, dice) = (cast.now, &mut cast.dice);
    let [a, b] = &mut cast.replicas[..] else { unreachable!("two replicas") };
    let mut whole = open(fresh(), dice);
    merge_all(&mut whole, a, dice, now);
    merge_all(&mut whole, b, dice, now);
    let mut deltas = Vec::new();
    for root in b.reader().roots() {
        deltas.extend(pages(&b.reader(), &root, &a.reader().version_vector(&root), dice));
    }
    deltas.extend(deltas.clone());
    dice.shuffle(&mut deltas);
    merge_pile(a, deltas, dice, now);
    assert_eq!(Picture::of(a), Picture::of(&whole));
}

/// Merges pages as they fit, until all are merged.
fn merge_pile(replica: &mut Replica, mut pile: Vec<Vec<u8>>, dice: &mut Dice, now: i64) {
    while !pile.is_empty() {
        let before = pile.len();
        dice.shuffle(&mut pile);
        pile.retain(|page| match merge(replica, page, now) {
            Ok(_) => false,
            Err(WriteError::Hole { .. }) => true,
            Err(error) => panic!("a page of a good delta was refused: {error}"),
        });
        assert!(pile.len() < before, "the first of the pages always fits");
    }
}
