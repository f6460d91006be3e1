#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn configuration() -> toml::Table {
    fs::read_to_string(command::root().join("deny.toml")).unwrap().parse().unwrap()
}

/// Leaving the flag out would let pip take whatever an index has under the name.
#[test]
fn what_is_fetched_is_known_by_its_version_and_by_a_checksum() {
    let (package, checksums) = REQUIREMENTS.split_once(" \\\n").unwrap();
    let package = package.lines().last().unwrap();
    assert!(package.split_once("==").is_some_and(|(_, version)| !version.is_empty()), "{package}");
    for line in checksums.lines() {
        let digits = line.trim().trim_end_matches(" \\").strip_prefix("--hash=sha256:").unwrap();
        assert_eq!(digits.len(), 64, "{line}");
    }
}

#[test]
fn sources_are_the_public_registry_alone() {
    let sources = &configuration()["sources"];
    for kind in ["unknown-registry", "unknown-git"] {
        assert_eq!(sources[kind].as_str(), Some("deny"), "{kind}");
    }
    assert!(sources["allow-git"].as_array().unwrap().is_empty());
    assert_eq!(sources["allow-registry"].as_array().unwrap().len(), 1);
}

/// Where `cargo-deny` is: a licence that is not allowed fails the check.
#[test]
fn a_licence_that_is_not_in_the_list_is_an_error() {
    let Some(program) = found(&super::folder().unwrap()) else {
        println!("left out: there is no cargo-deny");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("deny.toml", "[licenses]\nallow = [\"MIT\"]\n");
    write("lib.rs", "");
    write("Cargo.lock", "version = 4\n[[package]]\nname = \"sample\"\nversion = \"1.0.0\"\n");
    for (licence, is_allowed) in [("MIT", true), ("GPL-3.0-only", false)] {
        let manifest = format!(
            "[package]\nname = \"sample\"\nversion = \"1.0.0\"\nlicense = \"{licence}\"\n\
             [lib]\npath = \"lib.rs\"\n[workspace]\n"
        );
        write("Cargo.toml", &manifest);
        assert_eq!(check_by(&program, folder.path()).is_ok(), is_allowed, "{licence}");
    }
}
