//! Random choices that a seed repeats.

use std::env;

/// SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound as u64).unwrap()
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

/// The seeds to test with: a few that are always the same, or the one that `LATERBASE_SEED` names.
pub(crate) fn seeds(count: u64) -> Vec<u64> {
    match env::var("LATERBASE_SEED") {
        Ok(seed) => vec![seed.parse().expect("LATERBASE_SEED is a number")],
        Err(_not_set) => (1..=count).collect(),
    }
}

/// Names the seed should the rest of the test fail.
pub(crate) fn announce(seed: u64) {
    eprintln!("repeat with LATERBASE_SEED={seed}");
}
