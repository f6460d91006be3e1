//! How reads run: how many at once, for how long, and for whom.
//!
//! Reads block, so they run on threads of their own, in so many slots. Most are quick. Those that
//! fold run the users' code over any number of events, so there is more to say of them:
//!
//! - A fold begins in a quick slot with a small [`Allowance`]. Once that is used up, it waits for
//!   one of the few slots of long folds, and goes on from the snapshots that it has left. So any
//!   number of long folds leaves quick reads, and the writer, what they need.
//! - Few reads of one aggregate run at once; the others wait, and hold nothing meanwhile.
//! - A read that nobody waits for any more does not begin, or stops before its next event. The
//!   same goes for one that has run too long.
//! - Code that does not come back cannot be stopped. Its thread is lost until it does, but its slot
//!   is given to others, and its aggregate is not folded again before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use laterbase_core::id::RootName;
use laterbase_core::reader::{Allowance, ReadError, Reader};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

use crate::meters::Meters;
use crate::problem::{Kind, Problem, Result};

/// Reads that may run at once. Each holds a snapshot of the store and a thread.
const READS_MAX: usize = 64;

/// As many of them may fold, so that some are always left to the others.
const FOLDS_MAX: usize = 48;
const _: () = assert!(FOLDS_MAX < READS_MAX);

/// Reads of one aggregate that may run at once.
const LANE_MAX: usize = 4;

/// What a fold may take in a quick slot: one of an aggregate, or a page of them.
const QUICK_EVENTS: u64 = 10_000;
const QUICK_PAGE_EVENTS: u64 = 50_000;
const QUICK_BYTES: u64 = 2 * 1024 * 1024;

/// How long a read that is told to stop may take to come to its next event.
const STOP_TIME_MAX: Duration = Duration::from_secs(1);

/// Threads whose slots are given to others while their code does not come back.
const LOST_MAX: usize = 128;

/// How long a read may fold by default.
pub(crate) const FOLD_TIME_MAX_DEFAULT: Duration = Duration::from_secs(30);

/// What a fold is of: the root, an aggregate or where a listing begins, and whether it looks back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub root: RootName,
    /// `None` for a listing from the start.
    pub id: Option<String>,
    pub is_listing: bool,
    /// Reads of the past take longer, and are not to stand in the way of others.
    pub is_timed: bool,
}

/// The slots of one server.
#[derive(Debug)]
pub(crate) struct Reads {
    reader: Reader,
    quick: Arc<Semaphore>,
    folds: Arc<Semaphore>,
    long: Arc<Semaphore>,
    lanes: Lanes,
    lost: Arc<Lost>,
    /// In nanoseconds. It can be another one while the server runs.
    time_max: AtomicU64,
    meters: Arc<Meters>,
}

impl Reads {
    pub(crate) fn new(reader: Reader, time_max: Duration, meters: Arc<Meters>) -> Self {
        let reads = Self {
            reader,
            meters,
            quick: Arc::new(Semaphore::new(READS_MAX)),
            folds: Arc::new(Semaphore::new(FOLDS_MAX)),
            long: Arc::new(Semaphore::new(long_folds_max())),
            lanes: Lanes::default(),
            lost: Arc::default(),
            time_max: AtomicU64::new(0),
        };
        reads.set_time_max(time_max);
        reads
    }

    /// Bounds reads that begin from now on.
    pub(crate) fn set_time_max(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.time_max.store(nanos, Ordering::Relaxed);
    }

    fn time_max(&self) -> Duration {
        Duration::from_nanos(self.time_max.load(Ordering::Relaxed))
    }

    pub(crate) const fn reader(&self) -> &Reader {
        &self.reader
    }

    pub(crate) const fn meters(&self) -> &Arc<Meters> {
        &self.meters
    }

    /// Runs a read that folds nothing, of a page at most.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let slot = Slot::of([acquire(&self.quick).await], None);
        let allowance = Arc::new(Allowance::unlimited());
        let stops = StopsWhenDropped(Arc::clone(&allowance));
        let reader = self.reader.within(allowance);
        let task = spawn_blocking(move || {
            let _slot = slot;
            read(&reader)
        });
        let done = task.await;
        drop(stops);
        done.unwrap_or_else(|panicked| Err(Problem::internal(&panicked)))
    }

    /// Runs a read that folds. It may be begun twice. A long one keeps its slot until what is
    /// given with its answer is dropped: an answer that is long as well waits there for its room.
    pub(crate) async fn fold<T: Send + 'static>(
        &self,
        target: Target,
        read: impl Fn(&Reader) -> std::result::Result<T, ReadError> + Send + Sync + 'static,
    ) -> std::result::Result<(T, Option<Slot>), Ended> {
        let lane = Arc::new(self.lanes.enter(&target).await);
        let read = Arc::new(read);
        let permits = [acquire(&self.folds).await, acquire(&self.quick).await];
        let slot = Slot::of(permits, Some(Arc::clone(&lane)));
        let events = if target.is_listing { QUICK_PAGE_EVENTS } else { QUICK_EVENTS };
        let quick = Allowance::of(events, QUICK_BYTES);
        match self.run(&target, slot, quick, Arc::clone(&read)).await {
            Err(Ended::Failed(ReadError::AllowanceSpent)) => {}
            done => return done.map(|done| (done, None)),
        }
        let slot = Slot::of([acquire(&self.long).await], Some(lane));
        let done = self.run(&target, slot.clone(), Allowance::unlimited(), read).await;
        done.map(|done| (done, Some(slot)))
    }

    /// Runs a fold in a slot. Where the caller goes away, the read is stopped all the same.
    async fn run<T: Send + 'static>(
        &self,
        target: &Target,
        slot: Slot,
        allowance: Allowance,
        read: Arc<impl Fn(&Reader) -> std::result::Result<T, ReadError> + Send + Sync + 'static>,
    ) -> std::result::Result<T, Ended> {
        if self.lost.holds(target) {
            return Err(Ended::TooSlow);
        }
        let allowance = Arc::new(allowance);
        let reader = self.reader.within(Arc::clone(&allowance));
        let held = slot.clone();
        let (looked, meters) = (Arc::clone(&allowance), Arc::clone(&self.meters));
        let task = spawn_blocking(move || {
            let _held = held;
            let done = read(&reader);
            meters.folded.observe(looked.events_taken());
            done
        });
        let (answer, answered) = oneshot::channel();
        let lost = Arc::clone(&self.lost);
        let running = Running { target: target.clone(), slot, allowance, lost };
        tokio::spawn(running.supervise(task, answer, self.time_max()));
        answered.await.unwrap_or(Err(Ended::TooSlow))
    }
}

/// A few, so that the other processors are left to quick reads, the writer and connections.
fn long_folds_max() -> usize {
    (std::thread::available_parallelism().map_or(1, usize::from) / 2).max(2)
}

async fn acquire(slots: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    // They are never closed.
    Arc::clone(slots).acquire_owned().await.ok()
}

/// Why a fold gave nothing.
#[derive(Debug)]
pub(crate) enum Ended {
    Failed(ReadError),
    Panicked(JoinError),
    TooSlow,
}

impl From<Ended> for Problem {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Failed(error) => Self::from(error),
            Ended::Panicked(error) => Self::internal(&error),
            Ended::TooSlow => Self::new(Kind::FoldTooSlow)
                .detail("what was folded is kept, where it can be; the next read goes on there"),
        }
    }
}

/// A fold under way.
struct Running {
    target: Target,
    slot: Slot,
    allowance: Arc<Allowance>,
    lost: Arc<Lost>,
}

impl Running {
    async fn supervise<T>(
        self,
        mut task: JoinHandle<std::result::Result<T, ReadError>>,
        mut answer: oneshot::Sender<std::result::Result<T, Ended>>,
        time_max: Duration,
    ) {
        let patience = tokio::select! {
            done = &mut task => {
                let done = done.map_err(Ended::Panicked).and_then(|done| done.map_err(Ended::Failed));
                let _ = answer.send(done);
                return;
            }
            // Its user's code may just be slow, so it has as long as any other.
            () = answer.closed() => time_max,
            () = sleep(time_max) => {
                let _ = answer.send(Err(Ended::TooSlow));
                STOP_TIME_MAX
            }
        };
        self.allowance.stop();
        let stopped = timeout(patience, &mut task).await;
        if stopped.is_err() && self.lost.enter(&self.target) {
            tracing::error!(root = %self.target.root, id = ?self.target.id, "a fold does not come back");
            self.slot.give_up();
            let _ = task.await;
            self.lost.leave(&self.target);
        }
    }
}

/// What a read's thread holds, and what can be taken from it.
#[derive(Clone, Debug)]
pub(crate) struct Slot(Arc<Mutex<Option<Held>>>);

#[derive(Debug)]
struct Held {
    _permits: Vec<OwnedSemaphorePermit>,
    _lane: Option<Arc<Lane>>,
}

impl Slot {
    fn of(
        permits: impl IntoIterator<Item = Option<OwnedSemaphorePermit>>,
        lane: Option<Arc<Lane>>,
    ) -> Self {
        let held = Held { _permits: permits.into_iter().flatten().collect(), _lane: lane };
        Self(Arc::new(Mutex::new(Some(held))))
    }

    fn give_up(&self) {
        let held = lock(&self.0).take();
        drop(held);
    }
}

struct StopsWhenDropped(Arc<Allowance>);

impl Drop for StopsWhenDropped {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Bounds how many reads of one target run at once.
#[derive(Debug, Default)]
struct Lanes {
    lanes: Arc<Mutex<BTreeMap<Target, Weak<Semaphore>>>>,
}

impl Lanes {
    async fn enter(&self, target: &Target) -> Lane {
        let lane = {
            let mut lanes = lock(&self.lanes);
            let lane = lanes.get(target).and_then(Weak::upgrade);
            lane.unwrap_or_else(|| {
                let lane = Arc::new(Semaphore::new(LANE_MAX));
                lanes.insert(target.clone(), Arc::downgrade(&lane));
                lane
            })
        };
        // Made before the wait: one that is given up while it waits leaves nothing behind.
        let mut entered =
            Lane { lanes: Arc::clone(&self.lanes), target: target.clone(), permit: None, lane };
        entered.permit = acquire(&entered.lane).await;
        entered
    }
}

#[derive(Debug)]
struct Lane {
    lanes: Arc<Mutex<BTreeMap<Target, Weak<Semaphore>>>>,
    target: Target,
    permit: Option<OwnedSemaphorePermit>,
    lane: Arc<Semaphore>,
}

impl Drop for Lane {
    fn drop(&mut self) {
        let mut lanes = lock(&self.lanes);
        self.permit = None;
        if Arc::strong_count(&self.lane) == 1 {
            lanes.remove(&self.target);
        }
    }
}

/// Folds whose code does not come back.
#[derive(Debug, Default)]
struct Lost {
    targets: Mutex<BTreeSet<(Target, usize)>>,
}

impl Lost {
    fn holds(&self, target: &Target) -> bool {
        lock(&self.targets)
            .range((target.clone(), 0)..=(target.clone(), usize::MAX))
            .next()
            .is_some()
    }

    /// Says whether there is room for one more.
    fn enter(&self, target: &Target) -> bool {
        let mut targets = lock(&self.targets);
        let number = (0..LOST_MAX).find(|number| !targets.contains(&(target.clone(), *number)));
        let has_room = targets.len() < LOST_MAX;
        has_room && number.is_some_and(|number| targets.insert((target.clone(), number)))
    }

    fn leave(&self, target: &Target) {
        let mut targets = lock(&self.targets);
        let range = (target.clone(), 0)..=(target.clone(), usize::MAX);
        if let Some(last) = targets.range(range).next_back().cloned() {
            targets.remove(&last);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
