//! Where the events live that a sync brings up to date.
//!
//! A sync asks little of that side: a reader, and a writer that stores a page and what is to be
//! remembered with it in one commit. A [`crate::device::Device`] has both. So has a server, whose
//! writer is a queue: it hands the page over and calls [`IncomingPage::stage`] there.

use laterbase_core::delta::Delta;
use laterbase_core::fork::Keep;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::reader::{Reader, Remembered};
use laterbase_core::replica::{MergedPage, Replica, Resolved, WriteError};

use crate::sync::page::Page;

/// A store that a sync reads from and writes to.
///
/// Every method may block its thread for as long as the disk takes.
pub trait Local: Send + Sync {
    /// Reads from the store.
    fn reader(&self) -> &Reader;

    /// Stores a page of a peer's, and what is to be remembered with it, in one commit.
    ///
    /// # Errors
    /// [`WriteError`]; nothing of the page is stored, and nothing is remembered.
    fn merge_page(&self, page: IncomingPage) -> Result<MergedPage, WriteError>;

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

    /// Whether nobody reads the store's events but through the syncs that it remembers. Where
    /// others may have, a branch of the store's own history never gives way by itself.
    fn is_private(&self) -> bool {
        true
    }
}

/// What came of a page, as far as it is known when it is staged.
#[derive(Debug)]
pub struct Staged<'s> {
    /// What was on the page, of the roots that are taken.
    pub delta: &'s Delta<'s>,
    /// What was taken of it.
    pub merged: &'s MergedPage,
    /// The arrival position that the page's new events follow on; `None` if it is not known.
    pub after_position: Option<u64>,
}

/// Says what is to be remembered with a page. May be called more than once.
pub type Remembering = Box<dyn Fn(Staged<'_>) -> Result<Vec<Remembered>, WriteError> + Send>;

/// A page of a peer's on its way into a store.
pub struct IncomingPage {
    page: Page,
    remembering: Remembering,
}

impl IncomingPage {
    pub(crate) const fn new(page: Page, remembering: Remembering) -> Self {
        Self { page, remembering }
    }

    /// How long the page is.
    pub fn size_bytes(&self) -> usize {
        self.page.size_bytes()
    }

    /// Stages the page, which has been checked, with what is to be remembered.
    ///
    /// `after_position` is the position that the next event to be staged follows on, if nothing
    /// else is staged; `None` otherwise. It may be called again after
    /// [`WriteError::Uncommitted`].
    ///
    /// # Errors
    /// [`WriteError`]; what else is staged stays staged.
    pub fn stage(
        &self,
        replica: &mut Replica,
        now_nanos: i64,
        after_position: Option<u64>,
    ) -> Result<MergedPage, WriteError> {
        let delta = self.page.delta();
        let merged = replica.stage_merge_page(delta, now_nanos)?;
        let staged = Staged { delta, merged: &merged, after_position };
        for (key, value) in (self.remembering)(staged)? {
            replica.remember(&key, &value);
        }
        Ok(merged)
    }
}

impl std::fmt::Debug for IncomingPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IncomingPage")
            .field("size_bytes", &self.size_bytes())
            .finish_non_exhaustive()
    }
}
