//! Writing to a store that another process has open: it is asked to do so.
//!
//! A store has one writer. Whoever has it open, a command that syncs or a server, listens on a
//! Unix socket in the store's folder ([`Listening`]). A second process that finds the store locked
//! hands its events over ([`Neighbour`]) and hears once they are durable. So recording waits for
//! the disk only, whatever network the first process waits for.
//!
//! A process may end, or be ended, between the commit and its answer. So each request carries
//! random bytes of its own, and what they are answered is kept in the store in the same commit
//! (see [`receipts`]). Whoever got no answer asks again, the next holder or the store itself, with
//! the same bytes, and no event is stored twice or given up.

mod caller;
mod codec;
mod connection;
mod frame;
mod listening;
mod message;
pub mod receipts;
mod refused;
mod socket;

use std::borrow::Borrow;

use laterbase_core::PreparedBatch;
use laterbase_core::reader::{Reader, Remembered};
use laterbase_core::replica::{Replica, WriteError};

use crate::device::TogetherError;

pub use caller::{HandoverError, Neighbour};
pub use listening::Listening;
pub use receipts::{Receipt, Receipts, Token};
pub use refused::Refused;

/// Who has a store open, and writes for others.
pub trait Holder: Send + Sync + 'static {
    /// Reads from the store.
    fn reader(&self) -> &Reader;

    /// Writes batches as one, with what is to be remembered of them: see [`stage_together`].
    ///
    /// # Errors
    /// [`NotTaken`].
    fn take(&self, batches: Vec<PreparedBatch>, receipt: Receipt) -> Result<u64, NotTaken>;

    /// Remembers something, in one commit.
    ///
    /// # Errors
    /// [`NotTaken`].
    fn remember(&self, entries: Vec<Remembered>) -> Result<(), NotTaken>;
}

/// Why a holder gives no good answer.
#[derive(Debug)]
pub enum NotTaken {
    /// It is closing the store, or has no room just now. Whoever asked is to ask again, the next
    /// holder or the store itself.
    Closing,
    /// Nothing of it is stored.
    Refused(TogetherError),
}

/// Stages batches, of different roots for example, and what is to be remembered of them. Gives
/// the number of events that were new; those replayed by their idempotency key are not.
///
/// After an error, the first ones may be staged: whoever calls this stages nothing else, and
/// abandons what is staged.
///
/// # Errors
/// [`TogetherError`].
pub fn stage_together<B: Borrow<PreparedBatch>>(
    replica: &mut Replica,
    batches: &[B],
    receipt: Option<&Receipt>,
    now_nanos: i64,
) -> Result<u64, TogetherError> {
    let before = replica.cursor().position();
    for (index, batch) in batches.iter().map(Borrow::borrow).enumerate() {
        if let Err(source) = replica.stage_append(batch, now_nanos) {
            let others = other_refusals(replica, &batches[index..], &source, now_nanos);
            let others = others.map(|(behind, error)| (index + behind, error)).collect();
            return Err(TogetherError { batch: Some(index), source, others });
        }
    }
    let stored = replica.cursor().position() - before;
    if let Some(receipt) = receipt {
        let (key, value) = receipt.entry(stored);
        replica.remember(&key, &value);
    }
    Ok(stored)
}

/// What would be refused of some batches beside what is known to be wrong with the first of them: so
/// whoever leaves out what is at fault need not try again for each.
pub(crate) fn other_refusals<B: Borrow<PreparedBatch>>(
    replica: &Replica,
    batches: &[B],
    known: &WriteError,
    now_nanos: i64,
) -> impl Iterator<Item = (usize, WriteError)> {
    let refusals =
        batches.iter().map(Borrow::borrow).enumerate().flat_map(move |(index, batch)| {
            // What keeps a batch from being judged as a whole is met again, when it is tried again.
            let refused = replica.refusals(batch, now_nanos).unwrap_or_default();
            refused.into_iter().map(move |(_, error)| (index, error))
        });
    let known = known.index();
    refusals.filter(move |(batch, error)| *batch > 0 || error.index() != known)
}
