//! The other branches of forks, against their chains.

use std::ops::ControlFlow;

use super::{Region, VerifyReport, describe, tolerate};
use crate::chain::RecordHash;
use crate::event::Record;
use crate::fork::Quarantined;
use crate::keys;
use crate::shared::Names;
use crate::store::{Scan, Snapshot, StoreError, Table};

/// Checks that every event in quarantine can be read, and is the one that its chain and its key
/// are of.
pub(super) fn check(
    snapshot: &dyn Snapshot,
    names: &Names,
    report: &mut VerifyReport,
) -> Result<(), StoreError> {
    let scanned = snapshot.scan(Scan::all(Table::Quarantine), &mut |key, value| {
        let numbers = keys::number_at(key, 0).zip(keys::number_at(key, 4));
        let seq = key.get(8..16).and_then(keys::read_u64);
        let event = seq.and_then(|seq| Quarantined::decode(seq, value));
        let (Some(numbers), Some(event)) = (numbers, event) else {
            report.fault(Region::Quarantine, "an event has the wrong form".to_owned());
            return ControlFlow::Continue(());
        };
        let chain = event.before.next(event.recorded, RecordHash::of(event.record));
        let is_sound = chain == event.chain
            && key == event.key(numbers.0, numbers.1)
            && Record::decode(event.record).is_ok();
        if !is_sound {
            let (place, seq) = (describe(names, numbers), event.seq);
            report.fault(Region::Quarantine, format!("{place}: {seq} is another event"));
        }
        ControlFlow::Continue(())
    });
    tolerate(scanned, Region::Quarantine, report).map(drop)
}
