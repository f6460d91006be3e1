//! Taking what is intact out of a damaged store.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::log::Found;
use super::{PROGRESS_ENTRIES, Region, VerifyReport, last_position, log, meta, tolerate};
use crate::chain::{ChainHash, RecordHash};
use crate::delta::{DeltaBuilder, Outgoing};
use crate::entry::Entry;
use crate::event::Record;
use crate::hlc::Hlc;
use crate::id::{ReplicaId, RootName};
use crate::limits::BATCH_EVENTS_MAX;
use crate::replica::open::read_heads;
use crate::shared::{Head, Names};
use crate::store::{Store, StoreError};

/// About how many bytes a page has.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// What was taken out of a damaged store, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Events that were taken out.
    pub events: u64,
    /// What was left behind, in the order of roots and origins.
    pub left_out: Vec<LeftOut>,
    /// Log entries of which nothing can be read, not even whose they are.
    pub unreadable: u64,
}

impl Salvaged {
    /// Whether nothing was left behind, as far as the store can tell.
    pub const fn is_whole(&self) -> bool {
        self.left_out.is_empty() && self.unreadable == 0
    }
}

/// Events of one origin in a root that were not taken out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// The root.
    pub root: RootName,
    /// Who wrote them.
    pub origin: ReplicaId,
    /// The first one: damaged, or missing.
    pub first_seq: u64,
    /// The last one that the store knows of.
    pub last_seq: u64,
}

/// Takes a page's bytes and the number of its events.
pub type TakePage<'t, E> = dyn FnMut(&[u8], usize) -> Result<(), E> + 't;

/// Takes every origin's events out of a store up to its first damaged one, as delta pages that any
/// replica merges. Trusts nothing but the log: an event goes out if its entry's checksum holds,
/// it follows on the one before it, and the chain proves both.
///
/// `is_wanted` chooses among the roots, `take` gets each page and its number of events, and
/// `progress` is told how many of how many log entries were looked at.
///
/// # Errors
/// What `take` says, and [`StoreError`] if the store cannot be read at all.
pub fn salvage<E: From<StoreError>>(
    store: &dyn Store,
    is_wanted: &dyn Fn(&RootName) -> bool,
    take: &mut TakePage<'_, E>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Salvaged, E> {
    let snapshot = store.snapshot()?;
    let snapshot = &*snapshot;
    let mut ignored = VerifyReport::default();
    let names = meta::known_names(snapshot)?;
    let heads = tolerate(read_heads(snapshot), Region::Heads, &mut ignored)?.unwrap_or_default();
    let last = tolerate(last_position(snapshot), Region::Log, &mut ignored)?.unwrap_or(0);
    let ends = heads.iter().map(|(place, head)| (*place, head.seq)).collect();
    let (tails, page) = (BTreeMap::new(), Page::default());
    let mut picker = Picker { names: &names, is_wanted, tails, ends, page };
    let mut salvaged = Salvaged::default();
    let mut failure = None;
    log::each(snapshot, &mut |position, found| {
        if position.is_multiple_of(PROGRESS_ENTRIES) {
            progress(position.min(last), last);
        }
        match found {
            Found::Entry(entry) => salvaged.events += u64::from(picker.pick(&entry).is_some()),
            Found::Damage(_) => salvaged.unreadable += 1,
        }
        if picker.page.is_full() {
            let (bytes, events) = picker.page.finish();
            failure = take(&bytes, events).err();
        }
        if failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(error) = failure {
        return Err(error);
    }
    if !picker.page.is_empty() {
        let (bytes, events) = picker.page.finish();
        take(&bytes, events)?;
    }
    salvaged.left_out = picker.left_out();
    progress(last, last);
    Ok(salvaged)
}

/// Chooses what is proven good.
struct Picker<'p> {
    names: &'p Names,
    is_wanted: &'p dyn Fn(&RootName) -> bool,
    /// The last event of an origin that was taken.
    tails: BTreeMap<(u32, u32), Head>,
    /// The last event of an origin that is known of.
    ends: BTreeMap<(u32, u32), u64>,
    page: Page,
}

impl Picker<'_> {
    /// Takes an entry if it is the next one of its origin, and proven good.
    fn pick(&mut self, entry: &Entry<'_>) -> Option<()> {
        let place = (entry.root, entry.origin);
        let end = self.ends.entry(place).or_insert(entry.seq);
        *end = entry.seq.max(*end);
        let root = self.names.root_name(entry.root)?;
        let origin = self.names.origin_id(entry.origin)?;
        if !(self.is_wanted)(root) {
            return None;
        }
        let tail = self.tails.get(&place).copied().unwrap_or_else(|| Head {
            seq: 0,
            chain: ChainHash::genesis(root, origin),
            recorded: Hlc::ZERO,
        });
        let chain = tail.chain.next(entry.recorded, RecordHash::of(entry.record));
        let follows = entry.seq == tail.seq + 1 && entry.recorded > tail.recorded;
        if !follows || chain != entry.chain || Record::decode(entry.record).is_err() {
            return None;
        }
        self.page.push(root, origin, tail.chain, entry);
        let head = Head { seq: entry.seq, chain, recorded: entry.recorded };
        self.tails.insert(place, head);
        Some(())
    }

    fn left_out(&self) -> Vec<LeftOut> {
        let left_out = self.ends.iter().filter_map(|(place, &last_seq)| {
            let root = self.names.root_name(place.0)?.clone();
            let first_seq = self.tails.get(place).map_or(1, |tail| tail.seq + 1);
            let is_left = first_seq <= last_seq && (self.is_wanted)(&root);
            let origin = self.names.origin_id(place.1)?;
            is_left.then_some(LeftOut { root, origin, first_seq, last_seq })
        });
        let mut left_out: Vec<LeftOut> = left_out.collect();
        left_out.sort_unstable();
        left_out
    }
}

/// A page that is being filled.
#[derive(Default)]
struct Page {
    builder: DeltaBuilder,
    runs: BTreeMap<(u32, u32), usize>,
}

impl Page {
    const fn is_empty(&self) -> bool {
        self.builder.event_count() == 0
    }

    const fn is_full(&self) -> bool {
        self.builder.event_count() == BATCH_EVENTS_MAX || self.builder.size_bytes() >= PAGE_BYTES
    }

    fn push(&mut self, root: &RootName, origin: ReplicaId, before: ChainHash, entry: &Entry<'_>) {
        let place = (entry.root, entry.origin);
        let start = || self.builder.start_run(root, origin, entry.seq, before);
        let run = *self.runs.entry(place).or_insert_with(start);
        let (seq, recorded, record) = (entry.seq, entry.recorded, entry.record);
        self.builder.push(run, Outgoing { origin, seq, recorded, record, chain: entry.chain });
    }

    fn finish(&mut self) -> (Vec<u8>, usize) {
        let Self { builder, .. } = std::mem::take(self);
        let events = builder.event_count();
        (builder.finish(), events)
    }
}
