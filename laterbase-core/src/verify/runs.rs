//! The runs, against heads and log.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::{Region, VerifyReport, describe, tolerate};
use crate::entry::Entry;
use crate::keys;
use crate::shared::{Head, Names};
use crate::store::{Scan, Snapshot, StoreError, Table};
use crate::view::read_run;

/// Checks that the runs of every origin cover its seqs once, and lead to its events.
pub(super) fn check(
    snapshot: &dyn Snapshot,
    names: &Names,
    heads: &BTreeMap<(u32, u32), Head>,
    report: &mut VerifyReport,
) -> Result<(), StoreError> {
    let mut covered: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    let mut failure = None;
    let scanned = snapshot.scan(Scan::all(Table::Runs), &mut |key, value| {
        let numbers = keys::number_at(key, 0).zip(keys::number_at(key, 4));
        let (Some(numbers), Some(run)) = (numbers, read_run(key, value)) else {
            report.fault(Region::Runs, "a run has the wrong form".to_owned());
            return ControlFlow::Continue(());
        };
        match check_run(snapshot, names, numbers, run, &mut covered, report) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    if let Some(error) = failure {
        return Err(error);
    }
    if tolerate(scanned, Region::Runs, report)?.is_none() {
        return Ok(());
    }
    for (key, head) in heads {
        let covered = covered.get(key).copied().unwrap_or(0);
        if covered != head.seq {
            let place = describe(names, *key);
            report.fault(
                Region::Runs,
                format!("{place}: the runs end at {covered} and not at {}", head.seq),
            );
        }
    }
    Ok(())
}

fn check_run(
    snapshot: &dyn Snapshot,
    names: &Names,
    numbers: (u32, u32),
    (first_seq, position, length): (u64, u64, u64),
    covered: &mut BTreeMap<(u32, u32), u64>,
    report: &mut VerifyReport,
) -> Result<(), StoreError> {
    let place = describe(names, numbers);
    let covered = covered.entry(numbers).or_insert(0);
    if length == 0 || first_seq != *covered + 1 {
        report.fault(Region::Runs, format!("{place}: a run starts at {first_seq} after {covered}"));
    }
    let Some(last_offset) = length.checked_sub(1) else { return Ok(()) };
    *covered = first_seq.saturating_add(last_offset);
    for offset in [0, last_offset] {
        let at = position.saturating_add(offset);
        let seq = first_seq.saturating_add(offset);
        let found = tolerate(snapshot.get(Table::Log, &keys::position(at)), Region::Runs, report)?;
        let Some(found) = found else { continue };
        let leads_there = found.is_some_and(|bytes| {
            Entry::decode(&bytes)
                .is_ok_and(|entry| (entry.root, entry.origin) == numbers && entry.seq == seq)
        });
        if !leads_there {
            report.fault(
                Region::Runs,
                format!("{place}: the run of {seq} leads to log position {at}"),
            );
        }
    }
    Ok(())
}
