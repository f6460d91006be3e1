//! What a fuzzer does with its bytes.
//!
//! Everything that Laterbase reads from others is here: each [`Target`] takes any bytes, and
//! panics if something is wrong with what comes of them. `fuzz/` has a `cargo fuzz` target for
//! each. Every run of the tests plays some as well: [`Target::check`] mutates the seeds, the same
//! way each time.

mod bodies;
mod pages;
mod seeds;

use std::sync::Arc;

use laterbase_core::memory_store::MemoryStore;

use crate::model;
use crate::simulator::dice::Dice;

/// Something that reads bytes from others.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, also of the `cargo fuzz` target.
    pub name: &'static str,
    /// Takes any bytes.
    ///
    /// Panics if they are read wrongly.
    pub body: fn(&[u8]),
    /// Good bytes to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 11] = [
    Target { name: "record", body: bodies::record, seeds: seeds::records },
    Target { name: "delta", body: bodies::delta, seeds: seeds::deltas },
    Target { name: "pages", body: pages::merge_any, seeds: seeds::scripts },
    Target { name: "version_vector", body: bodies::version_vector, seeds: seeds::version_vectors },
    Target { name: "cursor", body: bodies::cursor, seeds: seeds::cursors },
    Target { name: "heads", body: bodies::heads, seeds: seeds::heads },
    Target { name: "wants", body: bodies::wants, seeds: seeds::wants },
    Target { name: "json", body: bodies::json, seeds: seeds::json },
    Target { name: "time", body: bodies::time, seeds: seeds::times },
    Target { name: "name", body: bodies::name, seeds: seeds::names },
    Target { name: "replica", body: replica, seeds: seeds::scripts },
];

/// The target of a name.
///
/// # Panics
/// If there is none.
pub fn target(name: &str) -> Target {
    let found = TARGETS.into_iter().find(|target| target.name == name);
    found.unwrap_or_else(|| panic!("there is no target {name}"))
}

impl Target {
    /// Plays the seeds, and `rounds` mutations of each, or as many as `LATERBASE_ROUNDS` says.
    /// Gives how many strings of bytes that were.
    ///
    /// # Panics
    /// As the body does.
    pub fn check(&self, rounds: u64) -> u64 {
        let rounds = crate::rounds(rounds);
        let seeds = (self.seeds)();
        let mut played = 0;
        for (index, seed) in seeds.iter().enumerate() {
            (self.body)(seed);
            let mut dice = Dice::new(index as u64);
            let mut bytes = seed.clone();
            for round in 0..rounds {
                // Some go far from the seed, step by step.
                if round % 8 == 0 {
                    bytes.clone_from(seed);
                }
                mutate(&mut bytes, dice.pick(&seeds).as_slice(), &mut dice);
                (self.body)(&bytes);
                played += 1;
            }
        }
        played
    }
}

/// Values that are at the ends of something.
const ENDS: [&[u8]; 8] = [
    &[0],
    &[0xff],
    &[0xfa, 0xfb, 0xfb, 0xff, 0xff],
    &[0xfc, 0xff, 0xff, 0xff, 0xff],
    &[0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    &[0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0xfe],
    &[0x80, 0, 0, 0, 0, 0, 0, 0],
];

fn mutate(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.index(bytes.len() + 1);
    let rest = bytes.len() - at;
    match dice.below(7) {
        0..=1 if rest > 0 => bytes[at] ^= 1 << dice.below(8),
        2 if rest > 0 => bytes[at] = bytes[at].wrapping_add(*dice.pick(&[1, 2, 0xff])),
        3 => bytes.truncate(at),
        4 => drop(bytes.drain(at..at + dice.index(rest.min(16) + 1))),
        5 => {
            let from = dice.index(other.len() + 1);
            let count = dice.index((other.len() - from).min(64) + 1);
            bytes.splice(at..at, other[from..from + count].iter().copied());
        }
        _ => {
            let end = *dice.pick(&ENDS);
            bytes.splice(at..at + rest.min(end.len()), end.iter().copied());
        }
    }
}

/// A replica in memory, against the model.
fn replica(bytes: &[u8]) {
    let store = MemoryStore::new();
    drop(model::play(&mut move || Arc::new(store.reopen()), bytes));
}
