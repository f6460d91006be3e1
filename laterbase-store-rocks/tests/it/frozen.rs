//! Reading beside another process.
//!
//! Mutations that they are there for: take the truth before the derived tables; keep 512 table files open.

use std::path::Path;

use laterbase_store_rocks::{OpenError, RocksOptions, RocksStore};
use laterbase_testkit::frozen;

fn open(path: &Path) -> Result<RocksStore, OpenError> {
    RocksStore::open(path, RocksOptions::default())
}

#[test]
fn a_frozen_store_shows_one_moment_while_another_process_writes() {
    let name = "a_frozen_store_shows_one_moment_while_another_process_writes";
    let test = format!("{}::{name}", module_path!());
    let fresh = || tempfile::tempdir().unwrap();
    frozen::check_beside_a_writer(&test, fresh, open, RocksStore::open_to_read);
}

#[test]
fn a_frozen_store_answers_as_an_open_one_and_writes_nothing() {
    frozen::check_answers(tempfile::tempdir().unwrap().path(), open, RocksStore::open_to_read);
}

#[test]
fn to_read_what_is_not_there_makes_nothing() {
    frozen::check_nothing_is_made(tempfile::tempdir().unwrap().path(), RocksStore::open_to_read);
}
