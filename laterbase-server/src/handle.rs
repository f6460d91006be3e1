//! A server as the program around it sees it: to be written through, read, and stopped.

mod typed;

use std::sync::Arc;

use laterbase_core::PreparedBatch;
use laterbase_core::id::RootName;
use laterbase_core::reader::Reader;
use laterbase_core::replica::{Appended, WriteError};
use laterbase_core::typed::Unwritable;

use crate::app::App;
use crate::builder::{BuildError, Builder};
use crate::shutdown;

pub use typed::AggregateError;

/// A server's handle, for the program that it runs in. Cheap to clone, for any task.
///
/// A store has one writer, which the server has: whoever wants to write beside HTTP does so through
/// here, behind the same queue and in the same commits.
///
/// Typed events and states go by [`Self::append`] and [`Self::aggregate`], in the words that a
/// client of the server has for them too; batches of any events by [`Self::append_batch`].
///
/// ```
/// # use std::sync::Arc;
/// # use laterbase_core::{event::Record, fold::MergePatch, id::RootName};
/// # use laterbase_server::Server;
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::builder().fallback(Arc::new(MergePatch)).build()?;
/// let handle = server.handle();
/// let mut batch = handle.batch(&RootName::new("pallet")?);
/// batch.push(&Record::json("P1", "Weighed", r#"{"kg":412}"#))?;
/// let appended = handle.append_batch(batch).await?;
/// assert_eq!(appended.dots[0].seq, 1);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct ServerHandle {
    app: Arc<App>,
}

impl ServerHandle {
    pub(crate) const fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    /// An empty batch for a root, to be filled and handed to [`Self::append_batch`]. What is pushed is
    /// judged as a write over HTTP is.
    pub fn batch(&self, root: &RootName) -> PreparedBatch {
        PreparedBatch::new(root.clone(), Arc::clone(self.app.folds()), self.app.writer.now())
    }

    /// Writes a batch, whole or not at all. It is durable, and seen by readers, when this returns.
    ///
    /// # Errors
    /// [`AppendError`]; nothing of the batch is stored.
    pub async fn append_batch(&self, batch: PreparedBatch) -> Result<Appended, AppendError> {
        if !self.app.folds().knows(batch.root()) {
            return Err(AppendError::UnknownRoot { root: batch.root().clone() });
        }
        if self.app.is_stopping() {
            return Err(AppendError::ShuttingDown);
        }
        self.app.writer.append_for(batch).await
    }

    /// Reads what the server holds, and blocks its thread for as long as that takes.
    pub fn reader(&self) -> &Reader {
        self.app.reader()
    }

    /// Goes by what another builder says from now on, where that can be other while a server runs:
    /// names and origins ([`Builder::host`], [`Builder::allow_origin`]; not where
    /// [`crate::Server::router`] was taken without any), [`crate::Bounds`] but for those of memory
    /// and of the stop (connections that are there keep their times),
    /// [`Builder::fold_time_max`], and when backups are taken and how many stay. All else is as the
    /// server was built.
    ///
    /// # Errors
    /// [`BuildError`] as of [`Builder::check`]; nothing has changed.
    pub fn reconfigure(&self, builder: Builder) -> Result<(), BuildError> {
        builder.apply_to(&self.app)
    }

    /// Turns writes away from now on, ends live feeds, and makes [`crate::Server::serve`] return
    /// once requests under way have ended.
    pub fn stop(&self) {
        self.app.stop();
    }

    /// Waits until the server is told to stop, by whomever.
    pub async fn told_to_stop(&self) {
        shutdown::requested(&mut self.app.stopping()).await;
    }
}

/// Why nothing of a batch was stored.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The server has no fold for the root, so it takes no writes to it.
    #[error("the server has no fold for {root}")]
    UnknownRoot {
        /// The root.
        root: RootName,
    },
    /// The writer's queue is full. Later it works.
    #[error("too many writes wait already")]
    Busy,
    /// The server stops, or has stopped.
    #[error("the server stops")]
    ShuttingDown,
    /// It is nothing that can be written.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    /// What the replica says against it.
    #[error(transparent)]
    Write(Arc<WriteError>),
}

impl AppendError {
    /// Whether the aggregate is not as the writer expected: read, decide again, write again.
    pub fn is_precondition_failed(&self) -> bool {
        matches!(self, Self::Write(error) if matches!(**error, WriteError::Precondition { .. }))
    }
}
