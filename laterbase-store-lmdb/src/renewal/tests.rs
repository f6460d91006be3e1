#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::FileExt as _;

use laterbase_core::store::{Batch, Refusal, Scan, Store, Table};
use tempfile::TempDir;

use super::*;

const KEYS: u64 = 20_000;

fn open(directory: &TempDir) -> LmdbStore {
    LmdbStore::open(directory.path(), LmdbOptions::default()).unwrap()
}

fn fill(store: &LmdbStore) {
    for area in [Area::Truth, Area::Derived] {
        let mut batch = Batch::new(area);
        let table = if area == Area::Truth { Table::Runs } else { Table::FoldIndex };
        for key in 0..KEYS {
            batch.put(table, &key.to_be_bytes(), &[7; 8]);
        }
        store.commit(&batch).unwrap();
    }
}

fn count(store: &LmdbStore, table: Table) -> Result<u64, StoreError> {
    let mut count = 0;
    store.snapshot()?.scan(Scan::all(table), &mut |_, _| {
        count += 1;
        std::ops::ControlFlow::Continue(())
    })?;
    Ok(count)
}

/// Damages a page in the middle of an area's file, in the head that LMDB believes.
fn damage(directory: &TempDir, area: Area) {
    let path = crate::repair::data_path(directory.path(), area);
    let file = fs::File::options().write(true).open(path).unwrap();
    let middle = file.metadata().unwrap().len() / 4096 / 2 * 4096;
    file.write_all_at(&[0xa5; 32], middle + 8).unwrap();
}

/// Junk in a page of the derived tables ended the process with SIGSEGV at the first read.
#[test]
fn a_damaged_page_is_an_error_and_the_derived_area_can_be_renewed() {
    let directory = TempDir::new().unwrap();
    fill(&open(&directory));
    damage(&directory, Area::Derived);
    let store = open(&directory);
    let told = count(&store, Table::FoldIndex).unwrap_err();
    assert!(matches!(told, StoreError::Corrupt { .. }), "{told}");
    let looking = store.snapshot().unwrap();
    store.renew_derived("as found").unwrap();
    assert_eq!(count(&store, Table::FoldIndex).unwrap(), 0);
    assert_eq!(count(&store, Table::Runs).unwrap(), KEYS);
    drop(looking);
    fill(&store);
    store.renew_derived("once more").unwrap();
    fill(&store);
    assert_eq!(store.condition().set_aside.len(), 2);
    drop(store);
    let names: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("derived"))
        .collect();
    assert_eq!(names.len(), 2, "one is in use and one set aside: {names:?}");
    assert_eq!(count(&open(&directory), Table::FoldIndex).unwrap(), KEYS);
}

#[test]
fn a_write_to_a_damaged_page_is_refused_before_lmdb_sees_it() {
    for area in [Area::Truth, Area::Derived] {
        let directory = TempDir::new().unwrap();
        fill(&open(&directory));
        damage(&directory, area);
        let store = open(&directory);
        let table = if area == Area::Truth { Table::Runs } else { Table::FoldIndex };
        let mut told = None;
        for key in 0..KEYS {
            let mut batch = Batch::new(area);
            batch.delete(table, &key.to_be_bytes());
            told = store.commit(&batch).err();
            if told.is_some() {
                break;
            }
        }
        assert!(matches!(told, Some(StoreError::Corrupt { .. })), "{told:?}");
        // The truth cannot be begun anew, so nothing more is written to it.
        let is_closed = store.refusal(Area::Truth) == Some(Refusal::Poisoned);
        assert_eq!(is_closed, area == Area::Truth);
    }
}

#[test]
fn whatever_stands_in_the_place_of_the_derived_files_is_set_aside() {
    type Spoil = fn(&Path);
    let spoils: [Spoil; 6] = [
        |path| fs::write(path.join("derived/data.mdb"), "junk").unwrap(),
        |path| fs::File::create(path.join("derived/data.mdb")).unwrap().set_len(10_000).unwrap(),
        |path| {
            fs::remove_file(path.join("derived/data.mdb")).unwrap();
            fs::create_dir(path.join("derived/data.mdb")).unwrap();
        },
        |path| {
            fs::remove_dir_all(path.join("derived")).unwrap();
            fs::write(path.join("derived"), "a file").unwrap();
        },
        |path| {
            let data = fs::File::options().write(true).open(path.join("derived/data.mdb"));
            data.unwrap().set_len(40_960).unwrap();
        },
        |path| {
            let data = fs::File::options().write(true).open(path.join("derived/data.mdb"));
            data.unwrap().write_all_at(&[0; 4096], 0).unwrap();
        },
    ];
    for (number, spoil) in spoils.into_iter().enumerate() {
        let directory = TempDir::new().unwrap();
        fill(&open(&directory));
        spoil(directory.path());
        let store = open(&directory);
        assert_eq!(count(&store, Table::Runs).unwrap(), KEYS, "{number}");
        assert_eq!(count(&store, Table::FoldIndex).unwrap(), 0, "{number}");
        assert_eq!(store.condition().set_aside.len(), 1, "{number}");
        fill(&store);
    }
}

#[test]
fn a_store_that_was_not_closed_has_its_derived_pages_checked() {
    let directory = TempDir::new().unwrap();
    fill(&open(&directory));
    damage(&directory, Area::Derived);
    fs::write(directory.path().join("laterbase.open"), "open").unwrap();
    let store = open(&directory);
    assert_eq!(store.condition().set_aside.len(), 1);
    drop(store);
    assert!(!directory.path().join("laterbase.open").exists());
}
