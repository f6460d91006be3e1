//! Events that others name, to take them back.

use crate::chain::RecordHash;
use crate::event::{Record, Seen, Void};
use crate::id::{Dot, ReplicaId};
use crate::keys::{self, Place};
use crate::shared::Shared;
use crate::store::{Scan, StoreError, Table};
use crate::view::View;

/// Events of one time and stamp that are looked at for one that has another id since it was seen.
const MOVED_MAX: usize = 256;

/// An event that is held. One that cannot be read is not.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub place: Place,
    pub position: u64,
    pub aggregate_id: String,
    pub key: Option<String>,
    /// Whether it takes others back, and so cannot be taken back.
    pub is_voiding: bool,
    /// What is to be seen of it, where that was asked for: its record is hashed.
    pub seen: Option<Seen>,
}

impl Target {
    /// The event under an id.
    pub(crate) fn find(
        shared: &Shared,
        view: &View<'_>,
        root: u32,
        dot: Dot,
        is_seen: bool,
    ) -> Result<Option<Self>, StoreError> {
        let origin = shared.state().names.origin(dot.origin);
        let Some(origin) = origin else { return Ok(None) };
        let Some(position) = view.find(root, origin, dot.seq)? else { return Ok(None) };
        Self::at(view, position, dot.origin, is_seen)
    }

    fn at(
        view: &View<'_>,
        position: u64,
        origin: ReplicaId,
        is_seen: bool,
    ) -> Result<Option<Self>, StoreError> {
        let read = view.entry(position, |entry| {
            let record = Record::decode(entry.record).ok()?;
            let (occurred, recorded) = (record.kept_occurred(), entry.recorded);
            Some(Self {
                place: Place::new(occurred, recorded, origin),
                position,
                aggregate_id: record.aggregate_id.to_owned(),
                key: record.idempotency_key.map(str::to_owned),
                is_voiding: !record.voids.is_empty(),
                seen: is_seen.then(|| Seen {
                    check: RecordHash::of(entry.record).start(),
                    occurred,
                    recorded,
                }),
            })
        });
        match read {
            Err(StoreError::Corrupt { .. }) => Ok(None),
            read => read,
        }
    }

    fn can_be_voided(&self, aggregate_id: &str) -> bool {
        self.aggregate_id == aggregate_id && !self.is_voiding
    }
}

/// An aggregate in which something is looked for.
#[derive(Clone, Copy)]
pub(crate) struct Within<'w> {
    pub shared: &'w Shared,
    pub view: &'w View<'w>,
    pub root: u32,
    pub id: &'w str,
}

impl Within<'_> {
    /// The start of the aggregate's keys.
    pub(crate) fn prefix(&self) -> Vec<u8> {
        keys::index_aggregate(self.root, self.id)
    }

    /// The event that a void means: the one that its writer saw, under its id or, once a fork was
    /// decided, under another one; where the writer saw none, the one under its id.
    pub(crate) fn meant(self, void: &Void) -> Result<Option<Target>, StoreError> {
        let named = Target::find(self.shared, self.view, self.root, void.dot, void.seen.is_some())?;
        let is_meant = |target: &Target| {
            target.can_be_voided(self.id) && (void.seen.is_none() || target.seen == void.seen)
        };
        let named = named.filter(is_meant);
        let (None, Some(seen)) = (&named, void.seen) else { return Ok(named) };
        let bound = |origin| {
            let place = Place::new(seen.occurred, seen.recorded, ReplicaId::from_bytes(origin));
            [self.prefix().as_slice(), place.as_bytes()].concat()
        };
        let (start, end) = (bound([0; 16]), bound([0xff; 16]));
        let moved = Scan::range(Table::FoldIndex, &start, &end).limit(MOVED_MAX);
        for (key, position) in self.view.indexed(moved)? {
            let Some(place) = keys::place_of(&key) else { continue };
            let target = Target::at(self.view, position, place.origin(), true)?;
            if let Some(target) = target.filter(is_meant) {
                return Ok(Some(target));
            }
        }
        Ok(None)
    }

    /// Places and positions of the events under an idempotency key that may be taken back.
    pub(crate) fn twins(self, key: &str) -> Result<Vec<(Place, u64)>, StoreError> {
        let mut start = keys::key_prefix(self.root, key);
        keys::push_text(&mut start, self.id);
        let end = keys::after_prefix(&start).expect("the end mark of a text is no 0xff");
        let mut twins = Vec::new();
        for (key, position) in self.view.indexed(Scan::range(Table::Keys, &start, &end))? {
            let Some(place) = keys::place_of(&key) else { continue };
            let target = Target::at(self.view, position, place.origin(), false)?;
            if target.is_some_and(|target| target.can_be_voided(self.id)) {
                twins.push((place, position));
            }
        }
        Ok(twins)
    }
}
