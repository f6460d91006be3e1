//! Clauses about what a batch does.

use std::collections::BTreeMap;

use laterbase_core::store::{Area, Batch, Operation, Store, Table};

use super::Harness;
use super::contents::{TRICKY_KEYS, get, keys, put, put_keys, table};
use super::dice::Dice;

/// Batches in one run of [`random_batches_do_what_a_map_does`].
const RANDOM_BATCHES: usize = 80;

/// After a commit, a new snapshot shows all of the batch, in every table that it wrote to.
///
/// Catches: a commit that returns before it is visible, or leaves out a table.
pub fn a_commit_is_seen_by_the_next_snapshot<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    for area in [Area::Truth, Area::Derived] {
        let tables = || Table::ALL.into_iter().filter(|table| table.area() == area);
        let mut batch = Batch::new(area);
        for table in tables() {
            batch.put(table, b"key", table.name().as_bytes());
        }
        store.commit(&batch).expect("the commit succeeds");
        for table in tables() {
            assert_eq!(get(&store, table, b"key").as_deref(), Some(table.name().as_bytes()));
        }
    }
}

/// Operations take effect in the order in which they were added, so the last one on a key wins.
///
/// Catches: operations that are sorted, grouped by kind, or kept under their first value.
pub fn the_last_operation_on_a_key_wins<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    put_keys(&store, Table::Meta, &[b"deleted", b"restored"]);
    let mut batch = Batch::new(Area::Truth);
    batch.put(Table::Meta, b"written", b"first");
    batch.put(Table::Meta, b"written", b"second");
    batch.put(Table::Meta, b"deleted", b"again");
    batch.delete(Table::Meta, b"deleted");
    batch.delete(Table::Meta, b"restored");
    batch.put(Table::Meta, b"restored", b"last");
    store.commit(&batch).expect("the commit succeeds");
    let expected =
        [(b"restored".to_vec(), b"last".to_vec()), (b"written".to_vec(), b"second".to_vec())];
    assert_eq!(table(&store, Table::Meta), expected);
}

/// A clear removes what the table held and what the batch had put before; what the batch puts
/// after it stays. Other tables are not touched.
///
/// Catches: a clear that runs first or last instead of in its place, that takes other tables with
/// it, or that leaves out the first or last key.
pub fn a_clear_takes_what_was_there_before_it<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    put_keys(&store, Table::FoldIndex, &TRICKY_KEYS);
    put_keys(&store, Table::Keys, &[b"other"]);
    let mut batch = Batch::new(Area::Derived);
    batch.put(Table::FoldIndex, b"before", b"");
    batch.clear(Table::FoldIndex);
    batch.put(Table::FoldIndex, b"after", b"");
    batch.put(Table::FoldIndex, b"\xff\xff", b"");
    store.commit(&batch).expect("the commit succeeds");
    assert_eq!(keys(&store, Table::FoldIndex), [&b"after"[..], b"\xff\xff"]);
    assert_eq!(keys(&store, Table::Keys), [b"other"]);

    let mut batch = Batch::new(Area::Derived);
    batch.clear(Table::FoldIndex);
    batch.clear(Table::Snapshots);
    store.commit(&batch).expect("the commit succeeds");
    assert!(keys(&store, Table::FoldIndex).is_empty());
}

/// Deleting a key that is not there, twice over or from an empty table, changes nothing.
///
/// Catches: a not-found error that is passed on, and a delete by prefix.
pub fn deleting_what_is_not_there_is_no_error<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    let mut batch = Batch::new(Area::Truth);
    batch.delete(Table::Meta, b"a");
    batch.delete(Table::Meta, b"a");
    store.commit(&batch).expect("deleting from an empty table succeeds");
    put_keys(&store, Table::Meta, &[b"ab"]);
    store.commit(&batch).expect("deleting an absent key succeeds");
    assert_eq!(keys(&store, Table::Meta), [b"ab"]);
}

/// A batch without operations commits.
///
/// Catches: an engine's refusal of empty writes that is passed on.
pub fn an_empty_batch_is_no_error<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    for area in [Area::Truth, Area::Derived] {
        store.commit(&Batch::new(area)).expect("an empty batch commits");
    }
    put_keys(&store, Table::Meta, &[b"key"]);
    assert_eq!(keys(&store, Table::Meta), [b"key"]);
}

/// A table whose keys are only ever added at the end still stores one that is not, and one that is
/// there already.
///
/// Catches: an append mode that refuses or misplaces such a key, or keeps the old value.
pub fn an_append_only_table_takes_any_key<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    assert!(Table::Log.is_append_only());
    put(&store, Table::Log, &[(b"1", b"a"), (b"3", b"b")]);
    put(&store, Table::Log, &[(b"2", b"c"), (b"3", b"d"), (b"4", b"e"), (b"0", b"f")]);
    let expected = [(b"0", b"f"), (b"1", b"a"), (b"2", b"c"), (b"3", b"d"), (b"4", b"e")];
    let expected: Vec<_> = expected.iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
    assert_eq!(table(&store, Table::Log), expected);
}

/// Whatever batches are committed, in whatever order, the tables hold what sorted maps would, and
/// still do when the store is opened again.
///
/// Catches: what the other clauses did not think of.
pub fn random_batches_do_what_a_map_does<H: Harness>() {
    let harness = H::fresh();
    let mut dice = Dice::new(20_130_101);
    let mut model = Model::default();
    for _ in 0..2 {
        let store = harness.open().expect("the store opens");
        model.check(&store, &Table::ALL);
        for _ in 0..RANDOM_BATCHES {
            let batch = random_batch(&mut dice);
            store.commit(&batch).expect("the commit succeeds");
            model.apply(&batch);
            let written: Vec<Table> =
                Table::ALL.into_iter().filter(|table| table.area() == batch.area()).collect();
            model.check(&store, &written);
        }
    }
}

#[derive(Default)]
struct Model {
    tables: BTreeMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Model {
    fn apply(&mut self, batch: &Batch) {
        for operation in batch.operations() {
            match operation {
                Operation::Put { table, key, value } => {
                    self.tables.entry(table).or_default().insert(key.to_vec(), value.to_vec());
                }
                Operation::Delete { table, key } => {
                    self.tables.entry(table).or_default().remove(key);
                }
                Operation::Clear { table } => self.tables.entry(table).or_default().clear(),
            }
        }
    }

    #[track_caller]
    fn check(&self, store: &impl Store, tables: &[Table]) {
        for of in tables {
            let expected = self.tables.get(of).cloned().unwrap_or_default();
            assert_eq!(table(store, *of), Vec::from_iter(expected), "{of:?}");
        }
    }
}

/// Few keys, so that they meet again; values of very different lengths.
fn random_batch(dice: &mut Dice) -> Batch {
    let area = *dice.pick(&[Area::Truth, Area::Derived]);
    let tables: Vec<Table> = Table::ALL.into_iter().filter(|table| table.area() == area).collect();
    let mut batch = Batch::new(area);
    for _ in 0..dice.below(12) {
        let table = *dice.pick(&tables);
        let mut key = dice.pick(&TRICKY_KEYS).to_vec();
        key.extend_from_slice(dice.pick::<&[u8]>(&TRICKY_KEYS));
        let value_bytes = *dice.pick(&[0, 1, 100, 5_000, 70_000]);
        match dice.below(20) {
            0 => batch.clear(table),
            1..6 => batch.delete(table, &key),
            _ => batch.put(table, &key, &vec![key[0]; value_bytes]),
        }
    }
    batch
}
