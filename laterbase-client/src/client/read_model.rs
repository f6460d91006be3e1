//! Read models: what a program makes of a server's events, kept with how far it has come.

use futures_util::FutureExt;

use super::subscription::{Delivery, SubscribeOptions, Subscription, SubscriptionError};
use super::wire::ReceivedEvent;
use super::{Client, EventFilter};
use crate::transport::Transport;

/// Most events that are handed over at once.
const BATCH_EVENTS_MAX: usize = 1_000;

/// Bytes of events from which on no more are gathered before they are handed over.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Keeps what is made of events, and how far that has come, in one place, so that one is never
/// kept without the other: a table for the cursor beside those of the read model.
///
/// Every event is then made something of exactly once, over any cuts and crashes on either side.
pub trait Checkpoint: Send {
    /// Why something could not be kept or read.
    type Error: Send;

    /// The cursor that was kept last; `None` if there is none.
    fn load(&mut self) -> impl Future<Output = Result<Option<String>, Self::Error>> + Send;

    /// Makes something of the next events, in their order, and keeps the cursor behind them: all
    /// of it or nothing, in one transaction. There may be no event, and only a cursor to keep.
    fn apply(
        &mut self,
        events: &[ReceivedEvent],
        cursor: &str,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Throws away what was made of events, and the cursor, in one transaction: the server's log
    /// is another one now, and all its events come anew.
    fn restart(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Why a read model is not brought further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadModelError<E> {
    /// The read model's own store failed. Nothing was kept.
    #[error("the read model could not be kept")]
    Checkpoint(E),
    /// The server ends it.
    #[error(transparent)]
    Subscription(#[from] SubscriptionError),
}

impl<T: Transport> Client<T> {
    /// Brings a read model up to date and keeps it so until it fails, or the future is dropped,
    /// which may be at any time. Where the server's log is another one than before, it begins
    /// anew. Waits for nothing while events are at hand, so that they are kept many at a time.
    ///
    /// # Errors
    /// [`ReadModelError`].
    pub async fn keep<C: Checkpoint>(
        &self,
        read_model: &mut C,
        filter: &EventFilter,
        options: SubscribeOptions,
    ) -> Result<(), ReadModelError<C::Error>> {
        loop {
            let cursor = read_model.load().await.map_err(ReadModelError::Checkpoint)?;
            let mut subscription = self.subscribe_with(cursor.as_deref(), filter.clone(), options);
            match follow(&mut subscription, read_model).await {
                // Without a cursor there is nothing that could be gone: it would be so for ever.
                Err(ReadModelError::Subscription(SubscriptionError::CursorGone(_)))
                    if subscription.cursor().is_some() =>
                {
                    read_model.restart().await.map_err(ReadModelError::Checkpoint)?;
                }
                ended => return ended,
            }
        }
    }
}

async fn follow<T: Transport, C: Checkpoint>(
    subscription: &mut Subscription<'_, T>,
    read_model: &mut C,
) -> Result<(), ReadModelError<C::Error>> {
    while let Some(first) = subscription.next().await {
        let (mut events, mut bytes, mut next) = (Vec::new(), 0, Some(first));
        let mut ended = None;
        let mut cursor = None;
        while let Some(delivery) = next {
            match delivery {
                Ok(delivery) => {
                    cursor = Some(delivery.cursor().to_owned());
                    if let Delivery::Event(event, _) = delivery {
                        bytes += event.data_bytes();
                        events.push(*event);
                    }
                }
                Err(error) => ended = Some(error),
            }
            let has_room = events.len() < BATCH_EVENTS_MAX && bytes < BATCH_BYTES_MAX;
            next = if has_room && ended.is_none() {
                subscription.next().now_or_never().flatten()
            } else {
                None
            };
        }
        if let Some(cursor) = cursor {
            let kept = read_model.apply(&events, &cursor).await;
            kept.map_err(ReadModelError::Checkpoint)?;
        }
        if let Some(error) = ended {
            return Err(error.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
