//! Many runs of the simulator, on all cores.

use std::{
    io::{self, IsTerminal, Write as _},
    process::{Command, ExitCode},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use clap::builder::PossibleValuesParser;
use laterbase_testkit::simulator::{self, Failure, Outcome, Scenario};

use crate::command;

/// How long the progress line stays as it is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Most runs that are played to make a failing one smaller.
const SHRINK_RUNS_MAX: usize = 400;

/// Seeds that the gate plays beside those of the tests, from the commit's own on.
const GATE_SEEDS: u64 = 200;

/// Which runs.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Plays the run of one seed, and says what it came to.
    #[arg(long, conflicts_with_all = ["count", "minutes", "from"])]
    seed: Option<u64>,
    /// Plays it with so many replicas at the start.
    #[arg(long, requires = "seed")]
    replicas: Option<usize>,
    /// Plays it with so many roots, 3 at most.
    #[arg(long, requires = "seed")]
    roots: Option<usize>,
    /// Plays it with so many steps until the faults end.
    #[arg(long, requires = "seed")]
    steps: Option<u64>,
    /// Plays it without these faults.
    #[arg(long, requires = "seed", value_delimiter = ',',
        value_parser = PossibleValuesParser::new(simulator::fault_names()))]
    without: Vec<String>,
    /// Tells a failure as it is, and does not look for a smaller run that fails the same way.
    #[arg(long)]
    no_shrink: bool,
    /// Plays this many seeds.
    #[arg(long, conflicts_with = "minutes", default_value_t = 1_000)]
    count: u64,
    /// Plays seeds for so long.
    #[arg(long)]
    minutes: Option<u64>,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
}

impl Options {
    /// The one run that was asked for.
    fn scenario(&self) -> Option<Scenario> {
        Some(Scenario {
            seed: self.seed?,
            replicas: self.replicas,
            roots: self.roots,
            steps: self.steps,
            without: self.without.iter().cloned().collect(),
        })
    }
}

/// Plays what was asked for; the first failure ends it, and is told.
pub(crate) fn run(options: &Options) -> ExitCode {
    let started = Instant::now();
    quiet_panics();
    match options.scenario() {
        Some(scenario) => play_one(&scenario, started, !options.no_shrink),
        None => Runs::new(options, started).play(started, !options.no_shrink),
    }
}

/// What the gate plays: seeds that every commit has of its own, so that they are never the same
/// ones for long.
pub(crate) fn gate() -> Result<()> {
    let started = Instant::now();
    quiet_panics();
    let head = command::output(Command::new("git").args(["rev-parse", "HEAD"]));
    let from = match &head {
        Ok(commit) => {
            println!("seeds of commit {}", commit.trim());
            seed_of(commit)
        }
        Err(error) => {
            println!("there is no commit to take seeds from ({error:#}): seeds from 0 on");
            0
        }
    };
    let runs = Runs::of(from, from.saturating_add(GATE_SEEDS), None);
    if runs.play(started, true) == ExitCode::SUCCESS { Ok(()) } else { bail!("a run failed") }
}

/// A seed that is short to write, from the first digits of a commit's hash.
fn seed_of(commit: &str) -> u64 {
    commit.get(..8).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0)
}

fn play_one(scenario: &Scenario, started: Instant, shrinks: bool) -> ExitCode {
    match simulator::play(scenario) {
        Ok(outcome) => {
            tell(&format!("{scenario}: {outcome}"), outcome, started);
            ExitCode::SUCCESS
        }
        Err(failure) => tell_failure(failure, shrinks),
    }
}

fn tell(what: &str, outcome: Outcome, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    println!("{what}\ntrace hash {:016x}, {seconds:.1} s", outcome.trace_hash);
}

/// Tells a failure, and the smallest one of its kind that is found.
fn tell_failure(failure: Box<Failure>, shrinks: bool) -> ExitCode {
    println!("{failure}\nto see it again: cargo xtask sim {}", failure.scenario);
    if shrinks {
        let whole = failure.scenario.clone();
        let smallest = simulator::shrink(failure, SHRINK_RUNS_MAX);
        if smallest.scenario != whole {
            println!("\nthe smallest run found that fails the same way:\n{smallest}");
            println!("to see it again: cargo xtask sim {}", smallest.scenario);
        }
    }
    ExitCode::FAILURE
}

/// A panic within a run is its failure, told with its seed, and not one of this program.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|_| {}));
}

struct Runs {
    first: u64,
    /// One behind the last seed.
    end: u64,
    deadline: Option<Instant>,
    next: AtomicU64,
    played: AtomicU64,
    is_over: AtomicBool,
    total: Mutex<Outcome>,
    failure: Mutex<Option<Box<Failure>>>,
}

impl Runs {
    fn new(options: &Options, started: Instant) -> Self {
        let minutes = |count: u64| Duration::from_secs(count.saturating_mul(60));
        let end = match options.minutes {
            Some(_) => u64::MAX,
            None => options.from.saturating_add(options.count),
        };
        Self::of(options.from, end, options.minutes.map(|count| started + minutes(count)))
    }

    fn of(first: u64, end: u64, deadline: Option<Instant>) -> Self {
        Self {
            first,
            end,
            deadline,
            next: AtomicU64::new(first),
            played: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            total: Mutex::default(),
            failure: Mutex::default(),
        }
    }

    /// Plays all of them, on all cores; the first that fails ends it.
    fn play(&self, started: Instant, shrinks: bool) -> ExitCode {
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| self.work())).collect();
            while workers.iter().any(|worker| !worker.is_finished()) {
                thread::park_timeout(PROGRESS_INTERVAL);
                self.show_progress(started);
            }
        });
        self.report(started, shrinks)
    }

    /// Plays seeds until there are no more.
    fn work(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            let late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if seed >= self.end || late {
                return;
            }
            match simulator::run(seed) {
                Ok(outcome) => {
                    self.played.fetch_add(1, Ordering::Relaxed);
                    let mut total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
                    *total = total.and(outcome);
                }
                Err(failure) => {
                    self.is_over.store(true, Ordering::Relaxed);
                    let mut first = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                    // Of several, the one with the lowest seed is told.
                    if first
                        .as_ref()
                        .is_none_or(|other| failure.scenario.seed < other.scenario.seed)
                    {
                        *first = Some(failure);
                    }
                }
            }
        }
    }

    fn show_progress(&self, started: Instant) {
        let mut stderr = io::stderr();
        if !stderr.is_terminal() {
            return;
        }
        let (played, seconds) = (self.played.load(Ordering::Relaxed), started.elapsed().as_secs());
        let of = if self.deadline.is_some() {
            String::new()
        } else {
            format!("/{}", self.end - self.first)
        };
        // A progress line that cannot be shown is no reason to stop.
        let _ = write!(stderr, "\r\x1b[K{played}{of} seeds, {seconds} s");
        let _ = stderr.flush();
    }

    fn report(&self, started: Instant, shrinks: bool) -> ExitCode {
        if io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(failure) = failure {
            return tell_failure(failure, shrinks);
        }
        let total = *self.total.lock().unwrap_or_else(PoisonError::into_inner);
        let played = self.played.load(Ordering::Relaxed);
        tell(&format!("{played} seeds from {} on: {total}", self.first), total, started);
        ExitCode::SUCCESS
    }
}
