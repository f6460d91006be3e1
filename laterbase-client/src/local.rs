//! Where the events live that a sync brings up to date.
//!
//! A sync asks little of that side: a reader, and a writer that stores a page and what is to be
//! remembered with it in one commit. A [`crate::device::Device`] has both. So has a server, whose
//! writer is a queue: it hands the page over and calls [`Incoming::stage`] there.

use std::time::Duration;

use laterbase_core::fork::Keep;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::reader::{Reader, Remembered};
use laterbase_core::replica::{Resolved, WriteError};
use laterbase_core::sync::{Incoming, Taken};

/// A store that a sync reads from and writes to.
///
/// Every method may block its thread for as long as the disk takes.
pub trait Local: Send + Sync {
    /// Reads from the store.
    fn reader(&self) -> &Reader;

    /// Stores a page of a peer's, and what is to be remembered with it, in one commit
    /// ([`Incoming::stage`]).
    ///
    /// # Errors
    /// [`WriteError`]; nothing of the page is stored, and nothing is remembered.
    fn merge_page(&self, page: Incoming) -> Result<Taken, WriteError>;

    /// Remembers something, in one commit.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is remembered.
    fn remember(&self, entries: Vec<Remembered>) -> Result<(), WriteError>;

    /// Resolves a fork, durably, by letting one branch give up its ids.
    ///
    /// # Errors
    /// [`WriteError`]; the fork is as it was.
    fn resolve(
        &self,
        root: &RootName,
        origin: ReplicaId,
        keep: Keep,
    ) -> Result<Resolved, WriteError>;

    /// Waits until the store's log ends elsewhere than at `head`, but no longer than `longest`. May
    /// end sooner; whoever waits looks again.
    fn arrived(&self, head: u64, longest: Duration) -> impl Future<Output = ()> + Send {
        let _end = head;
        tokio::time::sleep(longest)
    }

    /// Whether nobody reads the store's events but through the syncs that it remembers. Where
    /// others may have, a branch of the store's own history never gives way by itself.
    fn is_private(&self) -> bool {
        true
    }
}
