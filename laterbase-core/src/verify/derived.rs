//! The derived tables, against the log.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::{Region, VerifyReport, tolerate};
use crate::event::Record;
use crate::keys::{self, Place};
use crate::maintenance::aggregate_count;
use crate::snapshot::{self, Rung};
use crate::store::{Scan, Snapshot, StoreError, Table};

/// What the derived tables must hold, as far as they say that they are built.
pub(super) struct Expected {
    built: u64,
    indexed: u64,
    keyed: u64,
    voids: u64,
    /// Whether the log has entries of which it is not known what they would add.
    is_partial: bool,
}

impl Expected {
    pub(super) fn read(
        snapshot: &dyn Snapshot,
        last: u64,
        report: &mut VerifyReport,
    ) -> Result<Self, StoreError> {
        let built = snapshot.get(Table::Progress, keys::BUILT);
        let built = tolerate(built, Region::Derived, report)?.flatten();
        let built = built.and_then(|bytes| keys::read_u64(&bytes)).unwrap_or(0);
        if built > last {
            let detail = format!("they are built to {built}, and the log ends at {last}");
            report.fault(Region::Derived, detail);
        }
        Ok(Self { built, indexed: 0, keyed: 0, voids: 0, is_partial: false })
    }

    /// Says that an event cannot be read whose entries may be there.
    pub(super) const fn skip(&mut self, position: u64) {
        self.is_partial |= position <= self.built;
    }

    /// Looks up the entries of one event.
    pub(super) fn expect(
        &mut self,
        snapshot: &dyn Snapshot,
        position: u64,
        root: u32,
        record: &Record<'_>,
        place: &Place,
        report: &mut VerifyReport,
    ) -> Result<(), StoreError> {
        if position > self.built {
            return Ok(());
        }
        let index = keys::index(root, record.aggregate_id, place);
        self.indexed += 1;
        look_up(snapshot, Table::FoldIndex, &index, position, report)?;
        if let Some(key) = record.idempotency_key {
            self.keyed += 1;
            let key = keys::keyed(root, key, record.aggregate_id, place);
            look_up(snapshot, Table::Keys, &key, position, report)?;
        }
        for void in record.voids.iter() {
            self.voids += 1;
            let mut key = Vec::new();
            keys::write_void(&mut key, root, record.aggregate_id, &void, place);
            look_up(snapshot, Table::Voids, &key, position, report)?;
        }
        Ok(())
    }

    /// Checks that there is nothing else, and that the counts are right.
    pub(super) fn finish(
        self,
        snapshot: &dyn Snapshot,
        report: &mut VerifyReport,
    ) -> Result<(), StoreError> {
        let read = self.count(snapshot);
        let Some((entries, counts)) = tolerate(read, Region::Derived, report)? else {
            return Ok(());
        };
        let due = [self.indexed, self.keyed, self.voids];
        if entries != due && !self.is_partial {
            let (more, most) = (entries.iter().sum::<u64>(), due.iter().sum::<u64>());
            let detail = format!("they hold {more} entries where {most} are due");
            report.fault(Region::Derived, detail);
        }
        for (root, count) in counts {
            let stored = tolerate(aggregate_count(snapshot, root), Region::Derived, report)?;
            if let Some(stored) = stored.filter(|stored| *stored != count) {
                let detail = format!("root {root} counts {stored} aggregates and has {count}");
                report.fault(Region::Derived, detail);
            }
        }
        check_snapshots(snapshot, report)
    }

    /// Entries of the fold index, the keys and the voids, and aggregates of each root.
    fn count(&self, snapshot: &dyn Snapshot) -> Result<([u64; 3], Counts), StoreError> {
        let mut indexed = 0;
        let mut counts = Counts::new();
        let mut last_prefix = Vec::new();
        snapshot.scan(Scan::all(Table::FoldIndex), &mut |key, value| {
            indexed += u64::from(keys::read_u64(value).is_some_and(|at| at <= self.built));
            let prefix = keys::index_prefix(key).unwrap_or_default();
            if prefix != last_prefix {
                last_prefix = prefix.to_vec();
                *counts.entry(keys::number_at(key, 0).unwrap_or(u32::MAX)).or_insert(0) += 1;
            }
            ControlFlow::Continue(())
        })?;
        let mut entries = [indexed, 0, 0];
        for (table, count) in [Table::Keys, Table::Voids].into_iter().zip(&mut entries[1..]) {
            snapshot.scan(Scan::all(table), &mut |_, value| {
                *count += u64::from(keys::read_u64(value).is_some_and(|at| at <= self.built));
                ControlFlow::Continue(())
            })?;
        }
        Ok((entries, counts))
    }
}

/// Checks that every snapshot can be read. Readers pass over one that cannot, if the engine lets
/// them.
fn check_snapshots(snapshot: &dyn Snapshot, report: &mut VerifyReport) -> Result<(), StoreError> {
    let mut damaged = 0;
    let scanned = snapshot.scan(Scan::all(Table::Snapshots), &mut |key, value| {
        let is_sound = Rung::of_key(key).is_some() && snapshot::Snapshot::decode(value).is_ok();
        damaged += u64::from(!is_sound);
        ControlFlow::Continue(())
    });
    if damaged > 0 {
        report.fault(Region::Derived, format!("{damaged} snapshots cannot be read"));
    }
    tolerate(scanned, Region::Derived, report).map(drop)
}

/// Root number → how many aggregates it has.
type Counts = BTreeMap<u32, u64>;

fn look_up(
    snapshot: &dyn Snapshot,
    table: Table,
    key: &[u8],
    position: u64,
    report: &mut VerifyReport,
) -> Result<(), StoreError> {
    let read = snapshot.get(table, key);
    let Some(value) = tolerate(read, Region::Derived, report)? else { return Ok(()) };
    if value.and_then(|bytes| keys::read_u64(&bytes)) != Some(position) {
        let table = table.name();
        let detail = format!("log position {position} is not in the table {table}");
        report.fault(Region::Derived, detail);
    }
    Ok(())
}
