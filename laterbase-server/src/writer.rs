//! The one writer: a thread that drains a queue, writes a group of requests in one commit, and
//! then answers them all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use bytes::Bytes;
use laterbase_core::PreparedBatch;
use laterbase_core::codec::CodecError;
use laterbase_core::cursor::Cursor;
use laterbase_core::delta::Delta;
use laterbase_core::id::ReplicaId;
use laterbase_core::reader::Reader;
use laterbase_core::replica::{Appended, AppendedEach, Merged, Replica, Resolved, WriteError};
use laterbase_core::store::StoreError;
use self_cell::self_cell;
use tokio::sync::{oneshot, watch};

use crate::builder::WallClock;
use crate::handle::AppendError;
use crate::held_back::HeldBackLog;
use crate::maintenance::MaintenanceThread;
use crate::meters::Meters;
use crate::problem::{Kind, Problem};
use crate::queue::{GroupBounds, Queue, Turned, Weigh};
use crate::work::{self, Resolution};

self_cell!(
    /// A delta that was decoded and checked on the request's thread.
    pub(crate) struct DecodedDelta {
        owner: Bytes,
        #[covariant]
        dependent: Delta,
    }
);

impl DecodedDelta {
    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        Self::try_new(bytes, |bytes| Delta::decode(bytes))
    }
}

enum Job {
    Append { batch: PreparedBatch, reply: Reply<Appended> },
    AppendEach { batch: PreparedBatch, reply: Reply<AppendedEach> },
    Merge { delta: DecodedDelta, reply: Reply<Landed> },
    Task(Box<dyn Task>),
}

/// Anything else that is staged on the writer's thread and durable with its group.
pub(crate) trait Task: Send {
    /// How long what it writes is, about.
    fn size_bytes(&self) -> usize;

    /// Stages it. Called again, with nothing else staged, after [`Uncommitted`].
    fn stage(&mut self, replica: &mut Replica, now_nanos: i64) -> Result<(), Uncommitted>;

    /// Hears what became of the commit.
    fn answer(self: Box<Self>, failed: Option<&Arc<WriteError>>);
}

/// What a merge did, and where in the arrival log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Landed {
    /// Events that were new.
    pub stored: u64,
    /// Events that were there already.
    pub known: u64,
    /// Before the new events.
    pub before: Cursor,
    /// Behind the new events. Nothing else lies between the two.
    pub after: Cursor,
}

type Reply<T> = oneshot::Sender<Result<T, Arc<WriteError>>>;

impl Weigh for Job {
    fn event_count(&self) -> usize {
        match self {
            Self::Append { batch, .. } | Self::AppendEach { batch, .. } => batch.len(),
            Self::Merge { delta, .. } => delta.borrow_dependent().event_count(),
            // Events of about the usual length.
            Self::Task(task) => 1 + task.size_bytes() / 256,
        }
    }

    fn size_bytes(&self) -> usize {
        match self {
            Self::Append { batch, .. } | Self::AppendEach { batch, .. } => batch.size_bytes(),
            Self::Merge { delta, .. } => delta.borrow_owner().len(),
            Self::Task(task) => task.size_bytes(),
        }
    }
}

/// A job in the queue.
#[derive(Debug)]
struct Waiting {
    job: Job,
    since: Instant,
}

impl Waiting {
    fn new(job: Job) -> Self {
        Self { job, since: Instant::now() }
    }
}

impl Weigh for Waiting {
    fn event_count(&self) -> usize {
        self.job.event_count()
    }

    fn size_bytes(&self) -> usize {
        self.job.size_bytes()
    }
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriterBounds {
    /// Requests in the queue.
    pub queue_length_max: usize,
    /// Events that the derived tables lack before they are brought up to date.
    pub front_events_flush: usize,
}

/// The way to the writer thread.
///
/// Dropping it closes the queue, waits until everything accepted is committed, and closes the
/// replica.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    clock: WallClock,
    thread: Mutex<Option<JoinHandle<Result<(), StoreError>>>>,
}

#[derive(Debug)]
struct Shared {
    queue: Queue<Waiting>,
    /// Set by a commit that failed in a way that only reopening the store can mend.
    is_poisoned: AtomicBool,
    held_back: HeldBackLog,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} events, {} bytes", self.event_count(), self.size_bytes())
    }
}

impl Writer {
    /// Starts the writer thread. `head` is told the last visible arrival position after every
    /// commit.
    pub(crate) fn start(
        replica: Replica,
        clock: WallClock,
        bounds: WriterBounds,
        head: watch::Sender<u64>,
        meters: Arc<Meters>,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Queue::new(bounds.queue_length_max),
            is_poisoned: AtomicBool::new(false),
            held_back: HeldBackLog::default(),
        });
        let (id, reader) = (replica.id(), replica.reader());
        let counting = Arc::clone(&meters);
        let maintenance =
            MaintenanceThread::start(replica.maintenance(), reader.clone(), counting)?;
        let mut turn = Turn {
            replica,
            reader,
            clock: Arc::clone(&clock),
            head,
            maintenance,
            front_events_flush: bounds.front_events_flush,
            shared: Arc::clone(&shared),
            meters,
            renewals_told: 0,
            written_as: id,
        };
        turn.tell_renewals();
        let thread = thread::Builder::new().name("laterbase-writer".into());
        let thread = thread.spawn(move || turn.run())?;
        Ok(Self { shared, clock, thread: Mutex::new(Some(thread)) })
    }

    /// The wall clock that writes go by, in nanoseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        (self.clock)()
    }

    /// Writes a batch. Returns once it is durable, or nothing of it is stored.
    pub(crate) async fn append(&self, batch: PreparedBatch) -> Result<Appended, Problem> {
        let (reply, answer) = oneshot::channel();
        self.submit(Job::Append { batch, reply })?;
        settle(answer).await
    }

    /// Writes those events of a batch that can be taken. Returns once they are durable, or nothing of
    /// the batch is stored.
    pub(crate) async fn append_each(&self, batch: PreparedBatch) -> Result<AppendedEach, Problem> {
        let (reply, answer) = oneshot::channel();
        self.submit(Job::AppendEach { batch, reply })?;
        settle(answer).await
    }

    /// Writes a batch of the program around the server.
    pub(crate) async fn append_for(&self, batch: PreparedBatch) -> Result<Appended, AppendError> {
        let (reply, answer) = oneshot::channel();
        self.shared.queue.push(Waiting::new(Job::Append { batch, reply })).map_err(|turned| {
            match turned {
                Turned::Full => AppendError::Busy,
                Turned::Closed => AppendError::ShuttingDown,
            }
        })?;
        let answered = answer.await.map_err(|_gone| AppendError::ShuttingDown)?;
        answered.map_err(AppendError::Write)
    }

    /// Merges a delta. Returns once it is durable, or nothing of it is stored.
    pub(crate) async fn merge(&self, delta: DecodedDelta) -> Result<Landed, Problem> {
        let (reply, answer) = oneshot::channel();
        self.submit(Job::Merge { delta, reply })?;
        settle(answer).await
    }

    /// Has the writer thread run something, which is told itself how it ended.
    pub(crate) fn run(&self, task: Box<dyn Task>) -> Result<(), Problem> {
        self.submit(Job::Task(task))
    }

    fn submit(&self, job: Job) -> Result<(), Problem> {
        self.shared.queue.push(Waiting::new(job)).map_err(|turned| match turned {
            Turned::Full => Problem::new(Kind::Busy),
            Turned::Closed => Problem::new(Kind::ShuttingDown),
        })
    }

    /// What the log says of origins that are held back.
    pub(crate) fn held_back(&self) -> &HeldBackLog {
        &self.shared.held_back
    }

    /// Decides a fork. Returns once that is durable, or nothing has changed.
    pub(crate) async fn resolve(&self, resolution: Resolution) -> Result<Resolved, Problem> {
        let (root, origin) = (resolution.root.clone(), resolution.origin);
        let (reply, answer) = oneshot::channel();
        let hear = move |done: Result<Resolved, WriteError>| {
            let _ = reply.send(done.map_err(Arc::new));
        };
        self.run(Box::new(work::Job::new(resolution, hear)))?;
        let resolved = settle(answer).await?;
        self.held_back().forget(&root, origin);
        Ok(resolved)
    }

    /// How many requests wait.
    #[cfg(feature = "metrics")]
    pub(crate) fn queue_length(&self) -> usize {
        self.shared.queue.len()
    }

    /// Whether a write has a chance.
    pub(crate) fn is_ready(&self) -> bool {
        !self.shared.queue.is_closed() && !self.shared.is_poisoned.load(Ordering::Acquire)
    }

    /// Takes no more writes, commits what was accepted, and closes the replica. Blocks. The
    /// second call finds nothing left to do.
    pub(crate) fn close(&self) -> Result<(), StoreError> {
        self.shared.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let joined = thread.map(|thread| thread.join().map_err(|_panic| WriterPanicked));
        match joined {
            Some(Ok(closed)) => closed,
            Some(Err(panicked)) => Err(StoreError::engine("close the replica", panicked)),
            None => Ok(()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(error = %error, "the replica was not closed cleanly");
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the writer thread panicked")]
struct WriterPanicked;

async fn settle<T>(answer: oneshot::Receiver<Result<T, Arc<WriteError>>>) -> Result<T, Problem> {
    match answer.await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Problem::of_write(&error)),
        Err(_gone) => Err(Problem::internal(&WriterPanicked)),
    }
}

/// What the writer thread holds.
struct Turn {
    replica: Replica,
    reader: Reader,
    clock: WallClock,
    head: watch::Sender<u64>,
    maintenance: MaintenanceThread,
    front_events_flush: usize,
    shared: Arc<Shared>,
    meters: Arc<Meters>,
    /// The number of the next change of the replica's own id to be told of.
    renewals_told: u64,
    /// The replica's own id when that was looked at last.
    written_as: ReplicaId,
}

/// What became of a request when it was staged. It waits for the commit to be told.
enum Outcome {
    Append(Result<Appended, WriteError>),
    AppendEach(Result<AppendedEach, WriteError>),
    Merge(Result<Landed, WriteError>),
    /// The task keeps it to itself.
    Task,
}

/// A request depends on events that are staged and not committed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uncommitted;

impl Turn {
    fn run(mut self) -> Result<(), StoreError> {
        // However the thread ends, nobody waits in front of it.
        let _door = Door(Arc::clone(&self.shared));
        while let Some(group) = self.shared.queue.take_group(GroupBounds::DEFAULT) {
            let mut staged = Vec::new();
            self.meters.group_requests.observe(group.len() as u64);
            let events: usize = group.iter().map(Weigh::event_count).sum();
            self.meters.group_events.observe(events as u64);
            for Waiting { mut job, since } in group {
                self.meters.queue_wait.observe_time(since.elapsed());
                let next = self.stage(&mut job).unwrap_or_else(|Uncommitted| {
                    self.commit(std::mem::take(&mut staged));
                    self.stage(&mut job).unwrap_or(Outcome::Append(Err(WriteError::Uncommitted)))
                });
                staged.push((job, next));
            }
            self.commit(staged);
            if self.reader.front_events() >= self.front_events_flush {
                self.maintenance.wake();
            }
        }
        self.maintenance.stop();
        self.replica.close()
    }

    /// Stages a request, unless what it depends on is staged itself.
    fn stage(&mut self, job: &mut Job) -> Result<Outcome, Uncommitted> {
        let now = (self.clock)();
        Ok(match job {
            Job::Append { batch, .. } => match self.replica.stage_append(batch, now) {
                Err(WriteError::Uncommitted) => return Err(Uncommitted),
                staged => Outcome::Append(staged),
            },
            Job::AppendEach { batch, .. } => match self.replica.stage_append_each(batch, now) {
                Err(WriteError::Uncommitted) => return Err(Uncommitted),
                staged => Outcome::AppendEach(staged),
            },
            Job::Merge { delta, .. } => {
                let before = self.replica.cursor();
                match self.replica.stage_merge(delta.borrow_dependent(), now) {
                    Err(WriteError::Uncommitted) => return Err(Uncommitted),
                    merged => {
                        self.note_fork(&merged);
                        Outcome::Merge(merged.map(|merged| self.landed(&merged, before)))
                    }
                }
            }
            Job::Task(task) => {
                task.stage(&mut self.replica, now)?;
                Outcome::Task
            }
        })
    }

    /// Whoever pushed it hears of it too, and may keep it to itself.
    fn note_fork(&self, merged: &Result<Merged, WriteError>) {
        if let Err(error @ WriteError::Fork { root, origin, .. }) = merged {
            self.shared.held_back.name(root, *origin, error);
        }
    }

    /// Where the events of a merge that was just staged land.
    fn landed(&self, merged: &Merged, before: Cursor) -> Landed {
        let after = self.replica.cursor();
        let Merged { stored, known } = *merged;
        // A merge may come with events of our own making. Whoever stepped over them would never
        // get them, so there is nothing to step over then.
        let is_alone =
            before.is_of_the_log_of(&after) && before.position() + stored == after.position();
        Landed { stored, known, before: if is_alone { before } else { after }, after }
    }

    /// Commits what is staged, and tells everybody what became of it.
    fn commit(&mut self, staged: Vec<(Job, Outcome)>) {
        let begun = Instant::now();
        let committed = self.replica.commit().map_err(Arc::new);
        self.meters.commit.observe_time(begun.elapsed());
        if let Err(error) = &committed {
            self.note_failure(error);
        }
        if self.reader.replica_id() != self.written_as {
            self.tell_renewals();
        }
        // Readers see the commit already, so whoever hears of it may read it.
        self.head.send_replace(self.reader.head());
        for (job, outcome) in staged {
            job.answer(outcome, committed.as_ref().err());
        }
    }

    /// Says which ids the replica has given up, and why.
    fn tell_renewals(&mut self) {
        self.written_as = self.reader.replica_id();
        for renewal in self.reader.renewals_since_open() {
            if renewal.number >= self.renewals_told {
                tracing::warn!(%renewal, "this replica has taken a new id");
                self.renewals_told = renewal.number + 1;
            }
        }
    }

    fn note_failure(&self, error: &WriteError) {
        tracing::error!(error = %error, "a commit failed; nothing of its group is stored");
        if !matches!(error, WriteError::Store(StoreError::Full { .. })) {
            self.shared.is_poisoned.store(true, Ordering::Release);
        }
    }
}

impl Job {
    /// Tells the request what became of it. A failed commit takes all of its group with it, also
    /// those that were only told of an earlier event's id: that event may be of the same group.
    fn answer(self, outcome: Outcome, failed: Option<&Arc<WriteError>>) {
        match (self, outcome) {
            (Self::Append { reply, .. }, Outcome::Append(staged)) => send(reply, staged, failed),
            (Self::AppendEach { reply, .. }, Outcome::AppendEach(staged)) => {
                send(reply, staged, failed);
            }
            (Self::Merge { reply, .. }, Outcome::Merge(staged)) => send(reply, staged, failed),
            (Self::Task(task), _) => task.answer(failed),
            // The reply is dropped, which its request is told of as a fault of the server's.
            (Self::Append { .. } | Self::AppendEach { .. } | Self::Merge { .. }, _) => {}
        }
    }
}

/// A request that was given up meanwhile takes no answer; its write stands all the same.
fn send<T>(reply: Reply<T>, staged: Result<T, WriteError>, failed: Option<&Arc<WriteError>>) {
    let _ = reply.send(match failed {
        Some(error) => Err(Arc::clone(error)),
        None => staged.map_err(Arc::new),
    });
}

/// Closes the queue when the writer thread ends, and drops what still waits in it.
struct Door(Arc<Shared>);

impl Drop for Door {
    fn drop(&mut self) {
        self.0.queue.abandon();
    }
}
