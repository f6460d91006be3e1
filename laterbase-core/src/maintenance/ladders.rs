//! Snapshots in the store: keeping new ones, and taking away what is wrong or of no use.

use std::ops::ControlFlow;

use crate::flushed::Flushed;
use crate::id::RootName;
use crate::keys;
use crate::shared::Shared;
use crate::snapshot::{Candidate, Rung, UnstoredLadder, kept_rungs};
use crate::store::{Batch, Scan, Snapshot, StoreError, Table};

/// Snapshots that one flush looks at for those of folds that are no more.
const SWEEP_KEYS: usize = 1_000;

/// Takes away every snapshot that an event of the layer makes wrong, and no other: those of its
/// aggregate at or behind its place that had not seen it.
pub(super) fn invalidate(
    snapshot: &dyn Snapshot,
    layer: &Flushed,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    let mut next_kept: Option<Vec<u8>> = Some(Vec::new());
    let mut last_prefix: &[u8] = &[];
    for (table, key, _) in layer.layer().entries() {
        let prefix = keys::index_prefix(key).filter(|_| table == Table::FoldIndex);
        let Some(prefix) = prefix.filter(|prefix| *prefix != last_prefix) else { continue };
        last_prefix = prefix;
        // Leapfrog: aggregates before the next one with snapshots are passed over unread.
        let Some(next) = &next_kept else { return Ok(()) };
        if !next.starts_with(prefix) {
            if next.as_slice() > prefix {
                continue;
            }
            next_kept = first_key_from(snapshot, prefix)?;
            if !next_kept.as_ref().is_some_and(|next| next.starts_with(prefix)) {
                continue;
            }
        }
        let overtaking = layer.overtaking(prefix);
        for key in rung_keys(snapshot, prefix)? {
            let stale = Rung::of_key(&key).is_none_or(|rung| overtaking.hits(&rung));
            if stale {
                batch.delete(Table::Snapshots, &key);
            }
        }
    }
    Ok(())
}

fn first_key_from(snapshot: &dyn Snapshot, start: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let mut found = None;
    let scan = Scan { start, limit: 1, ..Scan::all(Table::Snapshots) };
    snapshot.scan(scan, &mut |key, _| {
        found = Some(key.to_vec());
        ControlFlow::Break(())
    })?;
    Ok(found)
}

fn rung_keys(snapshot: &dyn Snapshot, prefix: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
    let end = keys::after_prefix(prefix);
    let scan = Scan { start: prefix, end: end.as_deref(), ..Scan::all(Table::Snapshots) };
    let mut found = Vec::new();
    snapshot.scan(scan, &mut |key, _| {
        found.push(key.to_vec());
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// Adds the snapshots that reads have left, and thins their ladders. None of the new ones is
/// overtaken by the layer. Says how many of them are added.
pub(super) fn keep(
    snapshot: &dyn Snapshot,
    ladders: &[UnstoredLadder],
    layer: &Flushed,
    batch: &mut Batch,
) -> Result<u64, StoreError> {
    let mut added = 0;
    for ladder in ladders {
        added += keep_ladder(snapshot, ladder, layer, batch)?;
    }
    Ok(added)
}

fn keep_ladder(
    snapshot: &dyn Snapshot,
    ladder: &UnstoredLadder,
    layer: &Flushed,
    batch: &mut Batch,
) -> Result<u64, StoreError> {
    let overtaking = layer.overtaking(&ladder.aggregate);
    let fresh = |rung: &Rung| !overtaking.hits(rung);
    let new = &ladder.rungs;
    let mut rungs: Vec<(Rung, Option<&Candidate>)> =
        new.iter().map(|new| (new.rung, Some(new))).collect();
    for key in rung_keys(snapshot, &ladder.prefix)? {
        let Some(rung) = Rung::of_key(&key).filter(fresh) else { continue };
        if new.iter().any(|new| new.rung.place == rung.place) {
            // Both are exact, and one at a place is enough.
            batch.delete(Table::Snapshots, &key);
        } else {
            rungs.push((rung, None));
        }
    }
    rungs.sort_by_key(|(rung, _)| rung.place);
    let counts: Vec<u64> = rungs.iter().map(|(rung, _)| rung.event_count).collect();
    let mut added = 0;
    for ((rung, new), kept) in rungs.iter().zip(kept_rungs(&counts)) {
        let key = rung.key(&ladder.prefix);
        match new {
            Some(new) if kept => {
                added += 1;
                batch.put_with(Table::Snapshots, &key, |out| new.snapshot.encode(out));
            }
            None if !kept => batch.delete(Table::Snapshots, &key),
            _ => {}
        }
    }
    Ok(added)
}

/// Takes away a page of the snapshots whose fold, or fold version, is registered no more.
pub(super) fn sweep(
    shared: &Shared,
    snapshot: &dyn Snapshot,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    let mut cursor = shared.sweep();
    let Some(start) = cursor.take() else { return Ok(()) };
    let mut last = None;
    let mut count = 0;
    let scan = Scan { start: &start, limit: SWEEP_KEYS, ..Scan::all(Table::Snapshots) };
    snapshot.scan(scan, &mut |key, _| {
        if !is_registered(shared, key) {
            batch.delete(Table::Snapshots, key);
        }
        count += 1;
        last = Some(key.to_vec());
        ControlFlow::Continue(())
    })?;
    *cursor = last.filter(|_| count == SWEEP_KEYS).map(|mut last| {
        last.push(0);
        last
    });
    Ok(())
}

fn is_registered(shared: &Shared, key: &[u8]) -> bool {
    parse(shared, key).is_some_and(|(root, fold, version)| {
        shared.folds.named(&root, &fold).is_some_and(|fold| fold.version() == version)
    })
}

fn parse(shared: &Shared, key: &[u8]) -> Option<(RootName, String, u32)> {
    let root = shared.state().names.root_name(keys::number_at(key, 0)?)?.clone();
    let (_aggregate, rest) = keys::take_text(key.get(4..)?)?;
    let (fold, rest) = keys::take_text(rest)?;
    Some((root, fold, keys::number_at(rest, 0)?))
}
