//! A restored store as it was at an earlier moment.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::entry::Entry;
use crate::event::Record;
use crate::keys;
use crate::replica::open::{read_heads, read_unreadable};
use crate::shared::Head;
use crate::store::{Area, Batch, Scan, Snapshot, Store, StoreError, Table};
use crate::turns::Turns;
use crate::verify::last_position;
use crate::view::{damaged, read_run};

/// Operations that are committed at once.
const BATCH_OPERATIONS: usize = 4_096;

/// Takes away what a store that was restored, and that nobody has opened yet, learned after a moment
/// (its arrival time, nanoseconds since 1970 UTC, inclusive): events, and whatever is not kept
/// by time, which is what is remembered of peers and what is in quarantine. Gives how many events
/// are left. What a read with `known_at` gave is then what every read gives.
///
/// It takes several commits: a store in which it did not come to its end is to be thrown away.
///
/// # Errors
/// [`StoreError`] if the store fails, or the log is damaged where it is looked at.
pub fn cut_to(store: &dyn Store, known_at: i64) -> Result<u64, StoreError> {
    let _lease = store.writer().lend()?;
    let snapshot = store.snapshot()?;
    let head = last_position(&*snapshot)?;
    let turns = Turns::read(&*snapshot)?;
    let arrived = |position| read_entry(&*snapshot, position, |entry| entry.arrived);
    let end = turns.last_arrived_until(known_at, head, arrived)?;
    let mut cut = Cut { store, snapshot: &*snapshot, end, batch: Batch::new(Area::Truth) };
    if end < head {
        let tails = cut.runs()?;
        cut.heads(&tails)?;
        cut.log()?;
        cut.meta()?;
        cut.commit()?;
        store.sync()?;
    }
    Ok(end)
}

/// (root, origin) → seq and position of the last event that is left.
type Tails = BTreeMap<(u32, u32), (u64, u64)>;

struct Cut<'c> {
    store: &'c dyn Store,
    /// The store as it was before.
    snapshot: &'c dyn Snapshot,
    /// The last position that is left.
    end: u64,
    batch: Batch,
}

impl Cut<'_> {
    fn commit(&mut self) -> Result<(), StoreError> {
        let batch = std::mem::replace(&mut self.batch, Batch::new(Area::Truth));
        self.store.commit(&batch)
    }

    fn commit_some(&mut self) -> Result<(), StoreError> {
        if self.batch.len() < BATCH_OPERATIONS { Ok(()) } else { self.commit() }
    }

    /// Visits the entries of a range.
    fn each(
        &mut self,
        table: Table,
        (start, end): (&[u8], Option<&[u8]>),
        mut visit: impl FnMut(&mut Self, &[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let (mut done, snapshot) = (Ok(()), self.snapshot);
        snapshot.scan(Scan { start, end, ..Scan::all(table) }, &mut |key, value| {
            done = visit(self, key, value).and_then(|()| self.commit_some());
            if done.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        done
    }

    fn runs(&mut self) -> Result<Tails, StoreError> {
        let mut tails = Tails::new();
        self.each(Table::Runs, (&[], None), |cut, key, value| {
            let corrupt = || StoreError::corrupt("a run has the wrong form");
            let (first_seq, position, length) = read_run(key, value).ok_or_else(corrupt)?;
            let numbers = keys::number_at(key, 0).zip(keys::number_at(key, 4));
            let left = (cut.end + 1).saturating_sub(position).min(length);
            if left == 0 {
                cut.batch.delete(Table::Runs, key);
                return Ok(());
            }
            if left < length {
                let value = [position.to_be_bytes(), left.to_be_bytes()].concat();
                cut.batch.put(Table::Runs, key, &value);
            }
            let last = (first_seq + left - 1, position + left - 1);
            let tail = tails.entry(numbers.ok_or_else(corrupt)?).or_insert(last);
            *tail = last.max(*tail);
            Ok(())
        })?;
        Ok(tails)
    }

    fn heads(&mut self, tails: &Tails) -> Result<(), StoreError> {
        for ((root, origin), head) in read_heads(self.snapshot)? {
            let key = keys::numbered(keys::HEAD, &[root, origin]);
            match tails.get(&(root, origin)) {
                None => self.batch.delete(Table::Meta, &key),
                Some((seq, _)) if *seq == head.seq => {}
                Some((seq, position)) => {
                    let head = read_entry(self.snapshot, *position, |entry| Head {
                        seq: *seq,
                        chain: entry.chain,
                        recorded: entry.recorded,
                    })?;
                    self.batch.put_with(Table::Meta, &key, |out| head.encode(out));
                }
            }
            self.commit_some()?;
        }
        Ok(())
    }

    fn log(&mut self) -> Result<(), StoreError> {
        let mut unreadable = read_unreadable(self.snapshot)?;
        let start = keys::position(self.end + 1);
        self.each(Table::Log, (&start, None), |cut, key, value| {
            cut.batch.delete(Table::Log, key);
            // One that is damaged was never counted, or nobody can tell.
            let Ok(entry) = Entry::decode(value) else { return Ok(()) };
            let is_unreadable = Record::decode(entry.record).is_ok_and(|it| !it.is_readable());
            if let Some(count) = unreadable.get_mut(&entry.root).filter(|_| is_unreadable) {
                *count = count.saturating_sub(1);
            }
            Ok(())
        })?;
        for (root, count) in unreadable {
            let key = keys::numbered(keys::UNREADABLE, &[root]);
            match count {
                0 => self.batch.delete(Table::Meta, &key),
                count => self.batch.put(Table::Meta, &key, &count.to_be_bytes()),
            }
        }
        Ok(())
    }

    /// What is not kept by time goes, and so do turns of the clock behind the end.
    fn meta(&mut self) -> Result<(), StoreError> {
        self.batch.clear(Table::Peers);
        self.batch.clear(Table::Quarantine);
        let end = behind(keys::FORK);
        self.each(Table::Meta, (keys::FORK, Some(&end)), |cut, key, _| {
            cut.batch.delete(Table::Meta, key);
            Ok(())
        })?;
        let end = behind(keys::TURN);
        self.each(Table::Meta, (&keys::turn(self.end + 1), Some(&end)), |cut, key, _| {
            cut.batch.delete(Table::Meta, key);
            Ok(())
        })
    }
}

/// The key behind all that begin with a prefix.
fn behind(prefix: &[u8]) -> Vec<u8> {
    keys::after_prefix(prefix).expect("a prefix is text")
}

fn read_entry<R>(
    snapshot: &dyn Snapshot,
    position: u64,
    read: impl FnOnce(&Entry<'_>) -> R,
) -> Result<R, StoreError> {
    let bytes = snapshot.get(Table::Log, &keys::position(position))?.unwrap_or_default();
    Ok(read(&Entry::decode(&bytes).map_err(|error| damaged(position, error))?))
}
