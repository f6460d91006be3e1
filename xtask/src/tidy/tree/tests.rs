#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use super::text_files;

#[test]
fn all_text_is_found_but_for_what_programs_leave_behind() {
    let room = tempfile::tempdir().unwrap();
    for (path, bytes) in [
        ("a/src/lib.rs", "//! Text.".as_bytes()),
        (".ci/run", b"#!/bin/sh"),
        ("a/data.bin", &[0xff, 0xfe]),
        ("a/picture.png", &[0xff, 0xfe]),
        ("target/debug/build.rs", b""),
        ("a/laterbase-data/x.md", b""),
        (".git/config", b""),
        ("Cargo.lock", b""),
    ] {
        let path = room.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let files = text_files(room.path()).unwrap();
    let paths: Vec<_> = files.iter().map(|file| file.path.to_str().unwrap()).collect();
    assert_eq!(paths, [".ci/run", "a/picture.png", "a/src/lib.rs"]);
    assert_eq!((files[1].text.as_str(), files[2].text.as_str()), ("", "//! Text."));
}
