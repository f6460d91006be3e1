//! The derived tables, against the log.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::VerifyReport;
use crate::event::Record;
use crate::keys::{self, Place};
use crate::maintenance::aggregate_count;
use crate::store::{Scan, Snapshot, StoreError, Table};

/// What the derived tables must hold, as far as they say that they are built.
pub(super) struct Expected {
    built: u64,
    indexed: u64,
    keyed: u64,
}

impl Expected {
    pub(super) fn read(
        snapshot: &dyn Snapshot,
        last: u64,
        report: &mut VerifyReport,
    ) -> Result<Self, StoreError> {
        let built = snapshot.get(Table::Progress, keys::BUILT)?;
        let built = built.and_then(|bytes| keys::read_u64(&bytes)).unwrap_or(0);
        if built > last {
            report
                .fault(format!("the derived tables are built to {built}, the log ends at {last}"));
        }
        Ok(Self { built, indexed: 0, keyed: 0 })
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
        Ok(())
    }

    /// Checks that there is nothing else, and that the counts are right.
    pub(super) fn finish(
        self,
        snapshot: &dyn Snapshot,
        report: &mut VerifyReport,
    ) -> Result<(), StoreError> {
        let mut indexed = 0;
        let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
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
        let mut keyed = 0;
        snapshot.scan(Scan::all(Table::Keys), &mut |_, value| {
            keyed += u64::from(keys::read_u64(value).is_some_and(|at| at <= self.built));
            ControlFlow::Continue(())
        })?;
        if (indexed, keyed) != (self.indexed, self.keyed) {
            let (more, most) = (indexed + keyed, self.indexed + self.keyed);
            report.fault(format!("the derived tables hold {more} entries where {most} are due"));
        }
        for (root, count) in counts {
            let stored = aggregate_count(snapshot, root)?;
            if stored != count {
                report.fault(format!("root {root} counts {stored} aggregates and has {count}"));
            }
        }
        Ok(())
    }
}

fn look_up(
    snapshot: &dyn Snapshot,
    table: Table,
    key: &[u8],
    position: u64,
    report: &mut VerifyReport,
) -> Result<(), StoreError> {
    let found = snapshot.get(table, key)?.and_then(|bytes| keys::read_u64(&bytes));
    if found != Some(position) {
        let table = table.name();
        report.fault(format!("log position {position} is not in the table {table}"));
    }
    Ok(())
}
