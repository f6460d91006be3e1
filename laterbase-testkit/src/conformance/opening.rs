//! Clauses about stores that must not be opened.

use std::fs;

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
