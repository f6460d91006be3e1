use std::fs;
use std::path::Path;
use std::process::Command;

use laterbase_directory::{Directory, Stamp};
use tempfile::TempDir;

const STAMP: Stamp = Stamp { engine: "any", format: 1 };

fn home(path: &Path) -> [u8; 32] {
    Directory::open(path, STAMP).unwrap().home(&[]).unwrap()
}

fn run(program: &str, arguments: &[&str], paths: &[&Path]) {
    let status = Command::new(program).args(arguments).args(paths).status();
    assert!(status.unwrap().success(), "{program} {arguments:?} {paths:?}");
}

#[test]
fn a_store_that_stays_or_moves_as_a_whole_keeps_its_home() {
    let root = TempDir::new().unwrap();
    let (path, moved) = (root.path().join("store"), root.path().join("moved"));
    let before = home(&path);
    assert_eq!(home(&path), before);
    fs::rename(&path, &moved).unwrap();
    assert_eq!(home(&moved), before);
}

#[test]
fn a_faithful_copy_has_another_home() {
    let root = TempDir::new().unwrap();
    let (path, copy) = (root.path().join("store"), root.path().join("copy"));
    let before = home(&path);
    run("cp", &["-a"], &[&path, &copy]);
    assert_ne!(home(&copy), before);
    assert_eq!(home(&path), before, "the original is not disturbed");
}

#[test]
fn a_backup_unpacked_in_place_has_another_home() {
    let root = TempDir::new().unwrap();
    let (path, backup) = (root.path().join("store"), root.path().join("backup.tar"));
    let before = home(&path);
    run(
        "tar",
        &["-C", root.path().to_str().unwrap(), "-cf", backup.to_str().unwrap(), "store"],
        &[],
    );
    run("tar", &["-C", root.path().to_str().unwrap(), "-xf", backup.to_str().unwrap()], &[]);
    assert_ne!(home(&path), before);
}

#[test]
fn a_backup_copied_over_the_files_in_place_has_another_home() {
    let root = TempDir::new().unwrap();
    let (path, backup) = (root.path().join("store"), root.path().join("backup"));
    let before = home(&path);
    run("cp", &["-a"], &[&path, &backup]);
    run("cp", &["-a", "-T"], &[&backup, &path]);
    assert_ne!(home(&path), before);
}

#[test]
fn a_lost_identity_file_gives_another_home() {
    let root = TempDir::new().unwrap();
    let before = home(root.path());
    fs::remove_file(root.path().join("laterbase.identity")).unwrap();
    assert_ne!(home(root.path()), before);
}

#[test]
fn a_replaced_anchor_gives_another_home() {
    let root = TempDir::new().unwrap();
    let directory = Directory::open(root.path(), STAMP).unwrap();
    let (anchor, copy) = (root.path().join("data"), root.path().join("copy"));
    fs::write(&anchor, "1").unwrap();
    let before = directory.home(&["data"]).unwrap();
    fs::write(&anchor, "2").unwrap();
    assert_eq!(directory.home(&["data"]).unwrap(), before, "content is not looked at");
    fs::copy(&anchor, &copy).unwrap();
    fs::rename(&copy, &anchor).unwrap();
    assert_ne!(directory.home(&["data"]).unwrap(), before);
}
