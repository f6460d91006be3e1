//! A replica against a plain model, through any string of bytes.
//!
//! The bytes say what is done, one operation after the other: events are written, now, long ago
//! and in the future, with keys that are free, taken and repeated; another replica writes too, and
//! pages go both ways, whole, again, and with holes; aggregates are read on all axes, feeds from
//! any version vector; what is staged is committed or given up; the store is flushed, closed,
//! crashed and opened again. After each operation, everything must be what maps of the events
//! say. A fuzzer finds the bytes, or a seed makes them.

mod check;
mod held;
mod play;
pub(crate) mod script;

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use laterbase_core::store::Store;

use crate::simulator::dice::Dice;
use play::Play;

/// Opens the store that is tested, again and again: the same data each time.
pub type Open<'o> = dyn FnMut() -> Arc<dyn Store> + 'o;

/// Most operations that are made of one string.
const OPERATIONS_MAX: usize = 400;

/// What was tried → how often.
pub type Tried = BTreeMap<&'static str, u64>;

/// Plays what a string of bytes says.
///
/// # Panics
/// If a replica does not do what the model does.
pub fn play(open: &mut Open<'_>, bytes: &[u8]) -> Tried {
    let mut play = Play::start(open, bytes);
    for _ in 0..OPERATIONS_MAX {
        if !play.step() {
            break;
        }
    }
    play.finish();
    play.tried
}

/// The string of a seed, of about as many operations as there are bytes to four.
pub fn script(seed: u64, bytes: usize) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    let mut script = Vec::with_capacity(bytes + 16);
    while script.len() < bytes {
        script.extend_from_slice(&dice.bytes());
    }
    script.truncate(bytes);
    script
}

/// All that can be tried.
pub const ALL_TRIED: [&str; 10] = [
    "a condition that does not hold",
    "a hole",
    "a key that is taken",
    "closed",
    "crashed",
    "given up",
    "in the future",
    "merged",
    "merged again",
    "replayed",
];

/// Plays the strings of `seeds` seeds, each on a store of its own. `LATERBASE_SEED` begins with
/// another one than 0, and `LATERBASE_ROUNDS` plays more.
///
/// # Panics
/// As for [`play`], with the seed.
pub fn check(fresh: &mut dyn FnMut() -> Box<Open<'static>>, seeds: u64) -> Tried {
    let first = std::env::var("LATERBASE_SEED").ok().and_then(|seed| seed.parse().ok());
    let first: u64 = first.unwrap_or(0);
    let seeds = crate::rounds(seeds);
    let mut tried = Tried::new();
    for seed in first..first + seeds {
        let mut open = fresh();
        let bytes = script(seed, 40 + usize::try_from(seed % 5).expect("small") * 160);
        let played = panic::catch_unwind(AssertUnwindSafe(|| play(&mut *open, &bytes)));
        match played {
            Ok(played) => played.into_iter().for_each(|(what, count)| {
                *tried.entry(what).or_default() += count;
            }),
            Err(panic) => {
                say(seed);
                panic::resume_unwind(panic);
            }
        }
    }
    tried
}

#[expect(clippy::print_stderr, reason = "a failure must say how to see it again")]
fn say(seed: u64) {
    eprintln!("LATERBASE_SEED={seed} LATERBASE_ROUNDS=1 shows it again");
}
