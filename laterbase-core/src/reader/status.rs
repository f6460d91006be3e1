//! What a replica holds, in a few numbers.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{ReadError, Reader};
use crate::front::Front;
use crate::hlc::Hlc;
use crate::id::{ReplicaId, RootName};
use crate::keys;
use crate::maintenance::{aggregate_count, is_indexed};
use crate::shared::{Counters, Head, State};
use crate::store::{Scan, StoreError, Table};
use crate::version_vector::VersionVector;
use crate::view::View;

/// A replica at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The id that new events get.
    pub replica: ReplicaId,
    /// The storage engine's name.
    pub engine: &'static str,
    /// The roots that hold events, in the order of their names.
    pub roots: Vec<RootStatus>,
    /// Events that were kept although something about them is odd.
    pub counters: Counters,
    /// The greatest stamp given or accepted. Ahead of the wall clock, this clock or another was once
    /// wrong, and stamps go on from there.
    pub clock: Hlc,
}

impl Status {
    /// By how many whole seconds the next stamp is ahead of the wall clock, because a clock that was
    /// once wrong, here or at a peer that was believed, dragged it there.
    pub fn clock_ahead_seconds(&self, now_nanos: i64) -> u64 {
        let ahead = self.clock.to_unix_nanos().saturating_sub(now_nanos);
        u64::try_from(ahead).unwrap_or(0) / 1_000_000_000
    }
}

/// A root at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootStatus {
    /// Its name.
    pub name: RootName,
    /// How many events it holds.
    pub events: u64,
    /// How many aggregates they are of.
    pub aggregates: u64,
    /// How many of the events have data that no fold can read ([`Record::is_readable`]), and are
    /// left out of every state. They came by sync. What hooks refuse is not counted here, as it
    /// depends on the fold: [`super::AggregateState::refused_count`] has both.
    ///
    /// [`Record::is_readable`]: crate::event::Record::is_readable
    pub unreadable: u64,
    /// 64 hex digits, equal on two replicas exactly when they hold the same events of the root:
    /// BLAKE3 over origins, seqs and chains.
    pub digest: String,
    /// What is held.
    pub vv: VersionVector,
}

impl RootStatus {
    /// A root that holds no events.
    pub fn empty(name: RootName) -> Self {
        let (events, aggregates, unreadable) = (0, 0, 0);
        Self { name, events, aggregates, unreadable, digest: digest(&[]), vv: VersionVector::new() }
    }
}

impl Reader {
    /// What the replica holds. Costs a step per origin, and one per event that the derived
    /// tables lack.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn status(&self) -> Result<Status, ReadError> {
        self.shared.with_index(|| self.look_around())
    }

    fn look_around(&self) -> Result<Status, ReadError> {
        let steady = self.shared.steady();
        let (mut status, numbers, front, moment) = {
            let state = self.shared.state();
            let (roots, numbers) = roots(&state);
            let status = Status {
                replica: state.replica,
                engine: self.engine(),
                roots,
                counters: state.counters,
                clock: state.clock,
            };
            (status, numbers, state.front.clone(), (state.head, state.rewrites))
        };
        let view = View::of(&self.shared, moment, front.clone())?;
        drop(steady);
        for (root, number) in status.roots.iter_mut().zip(numbers) {
            root.aggregates = aggregate_count(view.snapshot(), number)?;
            root.aggregates += new_aggregates(&view, &front, number)?;
        }
        Ok(status)
    }
}

fn roots(state: &State) -> (Vec<RootStatus>, Vec<u32>) {
    let mut named: Vec<(u32, &RootName)> = state.names.roots().collect();
    named.sort_by_key(|(_, name)| *name);
    named
        .into_iter()
        .filter_map(|(number, name)| root_status(state, number, name).map(|root| (root, number)))
        .unzip()
}

fn root_status(state: &State, number: u32, name: &RootName) -> Option<RootStatus> {
    let mut heads: Vec<(ReplicaId, &Head)> = state
        .heads_of(number)
        .filter_map(|(origin, head)| Some((state.names.origin_id(origin)?, head)))
        .collect();
    heads.sort_by_key(|(origin, _)| *origin);
    let vv: VersionVector = heads.iter().map(|(origin, head)| (*origin, head.seq)).collect();
    (!heads.is_empty()).then(|| RootStatus {
        name: name.clone(),
        events: vv.event_count(),
        aggregates: 0,
        unreadable: state.unreadable.get(&number).copied().unwrap_or(0),
        digest: digest(&heads),
        vv,
    })
}

fn digest(heads: &[(ReplicaId, &Head)]) -> String {
    let mut hasher = blake3::Hasher::new();
    for (origin, head) in heads {
        hasher.update(origin.as_bytes());
        hasher.update(&head.seq.to_be_bytes());
        hasher.update(head.chain.as_bytes());
    }
    hasher.finalize().as_bytes().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Aggregates of a root that only the front knows.
fn new_aggregates(view: &View<'_>, front: &Front, root: u32) -> Result<u64, StoreError> {
    let start = keys::index_root(root);
    let end = keys::after_prefix(&start).unwrap_or_else(|| vec![0xff; 5]);
    let prefixes: BTreeSet<Vec<u8>> = front
        .range(Scan::range(Table::FoldIndex, &start, &end))
        .iter()
        .filter_map(|(key, _)| keys::index_prefix(key).map(<[u8]>::to_vec))
        .collect();
    let mut count = 0;
    for prefix in prefixes {
        count += u64::from(!is_indexed(view.snapshot(), &prefix)?);
    }
    Ok(count)
}
