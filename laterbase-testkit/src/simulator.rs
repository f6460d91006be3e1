//! Many replicas in a world that goes wrong, played from one seed.
//!
//! The replicas are real ([`laterbase_core::replica::Replica`]), and so are the sessions by which
//! they sync ([`laterbase_core::sync::Session`]); their disks, links and clocks are simulated, and so are crashes, restores, clones and users. A run has two phases. In the first,
//! whatever the seed turned on goes wrong, while checkers compare each replica with an
//! independent record of every event. In the second, all faults end, and everybody must come to
//! hold everything within a bounded number of steps.
//!
//! One thread, no real clock, no real randomness: the same seed gives the same run, bit for bit.
//! `docs/simulation.md` tells how to read one.

mod checkers;
mod clock;
pub(crate) mod dice;
mod disk;
mod exchange;
mod expected;
mod faults;
mod forks;
mod ledger;
mod liveness;
mod network;
mod node;
mod options;
pub(crate) mod order_fold;
mod outcome;
mod peers;
mod requests;
mod scenario;
mod shrink;
mod talks;
mod trace;
mod workload;
mod world;

use std::panic::{self, AssertUnwindSafe};

use outcome::Violation;
pub use outcome::{Failure, Outcome};
pub use scenario::{Scenario, fault_names};
pub use shrink::shrink;
use world::World;

/// Plays the run of a seed.
///
/// # Errors
/// [`Failure`] if a checker objects or anything panics. The same seed fails the same way again.
pub fn run(seed: u64) -> Result<Outcome, Box<Failure>> {
    play(&Scenario::of(seed))
}

/// Plays a run, whole or made smaller.
///
/// # Errors
/// [`Failure`], as for [`run`].
pub fn play(scenario: &Scenario) -> Result<Outcome, Box<Failure>> {
    let mut world = World::new(scenario);
    let verdict = panic::catch_unwind(AssertUnwindSafe(|| world.run()));
    let verdict = verdict.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Violation { checker: "no panic", words: text.unwrap_or_default() })
    });
    match verdict {
        Ok(()) => Ok(world.outcome()),
        Err(Violation { checker, words }) => Err(Box::new(Failure {
            scenario: scenario.clone(),
            step: world.step,
            checker,
            words,
            options: format!("{:?}", world.options),
            last_lines: world.trace.last_lines(),
        })),
    }
}
