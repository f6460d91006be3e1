//! Giving back room.
//!
//! Mutations that they are there for: leave the home as it was; write the new home whatever the old
//! one was; do not keep readers out; leave LMDB's lock file; do not check the pages first.

use std::fs;
use std::path::Path;

use laterbase_core::store::{Area, Batch, HOME_KEY, Scan, Store as _, StoreError, Table};
use laterbase_directory::OpenError;
use laterbase_store_lmdb::{LmdbOptions, LmdbStore, check_files, compact};
use laterbase_testkit::child::{self, Child};

const PAGE_BYTES: usize = 4_096;

fn open(path: &Path) -> LmdbStore {
    LmdbStore::open(path, LmdbOptions::default()).unwrap()
}

/// A store with much free room: what was written to it was deleted again.
fn filled(path: &Path) -> LmdbStore {
    let store = open(path);
    for (area, table) in [(Area::Truth, Table::Peers), (Area::Derived, Table::FoldIndex)] {
        let mut batch = Batch::new(area);
        for number in 0_u32..4_000 {
            batch.put(table, &number.to_be_bytes(), &[7; 400]);
        }
        store.commit(&batch).unwrap();
        let mut batch = Batch::new(area);
        for number in (0_u32..4_000).filter(|number| number % 20 > 0) {
            batch.delete(table, &number.to_be_bytes());
        }
        store.commit(&batch).unwrap();
    }
    store
}

fn write_home(store: &LmdbStore, home: &[u8]) {
    let mut batch = Batch::new(Area::Truth);
    batch.put(Table::Meta, HOME_KEY, home);
    store.commit(&batch).unwrap();
}

fn read_home(store: &LmdbStore) -> Vec<u8> {
    store.snapshot().unwrap().get(Table::Meta, HOME_KEY).unwrap().unwrap().into_owned()
}

/// All entries but the home.
fn entries(store: &LmdbStore) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let snapshot = store.snapshot().unwrap();
    let mut entries = Vec::new();
    for table in Table::ALL {
        let mut visit = |key: &[u8], value: &[u8]| {
            if key != HOME_KEY {
                entries.push((table, key.to_vec(), value.to_vec()));
            }
            std::ops::ControlFlow::Continue(())
        };
        snapshot.scan(Scan::all(table), &mut visit).unwrap();
    }
    entries
}

fn lengths(path: &Path) -> [u64; 2] {
    ["truth", "derived"].map(|area| fs::metadata(path.join(area).join("data.mdb")).unwrap().len())
}

#[test]
fn a_compacted_store_holds_the_same_in_less_room_and_stays_at_home() {
    let directory = tempfile::tempdir().unwrap();
    let store = filled(directory.path());
    write_home(&store, &store.home().unwrap());
    let (expected, before) = (entries(&store), lengths(directory.path()));
    assert_eq!(store.usage().unwrap().files_bytes, before.iter().sum::<u64>());
    drop(store);
    // Again and again: the second time there is nothing to give back.
    for round in 0..3 {
        compact(directory.path(), LmdbOptions::default()).unwrap();
        let after = lengths(directory.path());
        assert!(
            after[0] * 2 < before[0] && after[1] * 2 < before[1],
            "{round}: {before:?} {after:?}"
        );
        assert!(check_files(directory.path()).unwrap().is_sound());
        let store = open(directory.path());
        assert_eq!(entries(&store), expected);
        assert_eq!(read_home(&store), store.home().unwrap());
        let usage = store.usage().unwrap();
        let taken: u64 = usage.tables.iter().map(|(_, bytes)| bytes).sum();
        assert!(taken <= usage.files_bytes && taken * 4 > usage.files_bytes, "{usage:?}");
        write_more(&store, round);
        remove_more(&store, round);
    }
    let left = fs::read_dir(directory.path()).unwrap();
    let left: Vec<String> =
        left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left.iter().all(|name| !name.contains("compact")), "{left:?}");
}

/// A store goes on being written to, which would show a lock file that counts other transactions.
fn write_more(store: &LmdbStore, round: u32) {
    let mut batch = Batch::new(Area::Truth);
    batch.put(Table::Peers, &[b"more", &round.to_be_bytes()[..]].concat(), b"value");
    store.commit(&batch).unwrap();
}

fn remove_more(store: &LmdbStore, round: u32) {
    let mut batch = Batch::new(Area::Truth);
    batch.delete(Table::Peers, &[b"more", &round.to_be_bytes()[..]].concat());
    store.commit(&batch).unwrap();
}

#[test]
fn a_copy_that_is_compacted_is_still_a_copy() {
    let directory = tempfile::tempdir().unwrap();
    let store = filled(directory.path());
    write_home(&store, &[9; 32]);
    drop(store);
    compact(directory.path(), LmdbOptions::default()).unwrap();
    assert_eq!(read_home(&open(directory.path())), [9; 32]);
}

#[test]
fn a_store_that_is_in_use_or_read_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = filled(directory.path());
    let before = lengths(directory.path());
    let refused = compact(directory.path(), LmdbOptions::default());
    assert!(matches!(refused, Err(OpenError::Locked { .. })), "{refused:?}");
    drop(store);
    let frozen = LmdbStore::open_to_read(directory.path()).unwrap();
    let refused = compact(directory.path(), LmdbOptions::default());
    assert!(matches!(refused, Err(OpenError::BeingRead { .. })), "{refused:?}");
    drop(frozen);
    assert_eq!(lengths(directory.path()), before);
    compact(directory.path(), LmdbOptions::default()).unwrap();
}

#[test]
fn files_that_are_damaged_are_left_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    drop(filled(directory.path()));
    let path = directory.path().join("truth/data.mdb");
    let sound = fs::read(&path).unwrap();
    // The head of a page that is used, its own number, behind those where the file begins.
    let damaged = (2..sound.len() / PAGE_BYTES).find_map(|page| {
        let mut bytes = sound.clone();
        bytes[page * PAGE_BYTES] ^= 0xff;
        fs::write(&path, &bytes).unwrap();
        (!check_files(directory.path()).unwrap().is_sound()).then_some(bytes)
    });
    let bytes = damaged.expect("a page is used");
    let refused = compact(directory.path(), LmdbOptions::default());
    let is_corrupt = matches!(refused, Err(OpenError::Engine(StoreError::Corrupt { .. })));
    assert!(is_corrupt, "{refused:?}");
    assert!(fs::read(&path).unwrap() == bytes);
}

/// One that reads without the lock that keeps compactions away, as on a disk that was full when the
/// store was opened, goes on seeing the file that it looks at, and nobody is misled by it.
#[test]
fn a_reader_that_nothing_holds_back_harms_nobody() {
    let test = format!("{}::a_reader_that_nothing_holds_back_harms_nobody", module_path!());
    if let Some(path) = child::directory() {
        fs::remove_file(path.join("laterbase.readers")).unwrap();
        let frozen = LmdbStore::open_to_read(&path).unwrap();
        child::tell("reading", 0);
        std::thread::park();
        drop(frozen);
    }
    let directory = tempfile::tempdir().unwrap();
    let store = filled(directory.path());
    write_home(&store, &store.home().unwrap());
    let expected = entries(&store);
    drop(store);
    let mut reader = Child::start(&test, directory.path());
    assert_eq!(reader.hear(), Some(("reading".to_owned(), 0)));
    compact(directory.path(), LmdbOptions::default()).unwrap();
    for round in 0..3 {
        let store = open(directory.path());
        assert_eq!(entries(&store), expected);
        write_more(&store, round);
        remove_more(&store, round);
        drop(store);
        assert!(check_files(directory.path()).unwrap().is_sound());
    }
    reader.kill();
    reader.end();
}
