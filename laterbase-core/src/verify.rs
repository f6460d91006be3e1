//! Checking a store against itself: the log against the chains, everything else against the log.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::chain::{ChainHash, RecordHash};
use crate::entry::{Entry, next_history};
use crate::event::Record;
use crate::keys::{self, Place};
use crate::replica::open::{read_heads, read_names};
use crate::shared::{Head, Names};
use crate::store::{Area, Batch, Scan, Snapshot, Store, StoreError, Table};

mod derived;
mod runs;

/// Faults that a report lists; the rest is only counted.
const FAULTS_LISTED_MAX: usize = 100;

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Log entries that were read.
    pub events: u64,
    /// How many faults there are.
    pub fault_count: u64,
    /// The first hundred of them, each as a sentence that names where it is.
    pub faults: Vec<String>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub const fn is_sound(&self) -> bool {
        self.fault_count == 0
    }

    fn fault(&mut self, text: String) {
        self.fault_count += 1;
        if self.faults.len() < FAULTS_LISTED_MAX {
            self.faults.push(text);
        }
    }
}

/// Checks every invariant that can be checked on disk: that the log has no gap and no damaged
/// entry, that its arrival times, history digest, seqs, stamps and chains add up, that heads and
/// runs say the same as the log, and that the derived tables hold exactly what the log says.
///
/// `progress` is told how many of how many log entries have been read. Reads the whole store
/// once, and looks up each event's index entries.
///
/// # Errors
/// [`StoreError`] if the store cannot be read on; what is wrong in what can be read is in the
/// report instead.
pub fn verify(
    store: &dyn Store,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<VerifyReport, StoreError> {
    let snapshot = store.snapshot()?;
    let snapshot = &*snapshot;
    let mut report = VerifyReport::default();
    let names = read_names(snapshot)?;
    let heads = read_heads(snapshot)?;
    let last = last_position(snapshot)?;
    let derived = derived::Expected::read(snapshot, last, &mut report)?;
    let mut walk = Walk {
        names: &names,
        derived,
        tails: BTreeMap::new(),
        position: 0,
        history: 0,
        arrived: i64::MIN,
        report: &mut report,
    };
    let mut failure = None;
    snapshot.scan(Scan::all(Table::Log), &mut |key, value| {
        let Some(position) = keys::read_u64(key) else {
            walk.report.fault("a log key is no position".to_owned());
            return ControlFlow::Continue(());
        };
        if position % 4_096 == 0 {
            progress(position, last);
        }
        match walk.entry(snapshot, position, value) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failure {
        return Err(error);
    }
    let Walk { derived, tails, .. } = walk;
    check_heads(&names, &heads, &tails, &mut report);
    runs::check(snapshot, &names, &heads, &mut report)?;
    derived.finish(snapshot, &mut report)?;
    progress(last, last);
    Ok(report)
}

/// Empties the derived tables, so that the next [`crate::replica::Replica::open`] builds them
/// anew from the log.
///
/// # Errors
/// [`StoreError`]; the tables are as they were.
pub fn discard_derived(store: &dyn Store) -> Result<(), StoreError> {
    let mut batch = Batch::new(Area::Derived);
    for table in Table::ALL.into_iter().filter(|table| table.area() == Area::Derived) {
        batch.clear(table);
    }
    store.commit(&batch)
}

fn last_position(snapshot: &dyn Snapshot) -> Result<u64, StoreError> {
    let mut last = 0;
    snapshot.scan(Scan::all(Table::Log).backward().limit(1), &mut |key, _| {
        last = keys::read_u64(key).unwrap_or(0);
        ControlFlow::Break(())
    })?;
    Ok(last)
}

/// A walk along the log.
struct Walk<'w> {
    names: &'w Names,
    derived: derived::Expected,
    /// (root, origin) → the last event met.
    tails: BTreeMap<(u32, u32), Head>,
    position: u64,
    history: u64,
    arrived: i64,
    report: &'w mut VerifyReport,
}

impl Walk<'_> {
    fn entry(
        &mut self,
        snapshot: &dyn Snapshot,
        position: u64,
        value: &[u8],
    ) -> Result<(), StoreError> {
        if position != self.position + 1 {
            let expected = self.position + 1;
            self.report.fault(format!("log position {expected} is missing"));
        }
        self.position = position;
        self.report.events += 1;
        let entry = match Entry::decode(value) {
            Ok(entry) => entry,
            Err(error) => {
                self.report.fault(format!("log position {position}: {error}"));
                return Ok(());
            }
        };
        self.check_order(position, &entry);
        let (Some(root), Some(origin)) =
            (self.names.root_name(entry.root), self.names.origin_id(entry.origin))
        else {
            self.report.fault(format!("log position {position}: its root or origin has no name"));
            return Ok(());
        };
        let tail = self.tails.get(&(entry.root, entry.origin)).copied();
        let tail = tail.unwrap_or_else(|| Head {
            seq: 0,
            chain: ChainHash::genesis(root, origin),
            recorded: crate::hlc::Hlc::ZERO,
        });
        self.check_chain(position, &entry, &tail);
        let head = Head { seq: entry.seq, chain: entry.chain, recorded: entry.recorded };
        self.tails.insert((entry.root, entry.origin), head);
        match Record::decode(entry.record) {
            Ok(record) => {
                let occurred = record.occurred.unwrap_or_else(|| entry.recorded.to_unix_nanos());
                let place = Place::new(occurred, entry.recorded, origin);
                self.derived.expect(snapshot, position, entry.root, &record, &place, self.report)
            }
            Err(error) => {
                self.report.fault(format!("log position {position}: its record: {error}"));
                Ok(())
            }
        }
    }

    fn check_order(&mut self, position: u64, entry: &Entry<'_>) {
        if entry.arrived < self.arrived {
            self.report.fault(format!("log position {position}: it arrived before the last one"));
        }
        if entry.history != next_history(self.history, entry.chain) {
            self.report.fault(format!("log position {position}: the log's digest is broken"));
        }
        (self.arrived, self.history) = (entry.arrived, entry.history);
    }

    fn check_chain(&mut self, position: u64, entry: &Entry<'_>, tail: &Head) {
        if entry.seq != tail.seq + 1 {
            let (found, expected) = (entry.seq, tail.seq + 1);
            self.report
                .fault(format!("log position {position}: seq {found} where {expected} is due"));
        } else if tail.chain.next(entry.recorded, RecordHash::of(entry.record)) != entry.chain {
            self.report.fault(format!("log position {position}: the origin's chain is broken"));
        }
        if entry.recorded <= tail.recorded {
            self.report.fault(format!("log position {position}: its stamp does not rise"));
        }
    }
}

fn check_heads(
    names: &Names,
    heads: &BTreeMap<(u32, u32), Head>,
    tails: &BTreeMap<(u32, u32), Head>,
    report: &mut VerifyReport,
) {
    for key in heads.keys().chain(tails.keys().filter(|key| !heads.contains_key(*key))) {
        if heads.get(key) != tails.get(key) {
            let place = describe(names, *key);
            report.fault(format!("{place}: the head says otherwise than the log"));
        }
    }
}

fn describe(names: &Names, (root, origin): (u32, u32)) -> String {
    let root = names.root_name(root).map_or_else(|| format!("root {root}"), ToString::to_string);
    let origin =
        names.origin_id(origin).map_or_else(|| format!("origin {origin}"), |id| id.to_string());
    format!("{origin} in {root}")
}

#[cfg(test)]
mod tests;
