#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn a_copy_is_broken_and_made_whole_again() {
    let folder = tempfile::tempdir().unwrap();
    let (original, place) = (folder.path().join("original"), folder.path().join("copy"));
    fs::create_dir_all(original.join("src")).unwrap();
    fs::create_dir_all(original.join("target")).unwrap();
    fs::write(original.join("src/a.txt"), "one\ntwo\nthree\n").unwrap();
    fs::write(original.join("target/built"), "").unwrap();
    let copy = Copy::of(&original, &place).unwrap();
    assert!(!place.join("target").exists());

    let patch = folder.path().join("bug.patch");
    let lines = "--- a/src/a.txt\n+++ b/src/a.txt\n@@ -2,2 +2,2 @@\n-two\n+2\n three\n";
    fs::write(&patch, format!("Does harm.\n\n{lines}")).unwrap();
    copy.apply(&patch).unwrap();
    assert_eq!(fs::read_to_string(place.join("src/a.txt")).unwrap(), "one\n2\nthree\n");
    assert!(copy.apply(&patch).is_err(), "it is applied already");

    fs::write(place.join("src/new.txt"), "").unwrap();
    copy.restore().unwrap();
    assert_eq!(fs::read_to_string(place.join("src/a.txt")).unwrap(), "one\ntwo\nthree\n");
    assert!(!place.join("src/new.txt").exists());
}
