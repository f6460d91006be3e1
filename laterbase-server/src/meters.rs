//! What is counted while the server works, for those who watch it.
//!
//! Counting costs a few atomic additions a request, whether or not anybody looks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};

use crate::problem::Kind;
use crate::routes;

pub(crate) use histogram::Histogram;

mod histogram;

/// Upper bounds of times that are told apart, in nanoseconds: from 0.1 ms to 30 s.
const TIME_BOUNDS: [u64; 14] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    100_000_000,
    250_000_000,
    1_000_000_000,
    2_500_000_000,
    10_000_000_000,
    30_000_000_000,
];

/// Upper bounds of numbers of events or requests that are told apart.
const COUNT_BOUNDS: [u64; 10] = [1, 2, 5, 10, 50, 100, 500, 1_000, 5_000, 50_000];

/// Methods that are told apart: those of routes, and any other.
pub(crate) const METHODS: [&str; 3] = ["GET", "POST", "other"];

/// Classes of status that are told apart.
pub(crate) const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// Stands for a request that no route answered.
pub(crate) const NO_ROUTE: &str = "none";

/// The counts of one server.
#[derive(Debug)]
pub(crate) struct Meters {
    /// The paths of the routes as they are declared, and [`NO_ROUTE`].
    paths: Vec<&'static str>,
    /// By path, method and class: how long answers took until their first byte.
    requests: Vec<Histogram>,
    /// By the number of the kind.
    problems: Vec<AtomicU64>,
    /// Bytes of requests' bodies, as they came in.
    pub(crate) bytes_in: AtomicU64,
    /// Bytes of answers' bodies, as they went out.
    pub(crate) bytes_out: AtomicU64,
    /// How long writes waited for the writer.
    pub(crate) queue_wait: Histogram,
    /// Requests in a group.
    pub(crate) group_requests: Histogram,
    /// Events in a group.
    pub(crate) group_events: Histogram,
    /// How long commits took, the sync of the disk included.
    pub(crate) commit: Histogram,
    /// How long bringing the derived tables up to date took.
    pub(crate) flush: Histogram,
    /// Events that reads of aggregates looked at.
    pub(crate) folded: Histogram,
    /// Live answers under way.
    pub(crate) streams: AtomicU64,
    /// Servers that this one is told to keep in sync with.
    #[cfg_attr(
        not(feature = "peers"),
        expect(dead_code, reason = "there are none to count, nor to tell of")
    )]
    pub(crate) servers: AtomicU64,
    /// Syncs with those that came to their end.
    #[cfg_attr(
        not(any(feature = "peers", feature = "metrics")),
        expect(dead_code, reason = "nobody keeps in sync, and nobody asks")
    )]
    pub(crate) syncs: AtomicU64,
    /// Syncs with those that failed.
    #[cfg_attr(
        not(any(feature = "peers", feature = "metrics")),
        expect(dead_code, reason = "nobody keeps in sync, and nobody asks")
    )]
    pub(crate) sync_failures: AtomicU64,
    /// Requests of which the access log says nothing, as there were too many.
    pub(crate) unlogged: AtomicU64,
    begun: Instant,
    /// When the derived tables held all that there was, in nanoseconds since the beginning.
    flushed_at: AtomicU64,
}

impl Meters {
    pub(crate) fn new() -> Self {
        let paths: Vec<&'static str> = routes::paths().into_iter().chain([NO_ROUTE]).collect();
        let cells = paths.len() * METHODS.len() * CLASSES.len();
        let times = || Histogram::new(&TIME_BOUNDS);
        let counts = || Histogram::new(&COUNT_BOUNDS);
        Self {
            paths,
            requests: (0..cells).map(|_| times()).collect(),
            problems: Kind::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            queue_wait: times(),
            group_requests: counts(),
            group_events: counts(),
            commit: times(),
            flush: times(),
            folded: counts(),
            streams: AtomicU64::new(0),
            servers: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            sync_failures: AtomicU64::new(0),
            unlogged: AtomicU64::new(0),
            begun: Instant::now(),
            flushed_at: AtomicU64::new(0),
        }
    }

    /// Counts an answer whose first byte is ready.
    pub(crate) fn answered(
        &self,
        path: &str,
        method: &Method,
        status: StatusCode,
        elapsed: Duration,
    ) {
        let path = self.paths.iter().position(|known| *known == path);
        let path = path.unwrap_or(self.paths.len() - 1);
        let method = match *method {
            Method::GET | Method::HEAD => 0,
            Method::POST => 1,
            _ => 2,
        };
        let class = usize::from(status.as_u16() / 100).clamp(2, 5) - 2;
        let cell = (path * METHODS.len() + method) * CLASSES.len() + class;
        self.requests[cell].observe_time(elapsed);
    }

    /// Counts an answer that says no.
    pub(crate) fn refused(&self, kind: Kind) {
        self.problems[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The derived tables hold all that there is.
    pub(crate) fn was_flushed(&self) {
        let now = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.flushed_at.store(now, Ordering::Relaxed);
    }
}

/// Reading what was counted.
#[cfg(feature = "metrics")]
impl Meters {
    /// Every cell that was counted in: path, method, class.
    pub(crate) fn requests(&self) -> impl Iterator<Item = ([&'static str; 3], &Histogram)> {
        let (methods, classes) = (METHODS.len(), CLASSES.len());
        self.requests.iter().enumerate().map(move |(cell, histogram)| {
            let path = self.paths[cell / (methods * classes)];
            let (method, class) = (METHODS[cell / classes % methods], CLASSES[cell % classes]);
            ([path, method, class], histogram)
        })
    }

    /// How often each kind of problem was answered.
    pub(crate) fn problems(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.problems.iter().map(|count| count.load(Ordering::Relaxed));
        Kind::ALL.into_iter().map(Kind::name).zip(counts)
    }

    /// How long ago the derived tables held all that there was.
    pub(crate) fn since_flush(&self) -> Duration {
        let flushed_at = Duration::from_nanos(self.flushed_at.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(flushed_at)
    }
}

#[cfg(all(test, feature = "metrics"))]
mod tests;
