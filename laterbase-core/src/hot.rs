//! Aggregates that were read lately, as they were read.
//!
//! A state is right as long as no event of its aggregate has arrived since. The writer notes the
//! arrival position of every event in a slot that the aggregate's hash picks, before the event
//! can be seen; a state that was folded at or behind its slot's position is current. Two
//! aggregates may share a slot: then one makes the other's state be folded again, and never the
//! other way round.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::reader::AggregateState;

/// Slots for the positions of the newest events.
const SLOTS: usize = 1 << 15;

/// A fixed hasher: core takes no randomness that it is not given.
type States = HashMap<Box<[u8]>, Arc<Hot>, BuildHasherDefault<DefaultHasher>>;

/// A state, and the last arrival position that it has seen.
#[derive(Debug)]
struct Hot {
    state: AggregateState,
    position: u64,
}

/// The states of lately read aggregates, by the prefixes of their ladders.
#[derive(Debug)]
pub(crate) struct HotStates {
    /// Invariant: no smaller than the position of any visible event of an aggregate of the slot.
    touched: Box<[AtomicU64]>,
    /// Bytes of states in one of the two generations.
    generation_bytes_max: usize,
    /// The number of the log that the states are of.
    rewrites: AtomicU64,
    generations: RwLock<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: States,
    young_bytes: usize,
    old: States,
}

impl HotStates {
    /// Keeps about so many bytes of states.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let touched = (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
        Self {
            touched,
            generation_bytes_max: bytes_max / 2,
            rewrites: AtomicU64::new(0),
            generations: RwLock::default(),
        }
    }

    /// Forgets every state, and takes in only those of the log with this number from now on.
    pub(crate) fn restart(&self, head: u64, rewrites: u64) {
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        *generations = Generations::default();
        self.rewrites.store(rewrites, Ordering::Release);
        for slot in &self.touched {
            slot.store(head, Ordering::Release);
        }
    }

    /// Notes that an event of an aggregate is about to be seen.
    pub(crate) fn touch(&self, aggregate: &[u8], position: u64) {
        self.slot(aggregate).fetch_max(position, Ordering::Release);
    }

    /// Whether no event of an aggregate is to be seen that arrived behind a position.
    pub(crate) fn is_untouched(&self, aggregate: &[u8], position: u64) -> bool {
        self.slot(aggregate).load(Ordering::Acquire) <= position
    }

    /// The state that a ladder's aggregate has now, if it is known.
    pub(crate) fn get(&self, aggregate: &[u8], ladder: &[u8]) -> Option<AggregateState> {
        let touched = self.slot(aggregate).load(Ordering::Acquire);
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        let hot = generations.young.get(ladder).or_else(|| generations.old.get(ladder))?;
        let hot = Arc::clone(hot);
        drop(generations);
        (touched <= hot.position).then(|| hot.state.clone())
    }

    /// Keeps a state that was folded from everything up to a position of the log with this number.
    pub(crate) fn put(&self, ladder: &[u8], state: &AggregateState, position: u64, rewrites: u64) {
        let bytes = state.state.len() + ladder.len() + 256;
        if bytes > self.generation_bytes_max / 8 {
            return;
        }
        let hot = Arc::new(Hot { state: state.clone(), position });
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        if self.rewrites.load(Ordering::Acquire) != rewrites {
            return;
        }
        generations.young.insert(ladder.into(), hot);
        generations.young_bytes += bytes;
        if generations.young_bytes > self.generation_bytes_max {
            generations.old = std::mem::take(&mut generations.young);
            generations.young_bytes = 0;
        }
    }

    fn slot(&self, aggregate: &[u8]) -> &AtomicU64 {
        &self.touched[crc32fast::hash(aggregate) as usize % SLOTS]
    }
}
