//! Many runs of the simulator, on all cores.

use std::{
    io::{self, IsTerminal, Write as _},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use laterbase_testkit::simulator::{self, Failure, Outcome};

/// How long the progress line stays as it is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Which runs.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Plays the run of one seed, and says what it came to.
    #[arg(long, conflicts_with_all = ["count", "minutes", "from"])]
    seed: Option<u64>,
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

/// Plays the runs; the first that fails ends it, and is told.
pub(crate) fn run(options: &Options) -> ExitCode {
    let started = Instant::now();
    let runs = Runs::new(options, started);
    let threads = options.seed.map_or_else(
        || thread::available_parallelism().map_or(1, std::num::NonZero::get),
        |_one| 1,
    );
    quiet_panics();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| runs.work())).collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            thread::park_timeout(PROGRESS_INTERVAL);
            runs.show_progress(started);
        }
    });
    runs.report(started)
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
        let (first, end) = match (options.seed, options.minutes) {
            (Some(seed), _) => (seed, seed.saturating_add(1)),
            (None, Some(_)) => (options.from, u64::MAX),
            (None, None) => (options.from, options.from.saturating_add(options.count)),
        };
        Self {
            first,
            end,
            deadline: options.minutes.map(|count| started + minutes(count)),
            next: AtomicU64::new(first),
            played: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            total: Mutex::default(),
            failure: Mutex::default(),
        }
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
                    if first.as_ref().is_none_or(|other| failure.seed < other.seed) {
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

    fn report(&self, started: Instant) -> ExitCode {
        if io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
        if let Some(failure) = &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            println!("{failure}\nto see it again: cargo xtask sim --seed {}", failure.seed);
            return ExitCode::FAILURE;
        }
        let total = *self.total.lock().unwrap_or_else(PoisonError::into_inner);
        let played = self.played.load(Ordering::Relaxed);
        println!("{played} seeds from {} on: {total}", self.first);
        let seconds = started.elapsed().as_secs_f64();
        println!("trace hash {:016x}, {seconds:.1} s", total.trace_hash);
        ExitCode::SUCCESS
    }
}
