//! A replica: the one writer of a store, and the event set that it keeps.
//!
//! A replica is a state machine. It is told what to write ([`Replica::stage_append`],
//! [`Replica::stage_merge`]) and when to make it durable ([`Replica::commit`]); time comes in as
//! an argument and randomness as a function. Readers ([`Replica::reader`]) and background work
//! ([`Replica::maintenance`]) may live on other threads.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cursor::Cursor;
use crate::delta::Delta;
use crate::fold::Folds;
use crate::fork::{HeldBack, Keep};
use crate::hlc::Clock;
use crate::id::{Dot, EventId, ReplicaId, RootName};
use crate::limits::{
    DRIFT_NANOS_MAX_DEFAULT, FRONT_EVENTS_FLUSH, FUTURE_NANOS_MAX_DEFAULT, HOT_BYTES_MAX_DEFAULT,
};
use crate::maintenance::Maintenance;
use crate::prepared::PreparedBatch;
use crate::reader::Reader;
use crate::shared::Shared;
use crate::store::{Batch, Store, StoreError};

mod append;
mod errors;
mod fitness;
pub(crate) mod frozen;
mod landing;
mod merge;
pub(crate) mod open;
mod quarantine;
mod resolve;
mod rewrite;
mod staged;
mod voiding;

pub use errors::{OpenError, WriteError};
use staged::{LastRun, Staged};
pub use voiding::VoidFault;

/// Flushes that the derived tables may be behind before the writer itself writes them, and before
/// it takes no more.
const FLUSHES_BEHIND: usize = 4;
const FLUSHES_BEHIND_MAX: usize = 8;

/// Gives 16 fresh random bytes at each call.
pub type Random = Box<dyn FnMut() -> [u8; 16] + Send>;

/// How a replica behaves.
#[derive(Clone, Debug)]
pub struct ReplicaOptions {
    /// How far into the future a local write may place an event, in nanoseconds.
    pub future_nanos_max: i64,
    /// How far ahead of the wall clock a merged stamp may move the clock, in nanoseconds.
    pub drift_nanos_max: i64,
    /// Events that the front of the derived tables gathers before they are flushed.
    pub front_events_flush: usize,
    /// About how many bytes of lately read aggregates are kept in memory; 0 for none.
    pub hot_bytes_max: usize,
    /// Take a new replica id in any case.
    pub new_identity: bool,
}

impl ReplicaOptions {
    /// How far into the future a local write may place an event; `None` for as far as can be said.
    #[must_use]
    pub fn max_future(self, bound: Option<Duration>) -> Self {
        let nanos = bound.map(|bound| i64::try_from(bound.as_nanos()).unwrap_or(i64::MAX));
        Self { future_nanos_max: nanos.unwrap_or(i64::MAX), ..self }
    }
}

impl Default for ReplicaOptions {
    fn default() -> Self {
        Self {
            future_nanos_max: FUTURE_NANOS_MAX_DEFAULT,
            drift_nanos_max: DRIFT_NANOS_MAX_DEFAULT,
            front_events_flush: FRONT_EVENTS_FLUSH,
            hot_bytes_max: HOT_BYTES_MAX_DEFAULT,
            new_identity: false,
        }
    }
}

/// The writer of a store. There is one at a time.
///
/// Invariant: what readers see is exactly what has been committed; what is staged is seen by
/// later staging only.
pub struct Replica {
    shared: Arc<Shared>,
    options: ReplicaOptions,
    random: Random,
    clock: Clock,
    /// The run that the log ends with, which the next event of its origin extends.
    last_run: Option<LastRun>,
    staged: Option<Staged>,
    /// Who the replica is, where the disk was too full to write it down. It is written before
    /// anything else is.
    unwritten: Option<Batch>,
    maintenance: Maintenance,
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica")
            .field("id", &self.id())
            .field("store", &self.shared.store)
            .finish()
    }
}

impl Replica {
    /// Opens the replica that a store holds, or makes a new one in an empty store.
    ///
    /// Takes a new replica id where the old one's history is in doubt: the store is elsewhere
    /// than it was ([`Store::home`]), or was not closed in [`crate::store::Durability::Relaxed`].
    /// Does not scan the data: its cost is that of the heads and of what a crash left unflushed.
    ///
    /// # Errors
    /// [`OpenError`]; the store is as it was, or holds a new empty replica.
    pub fn open(
        store: Arc<dyn Store>,
        folds: Arc<Folds>,
        options: ReplicaOptions,
        random: Random,
    ) -> Result<Self, OpenError> {
        open::open(store, folds, options, random)
    }

    /// The id that new events get.
    pub fn id(&self) -> ReplicaId {
        self.staged.as_ref().map_or_else(|| self.shared.state().replica, |staged| staged.replica)
    }

    /// Behind everything that is committed or staged: where the next event will arrive. What is
    /// staged and then fails or is abandoned leaves the cursor behind it of no log.
    pub fn cursor(&self) -> Cursor {
        let state = self.shared.state();
        let end = self.staged.as_ref().map_or((state.head, state.history), Staged::end);
        Cursor { epoch: state.epoch, position: end.0, history: end.1 }
    }

    /// A reader, for any thread.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// The background work, for one other thread.
    pub fn maintenance(&self) -> Maintenance {
        self.maintenance.another()
    }

    /// Writes a batch durably: [`Self::stage_append`] and [`Self::commit`].
    ///
    /// # Errors
    /// [`WriteError`]; nothing of the batch is stored.
    pub fn append(
        &mut self,
        batch: &PreparedBatch,
        now_nanos: i64,
    ) -> Result<Appended, WriteError> {
        let appended = self.stage_append(batch, now_nanos)?;
        self.commit()?;
        Ok(appended)
    }

    /// Merges a delta durably: [`Self::stage_merge`] and [`Self::commit`].
    ///
    /// # Errors
    /// [`WriteError`]; nothing of the delta is stored in the event set. Of a fork, the mark and the
    /// other branch's events are kept in quarantine.
    pub fn merge(&mut self, delta: &Delta<'_>, now_nanos: i64) -> Result<Merged, WriteError> {
        let merged = self.stage_merge(delta, now_nanos);
        // Also what was learned of a fork.
        self.commit()?;
        merged
    }

    /// Adds a batch to what the next commit writes. `now_nanos` is the wall clock, in
    /// nanoseconds since 1970.
    ///
    /// # Errors
    /// [`WriteError`]; what else is staged stays staged.
    pub fn stage_append(
        &mut self,
        batch: &PreparedBatch,
        now_nanos: i64,
    ) -> Result<Appended, WriteError> {
        append::stage(self, batch, now_nanos)
    }

    /// As [`Self::stage_append`], but an event that is refused for itself (too far in the future, or
    /// with a key that is taken) is left out, and the others are staged. A batch that has a key is
    /// not compared as a whole: each of its events is a replay, or new, or refused, for itself.
    ///
    /// # Errors
    /// [`WriteError`], of the batch as a whole; what else is staged stays staged.
    pub fn stage_append_each(
        &mut self,
        batch: &PreparedBatch,
        now_nanos: i64,
    ) -> Result<AppendedEach, WriteError> {
        append::stage_each(self, batch, now_nanos)
    }

    /// Adds a delta's new events to what the next commit writes.
    ///
    /// # Errors
    /// [`WriteError`]; what else is staged stays staged.
    pub fn stage_merge(&mut self, delta: &Delta<'_>, now_nanos: i64) -> Result<Merged, WriteError> {
        merge::stage(self, delta, now_nanos)
    }

    /// Adds what can be taken of a page from a peer to what the next commit writes: events of an
    /// origin in doubt are held back, those of all others are taken. What is learned of a fork is
    /// kept in quarantine with the same commit.
    ///
    /// # Errors
    /// [`WriteError`], other than [`WriteError::Fork`] and [`WriteError::Hole`]; what else is
    /// staged stays staged.
    pub fn stage_merge_page(
        &mut self,
        delta: &Delta<'_>,
        now_nanos: i64,
    ) -> Result<MergedPage, WriteError> {
        merge::stage_page(self, delta, now_nanos)
    }

    /// Resolves a fork, durably, once it is known where the histories part.
    ///
    /// One branch keeps the ids. The events of the other one stay in the event set, under an id
    /// that is derived from the branch ([`crate::fork::branch_id`]): with [`Keep::Ours`], those
    /// that are in quarantine here; with [`Keep::Theirs`] or [`Keep::Branch`], those of the branch
    /// that is held here, which rewrites the log from its first event on and rebuilds the derived
    /// tables. If the origin is this replica itself, it takes a new id. Of three branches, the third
    /// stays in quarantine, and the fork goes on.
    ///
    /// Afterwards [`Reader::generation`] is another: what was held back is to be had again, by
    /// version vector.
    ///
    /// # Errors
    /// [`WriteError::NoFork`], [`WriteError::NoBranch`], [`WriteError::ForkNotLocated`],
    /// [`WriteError::Uncommitted`] if
    /// something is staged, or a failure of the store.
    pub fn resolve(
        &mut self,
        root: &RootName,
        origin: ReplicaId,
        keep: Keep,
        now_nanos: i64,
    ) -> Result<Resolved, WriteError> {
        resolve::resolve(self, root, origin, keep, now_nanos)
    }

    /// Stages a value to be kept under a key of the caller's, outside the event set and never
    /// synced, in the same commit as the events staged with it.
    ///
    /// # Panics
    /// If the key is empty or over its bound.
    pub fn remember(&mut self, key: &[u8], value: &[u8]) {
        self.staged().remember(key, value);
    }

    /// Makes everything staged durable and shows it to readers, all of it or nothing.
    ///
    /// # Errors
    /// [`WriteError::Store`]: nothing of what was staged is stored, as far as this process can
    /// tell; it is staged no longer.
    pub fn commit(&mut self) -> Result<(), WriteError> {
        let Some(staged) = self.staged.take() else { return Ok(()) };
        self.shared.check_fit()?;
        self.check_front()?;
        self.write_identity()?;
        let committed = staged.finish(self.clock.last());
        // Stamps that failed events were given are not given again, so the clock stays ahead.
        self.shared.store.commit(&committed.batch)?;
        // Invariant 6: durable first, visible after.
        self.last_run = committed.last_run;
        let unflushed = committed.publish(&self.shared);
        if unflushed > self.options.front_events_flush.saturating_mul(FLUSHES_BEHIND) {
            // Whoever runs the maintenance does not keep up: memory stays bounded all the same.
            // A failure is met again, and reported, by whoever runs it.
            let _ = self.maintenance.flush_if_possible();
        }
        Ok(())
    }

    /// Drops what is staged.
    pub fn abandon(&mut self) {
        self.staged = None;
    }

    /// Flushes the derived tables and marks a clean stop. Dropping a replica instead is a crash:
    /// nothing acknowledged is lost.
    ///
    /// Where the disk is full, or the derived tables have yet to be built, they are left as they
    /// are, which the next opening makes up for.
    ///
    /// # Errors
    /// [`StoreError`]; the stop is then not marked as clean.
    pub fn close(mut self) -> Result<(), StoreError> {
        match self.maintenance.flush_if_possible() {
            Ok(()) | Err(StoreError::Full { .. } | StoreError::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
        open::mark_closed(&self.shared)
    }

    fn staged(&mut self) -> &mut Staged {
        if self.staged.is_none() {
            self.staged = Some(Staged::new(&self.shared.state(), self.last_run));
        }
        self.staged.as_mut().expect("just staged")
    }
}

/// What an append did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The ids of the batch's events, in its order; of a replayed event, the original's.
    pub dots: Vec<Dot>,
    /// Whether every event was there already, by its idempotency key, so that nothing was
    /// stored.
    pub replayed: bool,
    /// The last arrival position behind the batch: what a reader sees up to there is what the batch
    /// found and what it left.
    pub end: u64,
}

/// What an append of each event for itself did.
#[derive(Debug)]
pub struct AppendedEach {
    /// The ids of the batch's events, in its order; `None` for one that was refused.
    pub dots: Vec<Option<Dot>>,
    /// Which events were refused, by their index in the batch, and why.
    pub refused: Vec<(usize, WriteError)>,
    /// Whether every event that was not refused was there already, so that nothing was stored.
    pub replayed: bool,
    /// As [`Appended::end`].
    pub end: u64,
}

/// The event that has taken an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHolder {
    /// Its id.
    pub event: EventId,
    /// The aggregate that it is of.
    pub aggregate_id: String,
}

/// What a merge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Events that were new.
    pub stored: u64,
    /// Events that were there already.
    pub known: u64,
}

/// What a merge of a page did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergedPage {
    /// What was taken.
    pub merged: Merged,
    /// What was not.
    pub held_back: Vec<HeldBack>,
}

/// What the resolution of a fork did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// How many events have another id now, or are in the event set for the first time.
    pub moved: u64,
    /// The ids that the branches moved to.
    pub into: Vec<ReplicaId>,
}

#[cfg(test)]
mod tests;
