//! Bringing a store and a peer to the same events, without any I/O.
//!
//! A [`Session`] is the side that asks. It is polled: each [`Step`] says what whoever carries it has
//! to do next (put a question to the peer, store a page, wait), and what came of that is handed
//! back. Time comes in with the poll, and of a wait only the bounds are said, so that a session is a
//! function of what it was handed. [`message`] has what goes over the link; it says nothing of HTTP.
//!
//! ```text
//!  Session::poll ──► Ask ───► the peer ──────► handle_answer, handle_refusal
//!       ▲       ──► Store ──► the writer ────► handle_stored
//!       │       ──► Wait ───► the clock ─────► handle_waited
//!       └─────────────────────────────────────────┘        … until Done
//! ```
//!
//! Every step is one question whose outcome is durable on the side that took it in before it is
//! said to be, and which may be put again without harm. What the peer has acknowledged and where its
//! arrival log was left off is remembered in the commit that stores a page or takes in an answer. So
//! a sync that is cut anywhere goes on where it was when it is run again, and nothing has to be
//! undone.
//!
//! As long as both sides remember each other, one integer says where they are, and a sync without
//! news is one question. Where they do not (a new peer, one that was set back, another choice of
//! roots), both say what they hold, and what differs goes over the link.

use std::time::Duration;

use crate::id::{ReplicaId, RootName};
use crate::reader::ReadError;
use crate::replica::WriteError;
use crate::selection::RootSelection;
use crate::store::StoreError;

mod acknowledged;
pub mod answer;
mod backoff;
mod compare;
mod course;
mod desk;
mod distance;
mod headway;
mod incoming;
mod lacking;
mod locate;
pub mod message;
mod page;
mod page_size;
mod peer_state;
mod pull;
mod push;
mod report;
mod session;
mod standing;
#[cfg(test)]
mod test_store;

pub use acknowledged::{Pending, acknowledged, exported_entry, pending, pending_since};
pub use backoff::{Backoff, BackoffOptions, Pause};
pub use distance::{Comparison, Distance, Level, level};
pub use incoming::{Incoming, Taken};
pub use page_size::PageOptions;
pub use peer_state::{Contact, contact};
pub use report::{SyncProgress, SyncReport};
pub use session::{Session, Step};
pub use standing::{HeldBackChange, HeldBackNews, LeftOut, Standing, standings};

/// An origin in a root.
type Place = (RootName, ReplicaId);

/// What a session syncs, and how.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// The roots to sync. Others are neither sent nor asked for.
    pub roots: RootSelection,
    /// How large pages are.
    pub pages: PageOptions,
    /// How often, and when, a failed question is put again.
    pub backoff: BackoffOptions,
    /// Answers in a row that bring nothing new, where the peer says that there is more.
    pub idle_answers_max: u32,
    /// How long such answers may go on.
    pub idle_max: Duration,
    /// How long the session may hold the store; `None` for as long as it takes. When it is over, the
    /// session ends behind the page that it is at, and the next one goes on there.
    pub pause: Option<Duration>,
    /// Whether nobody reads the store's events but through the syncs that it remembers. Where
    /// others may have, a branch of the store's own history never gives way by itself.
    pub is_private: bool,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            roots: RootSelection::all(),
            pages: PageOptions::default(),
            backoff: BackoffOptions::default(),
            // Of a peer's log, each looks at up to 100,000 events.
            idle_answers_max: 1_000,
            idle_max: Duration::from_secs(300),
            pause: None,
            is_private: true,
        }
    }
}

/// Why a session did not get to its end. What was transferred is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The peer refused something, or was not to be had for too long: the last refusal that was
    /// handed in.
    #[error("the peer refused")]
    Refused,
    /// The peer says what makes no sense.
    #[error("the peer's answer makes no sense: {detail}")]
    Nonsense {
        /// What is wrong with it.
        detail: String,
    },
    /// What came could not be stored.
    #[error("what the peer sent could not be stored")]
    Write(#[from] WriteError),
    /// What was to be sent could not be read.
    #[error("the store could not be read")]
    Read(#[from] ReadError),
    /// The local store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The peer answers, but nothing comes of it.
    #[error("the sync makes no headway: {detail}")]
    Stuck {
        /// What does not fit.
        detail: &'static str,
    },
    /// The peer writes under this store's own id.
    #[error("the peer is this same replica, {replica}, or a copy that uses its id")]
    SameReplica {
        /// The id.
        replica: ReplicaId,
    },
}
