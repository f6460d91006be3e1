//! Plays seeds of the simulator, one after the other, until one fails: `simulate COUNT [FROM]`.
//!
//! It depends on nothing but the core and the simulator, so that `cargo xtask bugs` can build it
//! again and again. `cargo xtask sim` is the command for people.
#![allow(clippy::print_stdout, reason = "a command line talks to people")]

use std::process::{self, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use laterbase_testkit::simulator;

/// A seed takes a tenth of a second or so. One that takes longer than this is endless.
const PATIENCE: Duration = Duration::from_secs(120);

/// The seed that is being played.
static PLAYED: AtomicU64 = AtomicU64::new(u64::MAX);

/// Ends the process if a seed does not end.
fn watch() {
    let mut before = u64::MAX;
    loop {
        thread::sleep(PATIENCE);
        let seed = PLAYED.load(Ordering::Relaxed);
        if seed == before {
            println!("seed {seed}: it never ends");
            process::exit(1);
        }
        before = seed;
    }
}

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse().expect("a number"));
    let (count, from): (u64, u64) = (numbers.next().unwrap_or(100), numbers.next().unwrap_or(0));
    std::panic::set_hook(Box::new(|_| {}));
    thread::spawn(watch);
    for seed in from..from.saturating_add(count) {
        PLAYED.store(seed, Ordering::Relaxed);
        if let Err(failure) = simulator::run(seed) {
            println!("seed {seed}: {}\n{failure}", failure.checker);
            return ExitCode::FAILURE;
        }
    }
    println!("{count} seeds from {from} on: nothing found");
    ExitCode::SUCCESS
}
