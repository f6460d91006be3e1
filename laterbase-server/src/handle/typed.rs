//! Typed events and states, for the program around a server.

use std::sync::Arc;

use laterbase_core::PreparedBatch;
use laterbase_core::fold::Aggregate;
use laterbase_core::id::{EventId, RootName};
use laterbase_core::reader::{FoldFailure, ReadError, Reader};
use laterbase_core::typed::{AggregateAt, Append, At, Recorded};
use tokio::task::{JoinError, spawn_blocking};

use super::{AppendError, ServerHandle};
use crate::reading::{Ended, Target};
use crate::routes::write::{BLOCKING_BODY_BYTES, etag_behind};

impl ServerHandle {
    /// Writes typed events, whole or not at all. They are durable, and seen by readers, when this
    /// returns.
    ///
    /// ```
    /// # use laterbase_core::event::Event;
    /// # use laterbase_core::fold::{Aggregate, FoldError};
    /// # use laterbase_core::id::RootName;
    /// # use laterbase_core::typed::{Append, At};
    /// # use laterbase_server::Server;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Default, Serialize, Deserialize)]
    /// # struct Pallet { kg: u32 }
    /// # #[derive(Serialize, Deserialize)]
    /// # #[serde(tag = "type", content = "data")]
    /// # enum PalletEvent { Weighed { kg: u32 } }
    /// # impl Aggregate for Pallet {
    /// #     type Event = PalletEvent;
    /// #     const NAME: &'static str = "pallet";
    /// #     fn apply(&mut self, event: PalletEvent, _: &Event<'_>) -> Result<(), FoldError> {
    /// #         let PalletEvent::Weighed { kg } = event;
    /// #         self.kg = kg;
    /// #         Ok(())
    /// #     }
    /// # }
    /// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = Server::builder().aggregate::<Pallet>("pallet").build()?;
    /// let (handle, root) = (server.handle(), RootName::new("pallet")?);
    /// let weighed = PalletEvent::Weighed { kg: 412 };
    /// let recorded = handle.append(&Append::<Pallet>::to(&root, "P1").event(weighed)).await?;
    /// let pallet = handle.aggregate::<Pallet>(&root, "P1", At::now()).await?.unwrap();
    /// assert_eq!((pallet.state.kg, Some(pallet.etag)), (412, recorded.etag));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`AppendError`]; nothing of it is stored.
    pub async fn append<A: Aggregate>(&self, append: &Append<A>) -> Result<Recorded, AppendError> {
        let batch = self.prepare(append).await?;
        let (root, id, count) = (append.root(), append.aggregate_id().to_owned(), batch.len());
        let appended = self.append_batch(batch).await?;
        let etag = etag_behind(&self.app, root, Some(id), count, appended.end).await;
        let ids = appended.dots.into_iter().map(|dot| EventId { root: root.clone(), dot });
        Ok(Recorded { ids: ids.collect(), etag, is_repeat: appended.replayed })
    }

    /// Checks, encodes and hashes. What takes long of it is kept away from the runtime's threads.
    async fn prepare<A: Aggregate>(
        &self,
        append: &Append<A>,
    ) -> Result<PreparedBatch, AppendError> {
        let (folds, now) = (Arc::clone(self.app.folds()), self.app.writer.now());
        if !folds.knows(append.root()) {
            return Err(AppendError::UnknownRoot { root: append.root().clone() });
        }
        if append.data_bytes() < BLOCKING_BODY_BYTES {
            return Ok(append.prepare(folds, now)?);
        }
        let (append, permit) = (append.clone(), self.app.intake().await);
        let prepared = spawn_blocking(move || {
            let _permit = permit;
            append.prepare(folds, now)
        });
        match prepared.await.map_err(JoinError::try_into_panic) {
            Ok(prepared) => Ok(prepared?),
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            Err(Err(_cancelled)) => Err(AppendError::ShuttingDown),
        }
    }

    /// Reads an aggregate by the fold of its type; `None` if no event of it is known within those
    /// times. It waits for a thread of its own where the disk is asked or events are folded, within
    /// the bounds that reads over HTTP have.
    ///
    /// # Errors
    /// [`AggregateError`].
    pub async fn aggregate<A: Aggregate>(
        &self,
        root: &RootName,
        id: &str,
        at: At,
    ) -> Result<Option<AggregateAt<A>>, AggregateError> {
        if !self.app.folds().knows(root) {
            return Err(AggregateError::UnknownRoot { root: root.clone() });
        }
        let query = at.query(A::NAME);
        let hot = self.app.reader().hot_aggregate(root, id, &query)?;
        if let Some(hot) = hot.filter(|hot| hot.state.len() < BLOCKING_BODY_BYTES) {
            return Ok(Some(AggregateAt::of(hot)?));
        }
        let target = Target {
            root: root.clone(),
            id: Some(id.to_owned()),
            is_listing: false,
            is_timed: query.is_timed(),
        };
        let (root, id) = (root.clone(), id.to_owned());
        let read = move |reader: &Reader| AggregateAt::read(reader, &root, &id, at);
        let (found, _slot) = self.app.fold_for(target, read).await?;
        Ok(found)
    }
}

/// Why there is no typed state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AggregateError {
    /// The server has no fold for the root.
    #[error("the server has no fold for {root}")]
    UnknownRoot {
        /// The root.
        root: RootName,
    },
    /// It folded for as long as a read may. What was folded is kept, where it can be; the next read
    /// goes on there.
    #[error("the fold took too long")]
    TooSlow,
    /// The read has no answer.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The thread that read panicked.
    #[error("the read panicked")]
    Panicked(#[source] JoinError),
}

impl From<FoldFailure> for AggregateError {
    fn from(failure: FoldFailure) -> Self {
        Self::Read(ReadError::FoldFailed(failure))
    }
}

impl From<Ended> for AggregateError {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Failed(ReadError::Stopped) | Ended::TooSlow => Self::TooSlow,
            Ended::Failed(error) => Self::Read(error),
            Ended::Panicked(panicked) => Self::Panicked(panicked),
        }
    }
}
