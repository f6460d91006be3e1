//! What the writer thread does beside writing batches and deltas.

use std::sync::Arc;

use laterbase_core::fork::Keep;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::replica::{Replica, Resolved, WriteError};
use laterbase_core::store::StoreError;

use crate::writer::{Task, Uncommitted};

/// Something that the writer does.
pub(crate) trait Work: Send + 'static {
    type Done: Send + 'static;

    /// Whether it is durable once it was staged, whatever becomes of the group's commit.
    const COMMITS_ITSELF: bool = false;

    fn size_bytes(&self) -> usize;

    fn stage(&self, replica: &mut Replica, now_nanos: i64) -> Result<Self::Done, WriteError>;
}

/// Hears what became of some work.
type Hear<T> = Box<dyn FnOnce(Result<T, WriteError>) + Send>;

/// Work on its way through the writer's queue.
pub(crate) struct Job<W: Work> {
    work: W,
    staged: Option<Result<W::Done, WriteError>>,
    hear: Hear<W::Done>,
}

impl<W: Work> Job<W> {
    /// `hear` must not block.
    pub(crate) fn new(
        work: W,
        hear: impl FnOnce(Result<W::Done, WriteError>) + Send + 'static,
    ) -> Self {
        Self { work, staged: None, hear: Box::new(hear) }
    }
}

impl<W: Work> Task for Job<W> {
    fn size_bytes(&self) -> usize {
        self.work.size_bytes()
    }

    fn stage(&mut self, replica: &mut Replica, now_nanos: i64) -> Result<(), Uncommitted> {
        match self.work.stage(replica, now_nanos) {
            Err(WriteError::Uncommitted) => Err(Uncommitted),
            staged => {
                self.staged = Some(staged);
                Ok(())
            }
        }
    }

    fn answer(self: Box<Self>, failed: Option<&Arc<WriteError>>) {
        let staged = self.staged.unwrap_or(Err(WriteError::Uncommitted));
        (self.hear)(match failed.filter(|_| !W::COMMITS_ITSELF) {
            Some(error) => Err(WriteError::Store(StoreError::engine("commit", Arc::clone(error)))),
            None => staged,
        });
    }
}

/// The resolution of a fork.
#[derive(Debug)]
pub(crate) struct Resolution {
    pub root: RootName,
    pub origin: ReplicaId,
    pub keep: Keep,
}

impl Work for Resolution {
    type Done = Resolved;

    /// It asks for a group of its own, and is told on its own.
    const COMMITS_ITSELF: bool = true;

    fn size_bytes(&self) -> usize {
        0
    }

    fn stage(&self, replica: &mut Replica, now_nanos: i64) -> Result<Resolved, WriteError> {
        replica.resolve(&self.root, self.origin, self.keep, now_nanos)
    }
}
