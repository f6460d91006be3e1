//! Clauses about stores that must not be opened.

use std::fs;
use std::path::Path;

use laterbase_core::store::{Store as _, Table};
use laterbase_directory::{Directory, OpenError, Stamp};

use super::contents::{keys, put_keys};
use super::{Harness, Verdict};

const NO_DIRECTORY: Verdict = Verdict::Skipped("the backend has no directory");

/// A store that is open cannot be opened a second time, until the first one is dropped.
///
/// That another process is kept out too is seen by the clause about the killed writer.
///
/// Catches: a lock that is missing, that a process does not hold against itself, or that outlives
/// the store.
pub fn a_second_opener_is_refused<H: Harness>() -> Verdict {
    let harness = H::fresh();
    if harness.directory().is_none() {
        return NO_DIRECTORY;
    }
    let first = harness.open().expect("a fresh store opens");
    let second = harness.open().err();
    assert!(matches!(second, Some(OpenError::Locked { .. })), "{second:?}");
    put_keys(&first, Table::Meta, &[b"still open"]);
    drop(first);
    let again = harness.open().expect("the store opens when the first is gone");
    assert_eq!(keys(&again, Table::Meta), [b"still open"]);
    Verdict::Held
}

/// A directory that another engine wrote is refused by name, and left alone.
///
/// Catches: a stamp that is not looked at, or is written anew.
pub fn another_engine_is_refused<H: Harness>() -> Verdict {
    const OTHER: Stamp = Stamp { engine: "no-such-engine", format: 1 };
    let harness = H::fresh();
    let Some(path) = harness.directory() else { return NO_DIRECTORY };
    drop(Directory::open(path, OTHER).expect("the other engine opens it"));
    let error = harness.open().err();
    match &error {
        Some(OpenError::WrongEngine { found, .. }) => assert_eq!(found, OTHER.engine),
        _ => panic!("opened as if it were its own: {error:?}"),
    }
    drop(Directory::open(path, OTHER).expect("the other engine opens it again"));
    Verdict::Held
}

/// A directory that a newer version wrote is refused.
///
/// Catches: a format that is not looked at.
pub fn a_newer_format_is_refused<H: Harness>() -> Verdict {
    let engine = {
        let harness = H::fresh();
        harness.open().expect("a fresh store opens").engine()
    };
    let harness = H::fresh();
    let Some(path) = harness.directory() else { return NO_DIRECTORY };
    drop(Directory::open(path, Stamp { engine, format: u32::MAX }).expect("a stamp is written"));
    let error = harness.open().err();
    assert!(matches!(error, Some(OpenError::OtherFormat { found: u32::MAX, .. })), "{error:?}");
    Verdict::Held
}

/// A path that is that of a file is an error, and the file stays.
///
/// Catches: a panic, and a file that is replaced.
pub fn a_file_in_the_way_is_an_error<H: Harness>() -> Verdict {
    let harness = H::fresh();
    let Some(path) = harness.directory() else { return NO_DIRECTORY };
    if path.exists() {
        fs::remove_dir_all(path).expect("the fresh directory can be removed");
    }
    fs::write(path, "a file").expect("a file can be written in its place");
    let error = harness.open().err();
    assert!(matches!(error, Some(OpenError::NotADirectory { .. })), "{error:?}");
    assert_eq!(fs::read_to_string(path).expect("the file is there"), "a file");
    Verdict::Held
}

/// A store says where it lives: the same wherever it is opened again, also after writes to it, and
/// another in a copy.
///
/// Catches: a home that every store has, that a copy has too, or that changes by itself. Each would
/// have two replicas write under one id, or one take a new id at every start.
pub fn a_copy_lives_elsewhere<H: Harness>() -> Verdict {
    let (harness, other) = (H::fresh(), H::fresh());
    let (Some(path), Some(copy)) = (harness.directory(), other.directory()) else {
        return NO_DIRECTORY;
    };
    let store = harness.open().expect("a fresh store opens");
    let home = store.home().expect("it can be looked at");
    put_keys(&store, Table::Meta, &[b"something"]);
    store.sync().expect("it is synced");
    drop(store);
    let store = harness.open().expect("it opens again");
    assert_eq!(store.home().expect("it can be looked at"), home);
    drop(store);
    if copy.exists() {
        fs::remove_dir_all(copy).expect("the fresh directory can be removed");
    }
    copy_all(path, copy);
    let store = other.open().expect("a copy opens");
    assert_ne!(store.home().expect("it can be looked at"), home);
    assert_eq!(keys(&store, Table::Meta), [b"something"]);
    Verdict::Held
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("the store is a folder") {
        let entry = entry.expect("it can be listed");
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_all(&source, &target);
        } else {
            fs::copy(&source, &target).expect("a file can be copied");
        }
    }
}
