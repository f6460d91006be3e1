//! What a backend tells the suite about itself.

use std::path::Path;

use laterbase_core::store::{Durability, Store};
use laterbase_directory::OpenError;

/// A place for one store, and how to open it.
///
/// All that is given must be offered; the methods with a default are for what only some backends
/// have, and the clauses that need them are skipped without.
pub trait Harness: Sized {
    /// The backend.
    type Store: Store + 'static;

    /// A new place with nothing in it. What it holds is removed when the harness is dropped.
    fn fresh() -> Self;

    /// Opens the store. Called again after the last one was dropped, it opens the same data.
    ///
    /// # Errors
    /// Whatever keeps the store from being opened.
    fn open_with(&self, durability: Durability) -> Result<Self::Store, OpenError>;

    /// Opens the store with the default durability.
    ///
    /// # Errors
    /// As for [`Harness::open_with`].
    fn open(&self) -> Result<Self::Store, OpenError> {
        self.open_with(Durability::default())
    }

    /// Opens the store with a bound: when it holds about `bytes_max`, it is full.
    fn open_bounded(&self, _bytes_max: u64) -> Option<Result<Self::Store, OpenError>> {
        None
    }

    /// The store's directory, if it is on disk. It need not exist before the first opening.
    fn directory(&self) -> Option<&Path> {
        None
    }

    /// A harness for a directory that another process made, which stays when this is dropped.
    fn at(_directory: &Path) -> Option<Self> {
        None
    }

    /// Makes the next commit fail as from a broken disk. False if that cannot be done.
    fn fail_next_commit(_store: &Self::Store) -> bool {
        false
    }
}

/// What came of a clause that did not panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The backend keeps it.
    Held,
    /// It cannot apply to the backend, for this reason.
    Skipped(&'static str),
}

impl Verdict {
    /// Says on the test's standard error that a clause was skipped, if it was.
    #[expect(clippy::print_stderr, reason = "a skipped clause must not look like one that held")]
    pub fn say(self, clause: &str) {
        if let Self::Skipped(reason) = self {
            eprintln!("skipped {clause}: {reason}");
        }
    }
}

impl From<()> for Verdict {
    fn from((): ()) -> Self {
        Self::Held
    }
}
