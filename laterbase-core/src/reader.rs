//! Reading: feeds, deltas, aggregates and the state of a replica.
//!
//! Every method looks at one moment. None waits for a write, and none keeps anything open
//! between calls, so a reader that goes away costs nothing.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::event::Event;
use crate::fold::Folds;
use crate::id::{EventId, ReplicaId, RootName};
use crate::renewal::Renewal;
use crate::replica::OpenError;
use crate::shared::Shared;
use crate::store::{Area, Condition, Refusal, Store, StoreError, Table, Usage};
use crate::version_vector::VersionVector;
use crate::view::View;

mod aggregate;
mod allowance;
mod arrivals;
mod arrived;
mod changed;
mod damaged;
mod feed;
mod folding;
mod forks;
mod guarded;
mod heads;
mod history;
mod lag;
mod listing;
mod log_walk;
mod query;
mod single;
mod status;
mod tally;
mod under_way;
mod voided;
mod voided_across;
mod wanted;

pub use aggregate::{AggregateState, Covered};
pub use allowance::Allowance;
pub use arrivals::{ArrivalsPage, Taken};
pub use arrived::{ArrivedPage, Following, VisitArrived};
pub use changed::{ChangedPage, Changes, VisitChanged};
pub(crate) use damaged::DamageFound;
pub use damaged::Damaged;
pub(crate) use feed::SuspendedFeeds;
pub use feed::{Behind, DeltaPage, FeedFrom, FeedPage, FollowedPage, VisitFed};
pub use forks::{BranchDetail, ForkDetail, ForksPage};
pub use history::{EventsPage, History};
pub use lag::Lag;
pub use listing::{AggregatePage, AggregatesVisited, VisitAggregate};
pub use query::{Order, Query, Window};
pub use single::Lookup;
pub use status::{RootStatus, Status};
pub use tally::{RootTally, Tally};
pub use wanted::WantedPage;

/// Takes one event and says whether to go on.
pub type VisitEvent<'v> = dyn FnMut(&Event<'_>) -> ControlFlow<()> + 'v;

/// A key and a value of [`crate::replica::Replica::remember`].
pub type Remembered = (Vec<u8>, Vec<u8>);

/// Reads from a replica. Cloning is cheap; any number may read at once, from any thread.
#[derive(Clone, Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    /// What each read of this reader may take; `None` for all it needs.
    allowance: Option<Arc<Allowance>>,
}

impl Reader {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, allowance: None }
    }

    /// The same reader for one read that may take so much. Those methods heed it that fold
    /// aggregates, or look for their events.
    #[must_use]
    pub fn within(&self, allowance: Arc<Allowance>) -> Self {
        Self { shared: Arc::clone(&self.shared), allowance: Some(allowance) }
    }

    /// Takes from the allowance.
    fn spend(&self, events: usize, bytes: usize) -> Result<(), ReadError> {
        self.allowance.as_ref().map_or(Ok(()), |allowance| allowance.take(events, bytes))
    }

    /// Reads a store that nobody writes to through this handle: one that shows a single moment and
    /// never changes, such as the engines open beside another process or on a read-only medium.
    ///
    /// What the derived tables lack is read from the log into memory, all of it if they are
    /// missing, damaged or of another log.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is written in any case.
    pub fn of_frozen(store: Arc<dyn Store>, folds: Arc<Folds>) -> Result<Self, OpenError> {
        crate::replica::frozen::reader(store, folds)
    }

    #[cfg(test)]
    pub(crate) fn shared_for_tests(&self) -> &Shared {
        &self.shared
    }

    /// How the store fares: its size, what is left, whether it takes writes, and which derived
    /// tables were found damaged.
    pub fn condition(&self) -> Condition {
        self.shared.store.condition()
    }

    /// Why the next write would be refused, as far as can be told without one.
    pub fn refusal(&self) -> Option<Refusal> {
        let behind = || {
            let is_full = self.front_events() > self.shared.front_events_max;
            is_full.then(|| self.shared.store.refusal(Area::Derived)).flatten()
        };
        self.shared.store.refusal(Area::Truth).or_else(behind)
    }

    /// The id that new events get.
    pub fn replica_id(&self) -> ReplicaId {
        self.shared.state().replica
    }

    /// The ids that this store writes or ever wrote under, the present one last.
    pub fn own_ids(&self) -> Vec<ReplicaId> {
        let state = self.shared.state();
        state.former.iter().copied().chain([state.replica]).collect()
    }

    /// The last changes of this store's id, the latest one last.
    pub fn renewals(&self) -> Vec<Renewal> {
        self.shared.state().renewals.clone()
    }

    /// Those that happened when this process opened the store, or since.
    pub fn renewals_since_open(&self) -> Vec<Renewal> {
        let before = self.shared.renewals_before;
        let mut renewals = self.renewals();
        renewals.retain(|renewal| renewal.number >= before);
        renewals
    }

    /// The storage engine's name.
    pub fn engine(&self) -> &'static str {
        self.shared.store.engine()
    }

    /// How much room each table of the store takes, and its files.
    ///
    /// # Errors
    /// [`StoreError`] if the engine cannot tell.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        self.shared.store.usage()
    }

    /// The folds that aggregates are read by.
    pub fn folds(&self) -> &Arc<Folds> {
        &self.shared.folds
    }

    /// The last visible position of the arrival log; 0 for none.
    pub fn head(&self) -> u64 {
        self.shared.state().head
    }

    /// The last position of the arrival log that this replica had reached at a time, in nanoseconds
    /// since 1970 by its own wall clock; 0 for none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn known_until(&self, time: i64) -> Result<u64, StoreError> {
        View::open(&self.shared)?.last_arrived_until(time)
    }

    /// Events that the derived tables do not hold yet.
    pub fn front_events(&self) -> usize {
        self.shared.state().front.event_count()
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.shared.store
    }

    /// A number that names this arrival log: positions of another epoch mean nothing here.
    pub fn epoch(&self) -> u64 {
        self.shared.state().epoch
    }

    /// The roots that hold events, in the order of their names.
    pub fn roots(&self) -> Vec<RootName> {
        let state = self.shared.state();
        let mut roots: Vec<RootName> = state
            .names
            .roots()
            .filter(|(number, _)| state.heads_of(*number).next().is_some())
            .map(|(_, name)| name.clone())
            .collect();
        roots.sort();
        roots
    }

    /// What is held of a root; empty if nothing.
    pub fn version_vector(&self, root: &RootName) -> VersionVector {
        self.shared.state().version_vector(root)
    }

    /// Reads what [`crate::replica::Replica::remember`] kept under a key.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub fn recall(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let snapshot = self.shared.store.snapshot()?;
        Ok(snapshot.get(Table::Peers, key)?.map(std::borrow::Cow::into_owned))
    }

    /// Reads everything that is remembered under keys with a prefix, in order.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub fn recall_all(&self, prefix: &[u8]) -> Result<Vec<Remembered>, StoreError> {
        self.recall_between(prefix, crate::keys::after_prefix(prefix).as_deref())
    }

    /// Reads everything that is remembered under keys from `start` on and below `end`, in order.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub fn recall_between(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<Vec<Remembered>, StoreError> {
        let snapshot = self.shared.store.snapshot()?;
        let scan = crate::store::Scan { start, end, ..crate::store::Scan::all(Table::Peers) };
        let mut found = Vec::new();
        snapshot.scan(scan, &mut |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Reads the event at a position of a view.
    fn event_at<R>(
        &self,
        view: &View<'_>,
        position: u64,
        read: impl FnOnce(u32, &Event<'_>, &[u8; 32]) -> R,
    ) -> Result<R, StoreError> {
        view.entry(position, |entry| {
            let origin = self.shared.state().names.origin_id(entry.origin);
            let origin = origin.ok_or_else(|| {
                StoreError::corrupt(format!("log position {position}: its origin has no name"))
            })?;
            let event = entry.event(position, origin)?;
            Ok(read(entry.root, &event, entry.chain.as_bytes()))
        })?
    }
}

/// Why a read gave no answer. Nothing changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The store failed, or contradicts itself.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The reader's fault: the root has no such fold.
    #[error("there is no such fold")]
    UnknownFold,
    /// The aggregate's own fold failed.
    #[error(transparent)]
    FoldFailed(#[from] FoldFailure),
    /// Nobody waits for the read any more: [`Allowance::stop`] was called.
    #[error("the read was stopped")]
    Stopped,
    /// The read takes more than it was allowed.
    #[error("the read takes more than it was allowed")]
    AllowanceSpent,
}

/// Why an aggregate has no state to show. Others are not concerned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FoldFailure {
    /// The fold failed, or panicked, on an event.
    #[error("the fold failed on event {event}: {reason}")]
    Event {
        /// The event.
        event: EventId,
        /// The fold's own words.
        reason: String,
    },
    /// The fold's code failed, or panicked, apart from any event: where a state begins or ends,
    /// becomes JSON, or may become a snapshot.
    #[error("the fold failed: {reason}")]
    Code {
        /// The fold's own words.
        reason: String,
    },
    /// The state is longer than it may be: [`Folds::state_bytes_max`].
    #[error("the state has {bytes} bytes of JSON, of which {bytes_max} are allowed")]
    StateTooLarge {
        /// How long it is. On the way to its last event it may be twice as long as in the end.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },
}

impl FoldFailure {
    const fn code(reason: String) -> Self {
        Self::Code { reason }
    }
}

#[cfg(test)]
mod tests;
