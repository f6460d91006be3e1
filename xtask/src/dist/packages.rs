//! The packages that are linked into the programs, as Cargo resolves them and `Cargo.lock` fixes
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{PACKAGES, target::Target};
use crate::command;

/// A package at its version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) name: String,
    pub(super) version: String,
}

/// What is known of one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Package {
    /// In SPDX's terms.
    pub(super) licence: String,
    /// SHA-256 of the file that the registry has; nothing for the packages of the workspace.
    pub(super) checksum: Option<String>,
    pub(super) needs: BTreeSet<Name>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Packages(pub(super) BTreeMap<Name, Package>);

impl Packages {
    /// What the programs for `target` hold: no macros, no build scripts, nothing of tests.
    pub(super) fn linked_into(target: Target) -> Result<Self> {
        let mut tree = command::cargo();
        tree.args(["tree", "--locked", "--edges", "normal,no-proc-macro"]);
        tree.args(["--target", &target.triple(), "--prefix", "depth", "--format", "|{p}|{l}"]);
        tree.args(PACKAGES.map(|package| format!("--package={package}")));
        let mut packages = Self::read(&command::output(&mut tree)?)?;
        packages.take_checksums(&fs::read_to_string(command::root().join("Cargo.lock"))?)?;
        Ok(packages)
    }

    /// Reads lines such as `2|zstd v0.13.3|MIT`, each below the last one of a smaller depth.
    pub(super) fn read(tree: &str) -> Result<Self> {
        let mut packages = Self::default();
        let mut above: Vec<Name> = Vec::new();
        for line in tree.lines().filter(|line| !line.is_empty()) {
            let (depth, name, licence) =
                parse(line).with_context(|| format!("cargo tree said {line:?}"))?;
            if depth > above.len() {
                bail!("cargo tree said {line:?} below nothing");
            }
            above.truncate(depth);
            if let Some(user) = above.last() {
                packages.0.entry(user.clone()).or_default().needs.insert(name.clone());
            }
            packages.0.entry(name.clone()).or_default().licence = licence;
            above.push(name);
        }
        Ok(packages)
    }

    fn take_checksums(&mut self, lock: &str) -> Result<()> {
        let lock: Lock = toml::from_str(lock)?;
        let checksums: BTreeMap<_, _> = lock.package.into_iter().map(Locked::split).collect();
        for (name, package) in &mut self.0 {
            let at = || format!("{} {} is not in Cargo.lock", name.name, name.version);
            package.checksum.clone_from(checksums.get(name).with_context(at)?);
        }
        Ok(())
    }
}

fn parse(line: &str) -> Option<(usize, Name, String)> {
    let mut fields = line.split('|');
    let depth = fields.next()?.parse().ok()?;
    let mut package = fields.next()?.split(' ');
    let name = package.next()?.to_owned();
    let version = package.next()?.strip_prefix('v')?.to_owned();
    // What stood above already has a mark, and not what it needs.
    let licence = fields.next()?.trim_end_matches(" (*)");
    // The way in which it was written before SPDX.
    let licence = licence.replace(" / ", " OR ").replace('/', " OR ");
    Some((depth, Name { name, version }, licence))
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

impl Locked {
    fn split(self) -> (Name, Option<String>) {
        (Name { name: self.name, version: self.version }, self.checksum)
    }
}
