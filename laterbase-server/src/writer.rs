//! The one writer: a thread that drains a queue, writes a group of requests in one commit, and
//! then answers them all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use laterbase_core::PreparedBatch;
use laterbase_core::codec::CodecError;
use laterbase_core::delta::Delta;
use laterbase_core::reader::Reader;
use laterbase_core::replica::{Appended, Merged, Replica, WriteError};
use laterbase_core::store::StoreError;
use self_cell::self_cell;
use tokio::sync::{oneshot, watch};

use crate::builder::WallClock;
use crate::maintenance::MaintenanceThread;
use crate::problem::{Kind, Problem};
use crate::queue::{GroupBounds, Queue, Turned, Weigh};

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
    Merge { delta: DecodedDelta, reply: Reply<Merged> },
}

type Reply<T> = oneshot::Sender<Result<T, Arc<WriteError>>>;

impl Weigh for Job {
    fn event_count(&self) -> usize {
        match self {
            Self::Append { batch, .. } => batch.len(),
            Self::Merge { delta, .. } => delta.borrow_dependent().event_count(),
        }
    }

    fn size_bytes(&self) -> usize {
        match self {
            Self::Append { batch, .. } => batch.size_bytes(),
            Self::Merge { delta, .. } => delta.borrow_owner().len(),
        }
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
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<Result<(), StoreError>>>>,
}

#[derive(Debug)]
struct Shared {
    queue: Queue<Job>,
    /// Set by a commit that failed in a way that only reopening the store can mend.
    is_poisoned: AtomicBool,
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
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Queue::new(bounds.queue_length_max),
            is_poisoned: AtomicBool::new(false),
        });
        let reader = replica.reader();
        let maintenance = MaintenanceThread::start(replica.maintenance(), reader.clone())?;
        let turn = Turn {
            replica,
            reader,
            clock,
            head,
            maintenance,
            front_events_flush: bounds.front_events_flush,
            shared: Arc::clone(&shared),
        };
        let thread = thread::Builder::new().name("laterbase-writer".into());
        let thread = thread.spawn(move || turn.run())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Writes a batch. Returns once it is durable, or nothing of it is stored.
    pub(crate) async fn append(&self, batch: PreparedBatch) -> Result<Appended, Problem> {
        let (reply, answer) = oneshot::channel();
        self.submit(Job::Append { batch, reply })?;
        settle(answer).await
    }

    /// Merges a delta. Returns once it is durable, or nothing of it is stored.
    pub(crate) async fn merge(&self, delta: DecodedDelta) -> Result<Merged, Problem> {
        let (reply, answer) = oneshot::channel();
        self.submit(Job::Merge { delta, reply })?;
        settle(answer).await
    }

    fn submit(&self, job: Job) -> Result<(), Problem> {
        self.shared.queue.push(job).map_err(|turned| match turned {
            Turned::Full => Problem::new(Kind::Busy),
            Turned::Closed => Problem::new(Kind::ShuttingDown),
        })
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
}

/// What became of a request when it was staged. It waits for the commit to be told.
enum Outcome {
    Append(Result<Appended, WriteError>),
    Merge(Result<Merged, WriteError>),
}

/// A request depends on events that are staged and not committed.
struct Uncommitted;

impl Turn {
    fn run(mut self) -> Result<(), StoreError> {
        // However the thread ends, nobody waits in front of it.
        let _door = Door(Arc::clone(&self.shared));
        while let Some(group) = self.shared.queue.take_group(GroupBounds::DEFAULT) {
            let mut staged = Vec::new();
            for job in group {
                let next = self.stage(&job).unwrap_or_else(|Uncommitted| {
                    self.commit(std::mem::take(&mut staged));
                    self.stage(&job).unwrap_or(Outcome::Append(Err(WriteError::Uncommitted)))
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
    fn stage(&mut self, job: &Job) -> Result<Outcome, Uncommitted> {
        let now = (self.clock)();
        Ok(match job {
            Job::Append { batch, .. } => match self.replica.stage_append(batch, now) {
                Err(WriteError::Uncommitted) => return Err(Uncommitted),
                staged => Outcome::Append(staged),
            },
            Job::Merge { delta, .. } => {
                Outcome::Merge(self.replica.stage_merge(delta.borrow_dependent(), now))
            }
        })
    }

    /// Commits what is staged, and tells everybody what became of it.
    fn commit(&mut self, staged: Vec<(Job, Outcome)>) {
        let committed = self.replica.commit().map_err(Arc::new);
        if let Err(error) = &committed {
            self.note_failure(error);
        }
        // Readers see the commit already, so whoever hears of it may read it.
        self.head.send_replace(self.reader.head());
        for (job, outcome) in staged {
            job.answer(outcome, committed.as_ref().err());
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
            (Self::Merge { reply, .. }, Outcome::Merge(staged)) => send(reply, staged, failed),
            // The reply is dropped, which its request is told of as a fault of the server's.
            (Self::Append { .. }, Outcome::Merge(_)) | (Self::Merge { .. }, Outcome::Append(_)) => {
            }
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
        self.0.queue.close();
        while self.0.queue.take_group(GroupBounds::DEFAULT).is_some() {}
    }
}
