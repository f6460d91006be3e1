use std::fs;

use laterbase_directory::{Directory, OpenError, Stamp};
use tempfile::TempDir;

const STAMP: Stamp = Stamp { engine: "first", format: 3 };

#[test]
fn a_new_directory_is_made_with_its_parents_and_opens_again() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("a/b/store");
    drop(Directory::open(&path, STAMP).unwrap());
    let directory = Directory::open(&path, STAMP).unwrap();
    assert_eq!(directory.path(), path);
    let stamp = fs::read_to_string(path.join("laterbase.stamp")).unwrap();
    assert_eq!(stamp, "engine = first\nformat = 3\n");
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_done() {
    let root = TempDir::new().unwrap();
    let first = Directory::open(root.path(), STAMP).unwrap();
    let second = Directory::open(root.path(), STAMP);
    assert!(matches!(second, Err(OpenError::Locked { .. })), "{second:?}");
    drop(first);
    Directory::open(root.path(), STAMP).unwrap();
}

#[test]
fn another_engine_is_refused_by_name() {
    let root = TempDir::new().unwrap();
    drop(Directory::open(root.path(), STAMP).unwrap());
    let other = Directory::open(root.path(), Stamp { engine: "second", format: 3 });
    let error = other.unwrap_err();
    assert!(matches!(error, OpenError::WrongEngine { asked: "second", .. }), "{error:?}");
    assert!(error.to_string().contains("`first`"), "{error}");
}

#[test]
fn another_format_is_refused_be_it_older_or_newer() {
    let root = TempDir::new().unwrap();
    drop(Directory::open(root.path(), STAMP).unwrap());
    for supported in [2, 4] {
        let other = Directory::open(root.path(), Stamp { format: supported, ..STAMP });
        let Err(OpenError::OtherFormat { found, supported: known, .. }) = other else {
            panic!("{other:?}");
        };
        assert_eq!((found, known), (3, supported));
    }
}

#[test]
fn lines_that_later_versions_may_add_are_skipped() {
    let root = TempDir::new().unwrap();
    let text = "written by = the future\nformat=3\n\n# a note\nengine  =  first\n";
    fs::write(root.path().join("laterbase.stamp"), text).unwrap();
    Directory::open(root.path(), STAMP).unwrap();
}

#[test]
fn a_damaged_stamp_is_an_error_and_stays_as_it_is() {
    let long = "engine = first\nformat = 3\n".repeat(1_000);
    for text in ["", "engine = first\n", "engine = first\nformat = three\n", "\0\u{1}", &long] {
        let root = TempDir::new().unwrap();
        let path = root.path().join("laterbase.stamp");
        fs::write(&path, text).unwrap();
        let opened = Directory::open(root.path(), STAMP);
        assert!(matches!(opened, Err(OpenError::Damaged { .. })), "{text:?}: {opened:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn a_file_is_not_a_directory() {
    let root = TempDir::new().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "text").unwrap();
    for path in [file.clone(), file.join("below")] {
        let opened = Directory::open(&path, STAMP);
        assert!(matches!(opened, Err(OpenError::NotADirectory { .. })), "{opened:?}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "text");
}

#[test]
fn a_directory_with_other_files_is_not_taken_over() {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("thesis.txt"), "years of work").unwrap();
    let opened = Directory::open(root.path(), STAMP);
    assert!(matches!(opened, Err(OpenError::NotAStore { .. })), "{opened:?}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "nothing was added");
}

#[test]
fn the_root_of_a_new_volume_and_an_attempt_cut_short_are_taken() {
    let root = TempDir::new().unwrap();
    fs::create_dir(root.path().join("lost+found")).unwrap();
    fs::write(root.path().join("laterbase.stamp.new"), "engine = fi").unwrap();
    Directory::open(root.path(), STAMP).unwrap();
}

#[test]
fn free_bytes_are_known_for_a_real_file_system() {
    let root = TempDir::new().unwrap();
    let directory = Directory::open(root.path(), STAMP).unwrap();
    assert!(directory.free_bytes().unwrap() > 0);
}
