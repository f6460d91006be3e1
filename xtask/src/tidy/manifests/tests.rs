use std::path::Path;

use super::{check, is_member};
use crate::tidy::tree::TextFile;

const GOOD: &str = r#"[package]
name = "laterbase-core"
description = "Events"
readme = "README.md"
keywords = ["event-sourcing"]
categories = ["data-structures"]
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
repository.workspace = true

[lints]
workspace = true

[dependencies]
serde.workspace = true
heed = { workspace = true, optional = true }

[dev-dependencies]
proptest.workspace = true
"#;

/// Changes `from` into `to` in a good manifest and expects one finding at `line`.
#[track_caller]
fn check_spoilt(from: &str, to: &str, line: usize) {
    assert!(GOOD.contains(from));
    let findings = check(&TextFile::sample("a/Cargo.toml", &GOOD.replace(from, to)));
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].line, line, "{findings:?}");
}

#[test]
fn a_manifest_that_inherits_everything_passes() {
    assert_eq!(check(&TextFile::sample("a/Cargo.toml", GOOD)), []);
}

#[test]
fn a_manifest_with_something_of_its_own_is_found() {
    check_spoilt("edition.workspace = true", "edition = \"2021\"", 8);
    check_spoilt("\nversion.workspace = true", "\nversion = \"1.0.0\"", 7);
    check_spoilt("license.workspace = true\n", "", 1);
    check_spoilt("[lints]\nworkspace = true", "[lints]\nworkspace = false", 13);
    check_spoilt("serde.workspace = true", "serde = \"1\"", 17);
    check_spoilt("proptest.workspace = true", "proptest = { version = \"1\" }", 21);
    check_spoilt("name = \"laterbase-core\"", "name = laterbase", 1);
}

#[test]
fn a_published_package_says_what_it_is() {
    check_spoilt("readme = \"README.md\"\n", "", 1);
    check_spoilt("keywords = [\"event-sourcing\"]\n", "", 1);
    let unpublished = "categories = [\"data-structures\"]\n";
    let text = GOOD.replace(unpublished, "publish = false\n");
    assert_eq!(check(&TextFile::sample("a/Cargo.toml", &text)), []);
}

#[test]
fn a_workspace_of_its_own_inherits_nothing() {
    let text = "[package]\nname = \"a\"\nversion = \"1.0.0\"\n\n[workspace]\n";
    assert_eq!(check(&TextFile::sample("a/Cargo.toml", text)), []);
}

#[test]
fn only_the_manifests_of_members_are_meant() {
    assert!(is_member(Path::new("laterbase-core/Cargo.toml")));
    assert!(!is_member(Path::new("Cargo.toml")));
    assert!(!is_member(Path::new("laterbase-core/rustfmt.toml")));
}
