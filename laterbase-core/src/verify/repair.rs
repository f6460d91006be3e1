//! Building the derived tables anew from the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::last_position;
use crate::fold::Folds;
use crate::fork::Forks;
use crate::front::Front;
use crate::hlc::Hlc;
use crate::id::ReplicaId;
use crate::keys;
use crate::maintenance::rebuild_whole;
use crate::replica::open::read_names;
use crate::shared::{Counters, Shared, State};
use crate::store::{Store, StoreError, Table};
use crate::turns::Turns;

/// Log entries that are written into the tables at once.
const EVENTS_FLUSH: usize = 64 * 1024;

/// Empties the derived tables and builds them anew from the log: `fold_index`, `keys` and
/// `progress` are then what they would be had nothing ever gone wrong. Snapshots are left out;
/// reads leave new ones.
///
/// The log must be sound, which [`super::verify`] tells: behind a damaged entry nothing can be
/// built, and a store whose tables end there does not open. What is built when this is cut short
/// is good, and opening the store goes on from there. Nobody else may have the store open.
///
/// `progress` is told how many of how many log entries are in the tables.
///
/// # Errors
/// [`StoreError`]. The truth is as it was.
pub fn rebuild_derived(
    store: Arc<dyn Store>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), StoreError> {
    let writer = store.writer().clone();
    let _lease = writer.lend()?;
    let (names, head, rewrites) = {
        let snapshot = store.snapshot()?;
        let rewrites = snapshot.get(Table::Meta, keys::REWRITES)?;
        let rewrites = rewrites.and_then(|bytes| keys::read_u64(&bytes)).unwrap_or(0);
        (read_names(&*snapshot)?, last_position(&*snapshot)?, rewrites)
    };
    // Only what it takes to index the log. Nobody writes or reads through this state.
    let state = State {
        replica: ReplicaId::from_bytes([0; 16]),
        former: Vec::new(),
        epoch: 0,
        head,
        history: 0,
        arrived: i64::MIN,
        turns: Turns::default(),
        clock: Hlc::ZERO,
        names,
        heads: BTreeMap::new(),
        by_id: BTreeMap::new(),
        renewals: Vec::new(),
        front: Front::default(),
        unreadable: BTreeMap::new(),
        counters: Counters::default(),
        forks: Forks::new(),
        generation: 0,
        rewrites,
        unbuilt: None,
    };
    let shared = Shared::new(store, Arc::new(Folds::new()), state, 0, usize::MAX);
    rebuild_whole(&shared, EVENTS_FLUSH, progress)
}
