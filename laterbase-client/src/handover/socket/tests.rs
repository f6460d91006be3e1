#![allow(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::MetadataExt as _;

use super::*;

#[test]
fn only_the_owner_may_connect() {
    let directory = tempfile::tempdir().unwrap();
    let _listener = listen(directory.path()).unwrap();
    assert_eq!(fs::metadata(directory.path().join(NAME)).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn what_a_killed_process_left_is_nobody_and_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    assert!(connect(directory.path()).unwrap().is_none());
    drop(listen(directory.path()).unwrap());
    assert!(directory.path().join(NAME).exists());
    assert!(connect(directory.path()).unwrap().is_none());
    let _listener = listen(directory.path()).unwrap();
    assert!(connect(directory.path()).unwrap().is_some());
}

/// The address of a socket holds about a hundred bytes of path.
#[test]
#[cfg(target_os = "linux")]
fn a_store_may_lie_deep() {
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("d".repeat(200)).join("e".repeat(200));
    fs::create_dir_all(&deep).unwrap();
    let listener = listen(&deep).unwrap();
    assert!(connect(&deep).unwrap().is_some());
    drop(listener);
    assert!(connect(&deep).unwrap().is_none());
}
