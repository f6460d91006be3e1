#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn the_major_version_of_node_is_found() {
    assert_eq!(major("v20.11.1\n"), Some(20));
    assert_eq!(major("v8.0.0"), Some(8));
    assert_eq!(major("20"), None);
}

#[test]
fn versions_are_those_that_the_lock_file_pins() {
    let source = command::root().join("benches/peers/pouchdb");
    let lock: serde_json::Value =
        serde_json::from_slice(&fs::read(source.join(LOCK)).unwrap()).unwrap();
    let version = |name: &str| {
        let package = &lock["packages"][format!("node_modules/{name}")];
        format!("{name} {}", package["version"].as_str().unwrap())
    };
    let pinned = ["pouchdb", "pouchdb-server"].map(version);
    assert_eq!(versions(&source).unwrap(), pinned.join(", "));
}

#[test]
fn packages_are_installed_once_npm_is_done_with_the_same_lock_file() {
    let (source, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(source.path().join(LOCK), "1").unwrap();
    let installed = || is_installed(source.path(), folder.path()).unwrap();
    assert!(!installed());
    fs::write(folder.path().join(LOCK), "1").unwrap();
    assert!(!installed(), "npm was stopped before its end");
    fs::create_dir(folder.path().join("node_modules")).unwrap();
    fs::write(folder.path().join("node_modules/.package-lock.json"), "").unwrap();
    assert!(installed());
    fs::write(source.path().join(LOCK), "2").unwrap();
    assert!(!installed(), "other packages are asked for");
}
