//! Checking a store against itself: the log against the chains, everything else against the log.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

use crate::chain::{ChainHash, RecordHash};
use crate::entry::{Entry, next_history};
use crate::event::Record;
use crate::keys::{self, Place};
use crate::replica::open::{read_heads, read_names, read_unreadable};
use crate::shared::{Head, Names};
use crate::store::{Scan, Snapshot, Store, StoreError, Table};
use crate::turns::Turns;

use log::Found;

mod derived;
mod log;
mod meta;
mod quarantine;
mod repair;
mod runs;
mod salvage;

pub use repair::rebuild_derived;
pub use salvage::{LeftOut, Salvaged, TakePage, salvage};

/// Faults that a report lists; the rest is only counted.
const FAULTS_LISTED_MAX: usize = 100;

/// Log entries between two calls of a progress function.
const PROGRESS_ENTRIES: u64 = 4_096;

/// A part of the store that can be at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Region {
    /// The engine's own files.
    Files,
    /// Identity, clock and counters.
    Meta,
    /// The names of roots and origins.
    Names,
    /// The log's entries.
    Log,
    /// The last event of each origin.
    Heads,
    /// Where each origin's events lie in the log.
    Runs,
    /// What is remembered of peers.
    Peers,
    /// The other branches of forks.
    Quarantine,
    /// Fold index, idempotency keys, their counts, and snapshots. They can be built anew.
    Derived,
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Files => "files",
            Self::Meta => "meta",
            Self::Names => "names",
            Self::Log => "log",
            Self::Heads => "heads",
            Self::Runs => "runs",
            Self::Peers => "peers",
            Self::Quarantine => "quarantine",
            Self::Derived => "derived tables",
        })
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub region: Region,
    /// Where in there, and what.
    pub detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.region, self.detail)
    }
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Log entries that were read.
    pub events: u64,
    /// How many faults there are.
    pub fault_count: u64,
    /// How many of them are in the derived tables, which [`rebuild_derived`] mends.
    pub derived_fault_count: u64,
    /// The first hundred of them.
    pub faults: Vec<Fault>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub const fn is_sound(&self) -> bool {
        self.fault_count == 0
    }

    /// Whether nothing is wrong that cannot be built anew.
    pub const fn is_truth_sound(&self) -> bool {
        self.fault_count == self.derived_fault_count
    }

    /// Adds a fault: for what a backend finds in files of its own.
    pub fn fault(&mut self, region: Region, detail: String) {
        self.fault_count += 1;
        self.derived_fault_count += u64::from(region == Region::Derived);
        if self.faults.len() < FAULTS_LISTED_MAX {
            self.faults.push(Fault { region, detail });
        }
    }
}

/// Gives what was read, or nothing if it is damaged, which is a fault of its region then.
fn tolerate<T>(
    read: Result<T, StoreError>,
    region: Region,
    report: &mut VerifyReport,
) -> Result<Option<T>, StoreError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Corrupt { detail }) => {
            report.fault(region, detail);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Checks every invariant that can be checked on disk: that the log has no gap and no damaged
/// entry, that its arrival times, history digest, seqs, stamps and chains add up, that heads and
/// runs say the same as the log, that what is in quarantine is what its chains say, and that the
/// derived tables hold exactly what the log says.
///
/// `progress` is told how many of how many log entries have been read. Reads the whole store
/// once, and looks up each event's index entries.
///
/// # Errors
/// [`StoreError`] if the store cannot be read on for another reason than damage; what is damaged
/// is in the report instead.
pub fn verify(
    store: &dyn Store,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<VerifyReport, StoreError> {
    let snapshot = store.snapshot()?;
    let snapshot = &*snapshot;
    let mut report = VerifyReport::default();
    tolerate(meta::check(snapshot), Region::Meta, &mut report)?;
    let names = tolerate(read_names(snapshot), Region::Names, &mut report)?;
    // Damage to one name is no reason to distrust the others.
    let names = names.map_or_else(|| meta::known_names(snapshot), Ok)?;
    let heads = tolerate(read_heads(snapshot), Region::Heads, &mut report)?.unwrap_or_default();
    let last = tolerate(last_position(snapshot), Region::Log, &mut report)?.unwrap_or(0);
    let turns = tolerate(Turns::read(snapshot), Region::Meta, &mut report)?.unwrap_or_default();
    if turns.iter().any(|turn| turn.position > last) {
        report.fault(Region::Meta, "a turn of the clock lies behind the log's end".to_owned());
    }
    let derived = derived::Expected::read(snapshot, last, &mut report)?;
    let mut walk = Walk {
        names: &names,
        derived,
        tails: BTreeMap::new(),
        unreadable: BTreeMap::new(),
        is_damaged: false,
        history: Some(0),
        arrived: None,
        turns: &turns,
        report: &mut report,
    };
    let mut failure = None;
    log::each(snapshot, &mut |position, found| {
        if position.is_multiple_of(PROGRESS_ENTRIES) {
            progress(position.min(last), last);
        }
        failure = walk.take(snapshot, position, found).err();
        if failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(error) = failure {
        return Err(error);
    }
    let Walk { derived, tails, unreadable, is_damaged, .. } = walk;
    if !is_damaged {
        check_unreadable(snapshot, &unreadable, &mut report)?;
    }
    check_heads(&names, &heads, &tails, &mut report);
    runs::check(snapshot, &names, &heads, &mut report)?;
    quarantine::check(snapshot, &names, &mut report)?;
    // What is remembered means something to the shells only; that it can be read is all there is.
    let remembered = snapshot.scan(Scan::all(Table::Peers), &mut |_, _| ControlFlow::Continue(()));
    tolerate(remembered, Region::Peers, &mut report)?;
    derived.finish(snapshot, &mut report)?;
    progress(last, last);
    Ok(report)
}

/// Whether bytes are a log entry whose checksum holds: for a backend that looks for what is left
/// of its files.
pub fn is_log_entry(bytes: &[u8]) -> bool {
    Entry::decode(bytes).is_ok()
}

pub(crate) fn last_position(snapshot: &dyn Snapshot) -> Result<u64, StoreError> {
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
    /// Root → how many of its events have data that cannot be read.
    unreadable: BTreeMap<u32, u64>,
    /// Whether an entry or a record cannot be read.
    is_damaged: bool,
    /// The digest up to here; nothing behind an entry that cannot be read.
    history: Option<u64>,
    /// When the entry before arrived; nothing behind one that cannot be read.
    arrived: Option<i64>,
    turns: &'w Turns,
    report: &'w mut VerifyReport,
}

impl Walk<'_> {
    fn take(
        &mut self,
        snapshot: &dyn Snapshot,
        position: u64,
        found: Found<'_>,
    ) -> Result<(), StoreError> {
        match found {
            Found::Entry(entry) => self.entry(snapshot, position, &entry),
            Found::Damage(damage) => {
                self.fault(position, &damage);
                (self.history, self.arrived) = (None, None);
                self.is_damaged = true;
                self.derived.skip(position);
                Ok(())
            }
        }
    }

    fn fault(&mut self, position: u64, detail: &dyn fmt::Display) {
        self.report.fault(Region::Log, format!("position {position}: {detail}"));
    }

    fn entry(
        &mut self,
        snapshot: &dyn Snapshot,
        position: u64,
        entry: &Entry<'_>,
    ) -> Result<(), StoreError> {
        self.report.events += 1;
        self.check_order(position, entry);
        let (Some(root), Some(origin)) =
            (self.names.root_name(entry.root), self.names.origin_id(entry.origin))
        else {
            self.fault(position, &"its root or origin has no name");
            self.is_damaged = true;
            self.derived.skip(position);
            return Ok(());
        };
        let tail = self.tails.get(&(entry.root, entry.origin)).copied();
        let tail = tail.unwrap_or_else(|| Head {
            seq: 0,
            chain: ChainHash::genesis(root, origin),
            recorded: crate::hlc::Hlc::ZERO,
        });
        self.check_chain(position, entry, &tail);
        let head = Head { seq: entry.seq, chain: entry.chain, recorded: entry.recorded };
        self.tails.insert((entry.root, entry.origin), head);
        match Record::decode(entry.record) {
            Ok(record) => {
                if !record.is_readable() {
                    *self.unreadable.entry(entry.root).or_default() += 1;
                }
                let place = Place::new(record.kept_occurred(), entry.recorded, origin);
                self.derived.expect(snapshot, position, entry.root, &record, &place, self.report)
            }
            Err(error) => {
                self.fault(position, &format_args!("its record: {error}"));
                self.is_damaged = true;
                self.derived.skip(position);
                Ok(())
            }
        }
    }

    fn check_order(&mut self, position: u64, entry: &Entry<'_>) {
        let turn = self.arrived.map(|before| entry.arrived < before);
        let expected = turn.map(|is_turn| is_turn.then_some(entry.arrived));
        if expected.is_some_and(|turn| turn != self.turns.at(position)) {
            let detail = "the store does not say rightly whether the clock went back here";
            self.report.fault(Region::Meta, format!("position {position}: {detail}"));
        }
        let history = self.history.map(|before| next_history(before, entry.chain));
        if history.is_some_and(|history| history != entry.history) {
            self.fault(position, &"the log's digest is broken");
        }
        (self.arrived, self.history) = (Some(entry.arrived), Some(entry.history));
    }

    fn check_chain(&mut self, position: u64, entry: &Entry<'_>, tail: &Head) {
        if entry.seq != tail.seq + 1 {
            let (found, expected) = (entry.seq, tail.seq + 1);
            self.fault(position, &format_args!("seq {found} where {expected} is due"));
        } else if tail.chain.next(entry.recorded, RecordHash::of(entry.record)) != entry.chain {
            self.fault(position, &"the origin's chain is broken");
        }
        if entry.recorded <= tail.recorded {
            self.fault(position, &"its stamp does not rise");
        }
    }
}

fn check_unreadable(
    snapshot: &dyn Snapshot,
    expected: &BTreeMap<u32, u64>,
    report: &mut VerifyReport,
) -> Result<(), StoreError> {
    let counts = tolerate(read_unreadable(snapshot), Region::Meta, report)?;
    let Some(mut counts) = counts else { return Ok(()) };
    counts.retain(|_, count| *count > 0);
    if counts != *expected {
        let detail = format!("{counts:?} events cannot be read by root, the log has {expected:?}");
        report.fault(Region::Meta, detail);
    }
    Ok(())
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
            report.fault(Region::Heads, format!("{place}: the head says otherwise than the log"));
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
