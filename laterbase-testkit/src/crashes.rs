//! Processes that are killed while they write, at named points and at any moment.
//!
//! A child process works on a real store: it writes events, takes a peer's, remembers what the
//! peer has, reads, flushes, closes and opens again. It ends by `SIGKILL`: of its own hand before
//! or after a commit of a certain kind ([`KillPoint`]), or of its parent's, whenever that comes.
//! The parent knows what the child was told to be durable. It opens the store, and
//!
//! - everything acknowledged is there, in the same place, byte for byte, round after round;
//! - of what was not acknowledged, the last write is there as a whole or not at all;
//! - what is remembered with a page is there with that page, or not at all;
//! - no id names two events, `verify` finds nothing, and every aggregate is the fold from scratch.
//!
//! A backend's integration tests make the tests with one line:
//!
//! ```text
//! laterbase_testkit::crashes!(MyHarness);
//! ```
//!
//! `LATERBASE_ROUNDS` says how many processes are killed at each point.

mod fork;
mod inquest;
mod work;

pub use crate::deadly_store::{Call, KillPoint, Work};
pub use fork::check_resolution;

use std::path::Path;

use crate::child::{self, Child, was_killed};
use crate::conformance::Harness;
use crate::rounds;
use crate::simulator::dice::Dice;
pub(crate) use inquest::Ledger;
pub(crate) use work::in_peace;

/// A backend whose stores outlive a process.
pub trait CrashHarness: Harness<Store: 'static> {}

impl<H: Harness<Store: 'static>> CrashHarness for H {}

/// Rounds after which a new store is begun.
const ROUNDS_PER_STORE: u64 = 24;

/// Acknowledgements after which the parent kills, at most.
const ACKS_MAX: u64 = 120;

/// Makes a test of every kill point for a backend's harness.
#[macro_export]
macro_rules! crashes {
    ($harness:ty) => {
        $crate::crashes!(@ $harness;
            before_an_append_is_committed: Append, Truth, false;
            after_an_append_is_committed: Append, Truth, true;
            before_a_page_is_committed: Merge, Truth, false;
            after_a_page_is_committed: Merge, Truth, true;
            before_an_acknowledgement_is_remembered: Remember, Truth, false;
            after_an_acknowledgement_is_remembered: Remember, Truth, true;
            between_the_log_and_the_derived_tables: Flush, Derived, false;
            after_the_derived_tables_are_flushed: Flush, Derived, true;
            before_snapshots_are_written: Flush, Snapshots, false;
            after_snapshots_are_written: Flush, Snapshots, true;
            before_the_identity_is_settled: Open, Truth, false;
            after_the_identity_is_settled: Open, Truth, true;
            between_the_batches_of_catching_up: Open, Derived, true;
            before_a_clean_stop_is_marked: Close, Truth, false;
            after_a_clean_stop_is_marked: Close, Truth, true;
            before_a_clean_stop_is_synced: Close, Sync, false;
        );

        #[test]
        fn nothing_acknowledged_is_lost_by_a_kill_at_any_moment() {
            let name = "::nothing_acknowledged_is_lost_by_a_kill_at_any_moment";
            let test = [module_path!(), name].concat();
            $crate::crashes::check::<$harness>(&test, None);
        }

        #[test]
        fn a_kill_while_a_fork_is_resolved_leaves_the_fork_or_the_resolution() {
            let name = "::a_kill_while_a_fork_is_resolved_leaves_the_fork_or_the_resolution";
            $crate::crashes::check_resolution::<$harness>(&[module_path!(), name].concat());
        }
    };
    (@ $harness:ty; $($name:ident: $work:ident, $call:ident, $after:literal;)+) => {
        $(
            #[test]
            fn $name() {
                let point = $crate::crashes::KillPoint {
                    work: Some($crate::crashes::Work::$work),
                    call: $crate::crashes::Call::$call,
                    after: $after,
                };
                let test = concat!(module_path!(), "::", stringify!($name));
                $crate::crashes::check::<$harness>(test, Some(point));
            }
        )+
    };
}

/// What came of all rounds.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    rounds: u64,
    kills: u64,
    acknowledged: u64,
}

/// Has processes work and be killed at a point, or at any moment, and looks what is left.
///
/// # Panics
/// If something acknowledged is missing or changed, or anything is there in part.
pub fn check<H: CrashHarness>(test: &str, point: Option<KillPoint>) {
    if let Some(directory) = child::directory() {
        let [nth, round] = numbers(&child::task());
        work::until_killed::<H>(&directory, point, nth, round);
    }
    let mut tally = Tally::default();
    let rounds = rounds(2);
    for first in (0..rounds).step_by(usize::try_from(ROUNDS_PER_STORE).expect("few")) {
        let harness = H::fresh();
        let directory = harness.directory().expect("the backend has directories");
        let mut ledger = Ledger::default();
        for round in first..rounds.min(first + ROUNDS_PER_STORE) {
            let mut dice = Dice::new(round);
            tally.rounds += 1;
            tally.kills += u64::from(run(test, directory, point, &mut dice, round, &mut ledger));
            ledger.examine(&H::at(directory).expect("the backend has directories"));
        }
        tally.acknowledged += ledger.acknowledged();
    }
    assert!(tally.kills > 0, "nobody came to the point: {tally:?}");
    say(test, &tally);
}

#[expect(clippy::print_stderr, reason = "figures of a longer run")]
fn say(test: &str, tally: &Tally) {
    eprintln!("{test}: {tally:?}");
}

/// Lets a process work, and hears what it says. Says whether it was killed.
fn run(
    test: &str,
    directory: &Path,
    point: Option<KillPoint>,
    dice: &mut Dice,
    round: u64,
    ledger: &mut Ledger,
) -> bool {
    // Calls of some kinds are rare, so that their points come early.
    let nth = match point.and_then(|point| point.work) {
        Some(Work::Open | Work::Close) => dice.between(1, 3),
        _ => dice.between(1, 12),
    };
    let mut writer = Child::start_for(test, directory, &format!("{nth} {round}"));
    let mut acks_left = if point.is_none() { dice.between(1, ACKS_MAX) } else { u64::MAX };
    while let Some((word, number)) = writer.hear() {
        // What was on its way to us when it was killed is heard as well.
        if ledger.hear(round, &word, number) && acks_left > 0 {
            acks_left -= 1;
            if acks_left == 0 {
                writer.kill();
            }
        }
    }
    let ended = writer.end();
    assert!(ended.success() || was_killed(ended), "the process ended badly: {ended}");
    !ended.success()
}

/// The numbers of a task.
fn numbers<const N: usize>(task: &str) -> [u64; N] {
    let numbers: Vec<u64> =
        task.split(' ').map(|word| word.parse().expect("a task of numbers")).collect();
    numbers.try_into().expect("a task of so many numbers")
}
