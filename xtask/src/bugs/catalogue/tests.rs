#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn a_patch_says_what_it_does_and_what_finds_it() {
    let text =
        "Does harm.\nFound by: sim 20\nFound by: test some-package a_name\n\n--- a/x\n+++ b/x\n";
    let bug = parse("01-harm", text, PathBuf::new()).unwrap();
    assert_eq!((bug.name.as_str(), bug.does.as_str()), ("01-harm", "Does harm."));
    let finders: Vec<String> = bug.finders.iter().map(Finder::to_string).collect();
    assert_eq!(finders, ["sim 20", "test some-package a_name"]);
}

#[test]
fn a_patch_that_says_too_little_is_an_error() {
    for text in [
        "",
        "Does harm.\n\n--- a/x\n",
        "Does harm.\nFound by: luck\n\n--- a/x\n",
        "Does harm.\nFound by: sim many\n\n--- a/x\n",
        "Does harm.\nFound by: sim 20\n",
    ] {
        assert!(parse("01", text, PathBuf::new()).is_none(), "{text:?}");
    }
}

/// There are enough of them, and each is read.
#[test]
fn the_catalogue_is_large() {
    assert!(read(&[]).unwrap().len() >= 30);
    assert_eq!(read(&["ack-before-commit".to_owned()]).unwrap().len(), 1);
    assert!(read(&["no such bug".to_owned()]).is_err());
}
