//! Damage to the files of a store that is not open: turned bits, garbled and cleared stretches,
//! blocks in the wrong place, files that were cut or are gone.
//!
//! A store holds some of everything, and each case hurts one file of it in one place; the parts
//! of the files ([`Damageable::regions`]) take turns. Each is then examined twice, in a child
//! process, since damage may end one:
//!
//! - *with care*: the backend's check of its files, opening, `verify`, salvage. If nothing of that
//!   finds a fault, every answer must be what it was, byte for byte. What salvage gives must be
//!   every event up to the first one of its origin that cannot be read, and no other, also from
//!   files that the engine cannot be let loose on ([`Damageable::wreck`]);
//! - *without care*: opening and reading at once. Errors are good answers, but where only what is
//!   derived was hurt: that is built anew. What is wrong and not told, or ends the process, must be
//!   of a kind that the backend admits to ([`Damageable::may_suffer`]).
//!
//! A backend's integration tests make the tests with one line:
//!
//! ```text
//! laterbase_testkit::damage!(MyHarness);
//! ```
//!
//! `LATERBASE_ROUNDS` says how many cases there are, and `LATERBASE_SEED` where they begin.

mod answers;
mod examination;
mod injury;
mod moments;
mod specimen;

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process;
use std::sync::Arc;

use laterbase_core::store::Store;
use laterbase_core::verify::VerifyReport;
use laterbase_directory::OpenError;
use rustix::process::{Signal, getpid, kill_process};

use crate::child::{self, Child};
use crate::conformance::Harness;
use crate::rounds;
use examination::{Finding, Sound};
use injury::{Anatomy, Injury};

/// A backend whose files can be hurt.
pub trait Damageable: Harness<Store: 'static> {
    /// Checks the files without the engine, if the backend can, as its users are told to do
    /// before they trust a store that may be damaged.
    fn check_files(_directory: &Path) -> Option<Result<VerifyReport, OpenError>> {
        None
    }

    /// What can be read of the truth without the engine, if the backend can, where
    /// [`Self::check_files`] finds faults.
    fn wreck(_directory: &Path) -> Option<Box<dyn Store>> {
        None
    }

    /// The parts of a file, by names of the backend's own: each is hurt as often as the others.
    fn regions(file: &str, bytes: &[u8]) -> Vec<(String, Range<usize>)> {
        vec![(file.to_owned(), 0..bytes.len())]
    }

    /// Whether damage in a region can take the newest commits without a trace, as from a store
    /// that was killed: such a region is where an engine looks for the end of what was written.
    fn may_end_early(_region: &str) -> bool {
        false
    }

    /// Whether damage in a region may do this to a reader who has not checked the store.
    fn may_suffer(_harm: Harm, _region: &str) -> bool {
        false
    }
}

/// What damage can do to a reader who has not checked the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// An answer is another one than before, and nothing says so.
    Misled,
    /// The process ends.
    Killed,
}

/// How the store was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Closed,
    Killed,
}

/// Makes the tests of damage for a [`Damageable`] harness.
#[macro_export]
macro_rules! damage {
    ($harness:ty) => {
        #[test]
        fn a_damaged_store_is_told_or_answers_as_before() {
            let test = concat!(module_path!(), "::a_damaged_store_is_told_or_answers_as_before");
            $crate::damage::check_closed::<$harness>(test);
        }

        #[test]
        fn a_damaged_store_that_was_killed_is_told_or_answers_as_before() {
            let name = "::a_damaged_store_that_was_killed_is_told_or_answers_as_before";
            $crate::damage::check_killed::<$harness>(&[module_path!(), name].concat());
        }
    };
}

/// Hurts a store that was closed.
///
/// # Panics
/// If damage is believed, or ends a process that was careful.
pub fn check_closed<H: Damageable>(test: &str) {
    check::<H>(test, Left::Closed, rounds(48));
}

/// Hurts a store whose writer was killed.
///
/// # Panics
/// As for [`check_closed`].
pub fn check_killed<H: Damageable>(test: &str) {
    check::<H>(test, Left::Killed, rounds(24));
}

fn check<H: Damageable>(test: &str, left: Left, cases: u64) {
    if let Some(directory) = child::directory() {
        act::<H>(&directory);
    }
    let harness = H::fresh();
    let directory = harness.directory().expect("the backend has directories");
    let mut filler = Child::start_for(test, directory, &format!("fill {left:?} 0 0"));
    while filler.hear().is_some() {}
    assert_eq!(filler.wait(), left == Left::Closed, "the store could not be filled");
    let first = std::env::var("LATERBASE_SEED").ok().and_then(|seed| seed.parse().ok());
    let (first, anatomy) = (first.unwrap_or(0), Anatomy::of::<H>(directory));
    for care in ["care", "haste"] {
        let mut examiner = Examiner { test, directory, care, tally: Tally::default() };
        let mut next = first;
        while next < first + cases {
            next = examiner.examine::<H>(&anatomy, next, first + cases);
        }
        examiner.tally.say(test, care);
    }
}

struct Examiner<'e> {
    test: &'e str,
    directory: &'e Path,
    care: &'e str,
    tally: Tally,
}

impl Examiner<'_> {
    /// Has a child examine the cases from `next` on, and gives the one to go on with: there are
    /// some left if one ended the child.
    fn examine<H: Damageable>(&mut self, anatomy: &Anatomy, mut next: u64, end: u64) -> u64 {
        let task = format!("{} all {next} {end}", self.care);
        let start = if self.care == "care" { Child::start_for } else { Child::start_quiet };
        let mut examiner = start(self.test, self.directory, &task);
        while let Some((word, number)) = examiner.hear() {
            assert_eq!(number, next, "the child has left out a case");
            self.judge::<H>(&anatomy.injury(number), number, &word);
            next += 1;
        }
        let ended = examiner.end();
        if !ended.success() {
            self.judge::<H>(&anatomy.injury(next), next, "dead");
            next += 1;
        }
        next
    }

    fn judge<H: Damageable>(&mut self, injury: &Injury, number: u64, word: &str) {
        // What can be built anew keeps nobody from opening the store, nor from an answer.
        let is_rebuilt = self.care == "haste" && injury.region.starts_with("derived");
        let is_good = match word {
            "refused" | "errors" if is_rebuilt => false,
            "refused" | "faults" | "same" => true,
            "earlier" => H::may_end_early(&injury.region),
            "errors" => self.care == "haste",
            "wrong" => self.care == "haste" && H::may_suffer(Harm::Misled, &injury.region),
            _ => self.care == "haste" && H::may_suffer(Harm::Killed, &injury.region),
        };
        let care = self.care;
        assert!(is_good, "{word} with {care}: {injury}; LATERBASE_SEED={number} shows it again");
        self.tally.count(&injury.region, word);
    }
}

/// Region → what came of damage there → how often.
#[derive(Default)]
struct Tally(BTreeMap<String, BTreeMap<String, u64>>);

impl Tally {
    fn count(&mut self, region: &str, word: &str) {
        let words = self.0.entry(region.to_owned()).or_default();
        *words.entry(word.to_owned()).or_default() += 1;
    }

    #[expect(clippy::print_stderr, reason = "figures of a longer run")]
    fn say(&self, test: &str, care: &str) {
        eprintln!("{test}, with {care}:");
        for (region, words) in &self.0 {
            eprintln!("  {region}: {words:?}");
        }
    }
}

/// What a child does, in the words of its task: what, how, and which cases.
fn act<H: Damageable>(directory: &Path) -> ! {
    let task = child::task();
    let [what, how, first, end] = task.split(' ').collect::<Vec<_>>()[..] else {
        panic!("no task: {task}");
    };
    let number = |word: &str| word.parse::<u64>().expect("a number");
    if what == "fill" {
        fill::<H>(directory, how);
    }
    let sound_copy = directory.with_file_name(format!("{what}-sound"));
    injury::copy(directory, &sound_copy);
    let sound = Sound::read::<H>(&sound_copy);
    let anatomy = Anatomy::of::<H>(directory);
    let patient = directory.with_file_name(what);
    for case in number(first)..number(end) {
        injury::copy(directory, &patient);
        anatomy.injury(case).inflict(&patient);
        let examine = || match what {
            "care" => examination::with_care::<H>(&patient, &sound),
            _ => examination::without_care::<H>(&patient, &sound),
        };
        let finding = panic::catch_unwind(AssertUnwindSafe(examine));
        child::tell(&word(finding.unwrap_or_else(|_| Finding::Wrong("panicked".into()))), case);
    }
    process::exit(0);
}

fn fill<H: Damageable>(directory: &Path, how: &str) -> ! {
    let harness = H::at(directory).expect("the backend has directories");
    let store = Arc::new(harness.open().expect("an empty store opens"));
    let mut replica = specimen::open(store, 1).expect("an empty store opens");
    specimen::fill(&mut replica);
    if how == "Killed" {
        let _ = kill_process(getpid(), Signal::KILL);
    }
    replica.close().expect("the store closes");
    process::exit(0);
}

/// A finding as the parent hears it.
#[expect(clippy::print_stderr, reason = "what is wrong is told to whoever looks")]
fn word(finding: Finding) -> String {
    match finding {
        Finding::Refused => "refused".into(),
        Finding::Faults => "faults".into(),
        Finding::Same => "same".into(),
        Finding::Earlier => "earlier".into(),
        Finding::Errors => "errors".into(),
        Finding::Wrong(what) => {
            eprintln!("wrong: {what}");
            "wrong".into()
        }
    }
}
