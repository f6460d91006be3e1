#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::process::Command;

use clap::ValueEnum as _;
use serde_json::Value;

use super::*;
use super::{licences::holds_licence, packages::Name, target::asks_for_loader};
use crate::toolchain::answers;

fn packaging(name: &str) -> PathBuf {
    command::root().join("packaging").join(name)
}

#[test]
fn targets_have_the_names_that_are_asked_for() {
    for target in Target::ALL {
        assert_eq!(Target::from_str(&target.triple(), false), Ok(target));
    }
    assert_eq!(Target::X86.triple(), "x86_64-unknown-linux-musl");
    assert_eq!(Target::Arm.package_architecture(), "arm64");
}

#[test]
fn a_version_before_a_release_sorts_before_it_in_debian_too() {
    assert_eq!(debian::version("0.2.0-rc.1"), "0.2.0~rc.1");
    let control = debian::control("1.2.3", Target::Arm, 7);
    assert!(control.contains("\nVersion: 1.2.3\nArchitecture: arm64\n"), "{control}");
    let fields = control.lines().filter(|line| !line.starts_with(' '));
    assert!(fields.clone().all(|line| line.contains(": ")), "{control}");
    assert!(control.ends_with('\n'));
}

#[test]
fn a_tree_of_packages_is_read_with_what_each_needs() {
    let tree = "0|server v0.1.0 (/w/server)|MIT\n\
                1|zstd v0.13.3|MIT / Apache-2.0\n\
                2|zstd-sys v2.0.16+zstd.1.5.7|MIT/Apache-2.0\n\
                1|log v0.4.1|MIT\n\n\
                0|client v0.1.0 (/w/client)|MIT\n\
                1|zstd v0.13.3|MIT / Apache-2.0 (*)\n";
    let packages = Packages::read(tree).unwrap();
    let needs: BTreeMap<&str, Vec<&str>> = packages
        .0
        .iter()
        .map(|(name, package)| {
            (name.name.as_str(), package.needs.iter().map(|name| name.name.as_str()).collect())
        })
        .collect();
    assert_eq!(needs["server"], ["log", "zstd"]);
    assert_eq!(needs["zstd"], ["zstd-sys"]);
    assert_eq!(needs["client"], ["zstd"]);
    let zstd = Name { name: "zstd".into(), version: "0.13.3".into() };
    assert_eq!(packages.0[&zstd].licence, "MIT OR Apache-2.0");
    assert!(Packages::read("1|log v0.4.1|MIT").is_err());
    assert!(Packages::read("0|log 0.4.1|MIT").is_err());
}

/// The bill says of each package what `Cargo.lock` says, and is whole.
#[test]
fn the_bill_of_materials_is_that_of_the_lock_file() {
    let packages = Packages::linked_into(Target::X86).unwrap();
    let bill = bill::bill(&packages, Target::X86, "1.95.0");
    let lock = fs::read_to_string(command::root().join("Cargo.lock")).unwrap();
    let lock: toml::Table = lock.parse().unwrap();
    let locked: BTreeMap<String, Option<&str>> = lock["package"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let text = |key: &str| package.get(key).and_then(toml::Value::as_str);
            let version = text("version").unwrap().replace('+', "%2B");
            (format!("pkg:cargo/{}@{version}", text("name").unwrap()), text("checksum"))
        })
        .collect();
    let mut known = vec!["laterbase"];
    for component in bill["components"].as_array().unwrap() {
        let reference = component["bom-ref"].as_str().unwrap();
        known.push(reference);
        if reference != "rust-std" {
            assert_eq!(
                component["hashes"][0]["content"].as_str(),
                locked[reference],
                "{component}"
            );
        }
        assert!(component["licenses"][0]["expression"].is_string(), "{component}");
    }
    let holds = |name: &str| known.iter().any(|known| known.contains(&format!("/{name}@")));
    for linked in ["laterbase-server", "laterbase-client", "lmdb-master-sys", "zstd-sys", "ring"] {
        assert!(holds(linked), "{linked}");
    }
    for foreign in ["librocksdb-sys", "turmoil", "serde_derive", "cc", "xtask"] {
        assert!(!holds(foreign), "{foreign}");
    }
    for dependency in bill["dependencies"].as_array().unwrap() {
        let needs = dependency["dependsOn"].as_array().unwrap().iter();
        for reference in needs.map(Value::as_str).chain([dependency["ref"].as_str()]) {
            assert!(known.contains(&reference.unwrap()), "{reference:?}");
        }
    }
}

#[test]
fn files_with_licences_are_known_by_their_names() {
    for name in ["LICENSE", "LICENSE-MIT", "license-apache-2.0", "COPYRIGHT", "UNLICENSE.txt"] {
        assert!(holds_licence(name), "{name}");
    }
    for name in ["license.rs", "unlicensed.md", "README.md", "notices", "copying.c"] {
        assert_eq!(holds_licence(name), name == "notices", "{name}");
    }
}

#[test]
fn a_program_that_asks_for_a_loader_is_known() {
    // As short as a program with one entry in its table can be.
    let mut file = vec![0_u8; 0x40 + 56];
    file[..6].copy_from_slice(b"\x7fELF\x02\x01");
    (file[0x20], file[0x36], file[0x38]) = (0x40, 56, 1);
    file[0x40] = 1;
    assert_eq!(asks_for_loader(&file), Some(false));
    file[0x40] = 3;
    assert_eq!(asks_for_loader(&file), Some(true));
    file[0x38] = 0;
    assert_eq!(asks_for_loader(&file), Some(false));
    assert_eq!(asks_for_loader(b"#!/bin/sh\n"), None);
    assert_eq!(asks_for_loader(b"\x7fELF\x02\x01"), None);
}

#[test]
fn a_folder_with_other_things_in_it_is_not_emptied() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    empty(&out).unwrap();
    fs::write(out.join("letters.txt"), "").unwrap();
    let error = empty(&out).unwrap_err().to_string();
    assert!(error.contains("no `cargo xtask dist` has left"), "{error}");
    fs::write(out.join(archive::SUMS), "").unwrap();
    empty(&out).unwrap();
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
}

/// 20 is an exposure of 2.0, of 10.
#[test]
fn the_unit_is_exposed_by_less_than_two_of_ten() {
    if !answers("systemd-analyze".as_ref()) {
        println!("left out: how exposed the unit is, as there is no systemd-analyze");
        return;
    }
    let mut judge = Command::new("systemd-analyze");
    judge.args(["security", "--no-pager", "--offline=true", "--threshold=19"]);
    let judged = judge.arg(packaging("laterbase-server.service")).output().unwrap();
    let said = String::from_utf8_lossy(&judged.stdout);
    assert!(judged.status.success(), "{said}{}", String::from_utf8_lossy(&judged.stderr));
    assert!(said.contains("Overall exposure level"), "{said}");
}

#[test]
fn the_scripts_of_the_package_are_scripts() {
    for name in ["postinst", "prerm", "postrm"] {
        let path = packaging("debian").join(name);
        assert!(Command::new("sh").arg("-n").arg(&path).status().unwrap().success(), "{name}");
        assert!(fs::read_to_string(&path).unwrap().contains("\nset -e\n"), "{name}");
    }
}

/// The story: the first unit let the server have no sockets but those of the network, and no command
/// could hand events over to it.
#[test]
fn the_unit_lets_the_server_have_the_sockets_that_it_listens_on() {
    let unit = fs::read_to_string(packaging("laterbase-server.service")).unwrap();
    let families = unit.lines().find_map(|line| line.strip_prefix("RestrictAddressFamilies="));
    assert_eq!(families, Some("AF_INET AF_INET6 AF_UNIX"));
}
