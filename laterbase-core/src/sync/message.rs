//! What two replicas say to each other: questions, answers, and why there is no answer.
//!
//! A question changes nothing at the side that answers but for [`Question::Push`], whose page is
//! durable there before the answer is given. Each may be put again without harm.

use std::time::Duration;

use bytes::Bytes;

use crate::heads::HeadsPage;
use crate::id::{ReplicaId, RootName};
use crate::selection::RootSelection;
use crate::wants::Wants;

/// What is asked of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// What it holds.
    Heads {
        /// Of these roots.
        roots: RootSelection,
        /// Behind the page before, as that one said; `None` for the first page.
        after: Option<String>,
        /// Most heads on the page.
        limit: usize,
    },
    /// What arrived at it.
    Arrivals {
        /// Of these roots.
        roots: RootSelection,
        /// Where its log was left off.
        cursor: String,
        /// The origin whose events are to be left out, as the side that asks has them.
        not: Option<ReplicaId>,
        /// A later place that the log is known to have come to.
        seen: Option<String>,
        /// Who asks, where that is to be known. It changes no answer.
        asking: Option<ReplicaId>,
        /// Most events on the page.
        limit: usize,
    },
    /// Events by origin and seq.
    Wanted {
        /// Which ones.
        wants: Wants,
        /// Most events on the page.
        limit: usize,
    },
    /// To store a page.
    Push {
        /// A delta.
        page: Bytes,
    },
}

impl Question {
    /// Whether an answer to the other question, which was put ahead, answers this one: how long a
    /// page may be does not matter any more once it is there.
    pub fn is_answered_with(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Heads { roots, after, limit: _ },
                Self::Heads { roots: of_other, after: behind, limit: _ },
            ) => (roots, after) == (of_other, behind),
            (
                Self::Arrivals { roots, cursor, not, seen, asking, limit: _ },
                Self::Arrivals {
                    roots: of_other,
                    cursor: from,
                    not: without,
                    seen: met,
                    asking: by,
                    limit: _,
                },
            ) => (roots, cursor, not, seen, asking) == (of_other, from, without, met, by),
            (Self::Wanted { wants, limit: _ }, Self::Wanted { wants: of_other, limit: _ }) => {
                wants == of_other
            }
            (Self::Push { page }, Self::Push { page: of_other }) => page == of_other,
            _ => false,
        }
    }
}

/// What a peer says to a [`Question`] of the same name.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A page of what it holds.
    Heads(Heads),
    /// What arrived there.
    Arrivals(Arrivals),
    /// What was asked for by name.
    Wanted(Wanted),
    /// What came of a page.
    Pushed(Pushed),
}

/// What arrived at a peer after a cursor.
#[derive(Clone, Debug)]
pub struct Arrivals {
    /// Who the peer is.
    pub replica: ReplicaId,
    /// Where to go on, if that is another place than before.
    pub cursor: Option<String>,
    /// A delta; nothing if nothing arrived.
    pub page: Option<Bytes>,
    /// Whether there is more behind the page.
    pub more: bool,
    /// How many events of the origin that was left out the peer holds in the roots that were asked
    /// for, wherever they lie.
    pub left_out: Option<u64>,
}

/// A page of what a peer holds.
#[derive(Clone, Debug)]
pub struct Heads {
    /// Who the peer is.
    pub replica: ReplicaId,
    /// The end of its arrival log before it looked at what it holds.
    pub cursor: String,
    /// The heads.
    pub page: HeadsPage,
    /// What to ask the next page with; nothing if this is the last one.
    pub next: Option<String>,
}

/// Events that a peer was asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Who the peer is.
    pub replica: ReplicaId,
    /// A delta.
    pub page: Bytes,
    /// Whether the peer has more of what was asked for.
    pub more: bool,
}

/// What a peer says to a page that was pushed: all of it is durable there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Who the peer is, if it says so.
    pub replica: Option<ReplicaId>,
    /// Events that were new to it.
    pub stored: u64,
    /// Events that it had already.
    pub known: u64,
    /// A cursor into its arrival log before the new events.
    pub before: String,
    /// The same behind them.
    pub after: String,
}

/// Why a question has no answer. Nothing of a pushed page is stored then, but where the link may
/// have lost the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// What was sent, or would be the answer, does not get through.
    TooLarge,
    /// The cursor is of another log than the peer's.
    CursorGone,
    /// The peer does not take this root.
    RootNotTaken {
        /// Which one.
        root: RootName,
    },
    /// The peer lacks what a page's events of an origin follow on.
    Hole {
        /// In this root.
        root: RootName,
        /// Of this origin.
        origin: ReplicaId,
        /// The last event of it that the peer holds, if it says so.
        held: Option<u64>,
    },
    /// The peer holds another history of an origin.
    Fork {
        /// In this root.
        root: RootName,
        /// Of this origin.
        origin: ReplicaId,
        /// An event that differs, if the peer says so.
        seq: Option<u64>,
    },
    /// The peer could not read what was sent: it was damaged on the way.
    Garbled,
    /// The peer has no time now.
    Busy {
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The link broke.
    Broken,
    /// Nothing came for as long as is waited.
    Silent,
    /// The peer was not reached, or its answer makes no sense: another try may go better.
    Unclear,
    /// No other try would go better.
    Final,
}
