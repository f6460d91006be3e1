//! Reading beside another process.
//!
//! Mutations that they are there for: begin a new transaction for each snapshot; take the
//! truth before the derived tables; go on behind a scan's first page from its own last entry.

use std::path::Path;

use laterbase_core::store::{Area, Batch, Store as _, Table};
use laterbase_directory::OpenError;
use laterbase_store_lmdb::{FrozenLmdb, LmdbOptions, LmdbStore, check_files_in_use};
use laterbase_testkit::child::{self, Child};
use laterbase_testkit::frozen;

fn open(path: &Path) -> Result<LmdbStore, OpenError> {
    LmdbStore::open(path, LmdbOptions::default())
}

fn freeze(path: &Path) -> Result<FrozenLmdb, OpenError> {
    let report = check_files_in_use(path)?;
    assert!(report.is_sound(), "{:?}", report.faults);
    LmdbStore::open_to_read(path)
}

#[test]
fn a_frozen_store_shows_one_moment_while_another_process_writes() {
    let name = "a_frozen_store_shows_one_moment_while_another_process_writes";
    let test = format!("{}::{name}", module_path!());
    frozen::check_beside_a_writer(&test, || tempfile::tempdir().unwrap(), open, freeze);
}

#[test]
fn a_frozen_store_answers_as_an_open_one_and_writes_nothing() {
    frozen::check_answers(tempfile::tempdir().unwrap().path(), open, LmdbStore::open_to_read);
}

#[test]
fn to_read_what_is_not_there_makes_nothing() {
    frozen::check_nothing_is_made(tempfile::tempdir().unwrap().path(), LmdbStore::open_to_read);
}

#[test]
fn a_store_that_this_process_has_open_itself_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let _store = open(directory.path()).unwrap();
    let frozen = LmdbStore::open_to_read(directory.path());
    assert!(matches!(frozen, Err(OpenError::Locked { .. })), "{frozen:?}");
}

/// A reader that was killed kept its place in LMDB's lock file, and the writer's file grew with
/// every commit for as long as it ran.
#[test]
fn the_files_do_not_grow_for_readers_that_were_killed() {
    let test = format!("{}::the_files_do_not_grow_for_readers_that_were_killed", module_path!());
    if let Some(path) = child::directory() {
        let _frozen = LmdbStore::open_to_read(&path).unwrap();
        child::tell("reading", 0);
        std::thread::park();
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    let write = |number: u8| {
        let mut batch = Batch::new(Area::Truth);
        batch.put(Table::Peers, b"key", &[number; 10_000]);
        store.commit(&batch).unwrap();
    };
    let length = || std::fs::metadata(directory.path().join("truth/data.mdb")).unwrap().len();
    write(0);
    let mut reader = Child::start(&test, directory.path());
    assert_eq!(reader.hear(), Some(("reading".to_owned(), 0)));
    reader.kill();
    reader.end();
    for number in 0..255 {
        write(number);
    }
    write(255);
    let grown = length();
    for number in 0..255 {
        write(number);
    }
    assert_eq!(length(), grown);
}
