//! What must hold of a store that is opened to be read while another process writes to it.
//!
//! A child writes one batch after the other, to the truth and then to the derived tables, and tells
//! of each. The parent opens the store to be read again and again meanwhile.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use laterbase_core::store::{Area, Batch, Scan, Store, StoreError, Table};
use laterbase_directory::OpenError;

use crate::child::{self, Child, was_killed};

/// Batches that the child writes at most, should its parent be gone.
const BATCHES_MAX: u64 = 1_000_000;

/// How often the parent looks.
const LOOKS: usize = 30;

/// Under which key the number of the last batch is kept, in either area.
const LAST: &[u8] = b"last";

/// Entries that a batch writes beside that, so that files fill and are replaced.
const FILL_BYTES: usize = 4_096;

/// Each look shows one moment: all of every batch that was told of, nothing of any batch in part,
/// the derived tables never ahead of the truth, and the same when it is looked at again later.
///
/// `test` is the test's path, as for [`Child::start`]; `fresh` makes an empty directory.
pub fn check_beside_a_writer<D: AsRef<Path>, W: Store, F: Store>(
    test: &str,
    fresh: impl FnOnce() -> D,
    open: impl Fn(&Path) -> Result<W, OpenError>,
    freeze: impl Fn(&Path) -> Result<F, OpenError>,
) {
    if let Some(directory) = child::directory() {
        write(&open(&directory).expect("a fresh store opens"));
    }
    let directory = fresh();
    let path = directory.as_ref().join("store");
    let mut writer = Child::start(test, &path);
    let mut hear = || writer.hear().expect("the child writes on").1;
    let mut told = 0;
    for _ in 0..LOOKS {
        while hear() <= told {}
        told = hear();
        let store = freeze(&path).expect("the store can be read");
        let seen = look(&store);
        assert!(seen >= told, "{told} batches were told of, and {seen} are seen");
        while hear() <= seen {}
        assert_eq!(look(&store), seen, "a frozen store shows another moment");
        let refused = store.commit(&batch(Area::Truth, 0));
        assert!(matches!(refused, Err(StoreError::Engine { .. })), "{refused:?}");
        told = seen;
    }
    writer.kill();
    assert!(was_killed(writer.end()));
    let store = freeze(&path).expect("what a killed writer left can be read");
    assert!(look(&store) >= told);
}

fn write(store: &impl Store) -> ! {
    for number in 1..=BATCHES_MAX {
        store.commit(&batch(Area::Truth, number)).expect("there is room");
        store.commit(&batch(Area::Derived, number)).expect("there is room");
        child::tell("wrote", number);
    }
    std::process::exit(0)
}

fn batch(area: Area, number: u64) -> Batch {
    let mut batch = Batch::new(area);
    let (last, rows) = tables(area);
    batch.put(last, LAST, &number.to_be_bytes());
    batch.put(rows, &number.to_be_bytes(), &vec![b'x'; FILL_BYTES]);
    batch
}

const fn tables(area: Area) -> (Table, Table) {
    match area {
        Area::Truth => (Table::Meta, Table::Log),
        Area::Derived => (Table::Progress, Table::FoldIndex),
    }
}

/// The last batch that a store shows.
fn look(store: &impl Store) -> u64 {
    let snapshot = store.snapshot().expect("a frozen store can be read");
    let [truth, derived] = [Area::Truth, Area::Derived].map(|area| {
        let (last, rows) = tables(area);
        let number = snapshot.get(last, LAST).expect("it can be read");
        let number = number.map_or(0, |bytes| u64::from_be_bytes((*bytes).try_into().expect("8")));
        let mut expected = 1;
        let mut visit = |key: &[u8], _value: &[u8]| {
            assert_eq!(key, expected_key(expected), "a batch is missing");
            expected += 1;
            ControlFlow::Continue(())
        };
        snapshot.scan(Scan::all(rows), &mut visit).expect("it can be read");
        assert_eq!(expected, number + 1, "part of a batch is seen");
        number
    });
    assert!(derived <= truth, "the derived tables know {derived} of {truth}");
    truth
}

const fn expected_key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// Whatever is asked of a frozen store is answered as by one that is open to be written.
pub fn check_answers<W: Store, F: Store>(
    directory: &Path,
    open: impl Fn(&Path) -> Result<W, OpenError>,
    freeze: impl Fn(&Path) -> Result<F, OpenError>,
) {
    let path = directory.join("store");
    let store = open(&path).expect("a fresh store opens");
    let mut batch = Batch::new(Area::Truth);
    for number in 0_u32..3_000 {
        batch.put(Table::Peers, &number.to_be_bytes(), &vec![b'v'; number as usize % 300]);
    }
    batch.put(Table::Meta, b"large", &vec![7; 1_000_000]);
    store.commit(&batch).expect("there is room");
    let asked = || answers(&store);
    let expected = asked();
    drop(store);
    let files = files_of(&path);
    let frozen = freeze(&path).expect("the store can be read");
    assert_eq!(answers(&frozen), expected);
    drop(frozen);
    assert_eq!(files_of(&path), files, "a file was written to");
}

/// Entries as they are visited, for each of some scans.
type Answers = Vec<Vec<(Vec<u8>, usize)>>;

fn answers(store: &impl Store) -> Answers {
    let snapshot = store.snapshot().expect("it can be read");
    let (from, to) = (100_u32.to_be_bytes(), 2_900_u32.to_be_bytes());
    let all = [Scan::all(Table::Peers), Scan::all(Table::Meta), Scan::all(Table::Log)];
    let some = [Scan::range(Table::Peers, &from, &to), Scan::range(Table::Peers, &to, &from)];
    let mut answers = Vec::new();
    for scan in all.into_iter().chain(some) {
        for scan in [scan, scan.backward()] {
            for limit in [0, 1, 15, 16, 17, 1_000, usize::MAX] {
                let mut found = Vec::new();
                let mut visit = |key: &[u8], value: &[u8]| {
                    found.push((key.to_vec(), value.len()));
                    ControlFlow::Continue(())
                };
                snapshot.scan(scan.limit(limit), &mut visit).expect("it can be read");
                answers.push(found);
            }
        }
    }
    let large = snapshot.get(Table::Meta, b"large").expect("it can be read");
    answers.push(vec![(large.expect("it is there").into_owned(), 0)]);
    assert!(snapshot.get(Table::Meta, b"nothing").expect("it can be read").is_none());
    answers
}

/// Names and contents of a store's files, but for LMDB's list of readers.
fn files_of(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("lock.mdb") {
                let bytes = fs::read(&path).expect("it can be read");
                files.push((path.display().to_string(), bytes));
            }
        }
    }
    files.sort_unstable();
    files
}

/// Where there is no store, or one that is only just being made, nothing is made either.
pub fn check_nothing_is_made<F: Store>(
    directory: &Path,
    freeze: impl Fn(&Path) -> Result<F, OpenError>,
) {
    let missing = directory.join("store");
    assert!(matches!(freeze(&missing), Err(OpenError::NoStore { .. })));
    assert!(!missing.exists());
    assert!(matches!(freeze(directory), Err(OpenError::NoStore { .. })));
    assert_eq!(fs::read_dir(directory).expect("it is there").count(), 0);
}
