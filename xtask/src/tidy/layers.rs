//! Which package may depend on which.

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Finding, tree::TextFile};
use crate::command;

#[cfg(test)]
mod tests;

/// A package of the workspace and the others that it may use.
struct Layer {
    package: &'static str,
    /// In what it ships.
    uses: &'static [&'static str],
    /// Beside those, in its tests.
    tests_use: &'static [&'static str],
}

/// From the bottom up; a package without a layer here is a finding.
const LAYERS: [Layer; 12] = [
    Layer { package: HTTP_DATE, uses: &[], tests_use: &[] },
    Layer { package: CORE, uses: &[], tests_use: &[] },
    Layer { package: DIRECTORY, uses: &[CORE], tests_use: &[] },
    Layer { package: SCHEMA, uses: &[CORE], tests_use: &[] },
    Layer { package: TESTKIT, uses: &[CORE, DIRECTORY], tests_use: &[LMDB, ROCKS] },
    Layer { package: LMDB, uses: &[CORE, DIRECTORY], tests_use: &[TESTKIT] },
    Layer { package: ROCKS, uses: &[CORE, DIRECTORY], tests_use: &[TESTKIT] },
    Layer {
        package: CLIENT,
        uses: &[HTTP_DATE, CORE, DIRECTORY, SCHEMA, LMDB, ROCKS],
        tests_use: &[TESTKIT, SERVER],
    },
    Layer {
        package: SERVER,
        uses: &[HTTP_DATE, CORE, DIRECTORY, SCHEMA, LMDB, ROCKS, CLIENT],
        tests_use: &[TESTKIT],
    },
    Layer { package: FACADE, uses: &[CORE, SCHEMA, LMDB, ROCKS, CLIENT, SERVER], tests_use: &[] },
    Layer {
        package: BENCHES,
        uses: &[CORE, DIRECTORY, LMDB, ROCKS, TESTKIT, CLIENT, SERVER],
        tests_use: &[],
    },
    Layer { package: "xtask", uses: &[TESTKIT], tests_use: &[] },
];

const HTTP_DATE: &str = "httpdate";
const CORE: &str = "laterbase-core";
const DIRECTORY: &str = "laterbase-directory";
const SCHEMA: &str = "laterbase-schema";
const TESTKIT: &str = "laterbase-testkit";
const LMDB: &str = "laterbase-store-lmdb";
const ROCKS: &str = "laterbase-store-rocks";
const CLIENT: &str = "laterbase-client";
const SERVER: &str = "laterbase-server";
const FACADE: &str = "laterbase";
const BENCHES: &str = "laterbase-benches";

/// Each engine and the one package, beside the benches, that knows it.
const ENGINES: [(&str, &str); 2] = [("heed", LMDB), ("rocksdb", ROCKS)];

/// Everything that core is built from, on any system. None of it opens a file or a socket, starts
/// a thread or reads a clock on core's behalf; whoever adds a line has looked.
const CORE_IS_BUILT_FROM: [&str; 30] = [
    "laterbase-core",
    // Formats and checksums, and what they need.
    "base64",
    "bincode",
    "unty",
    "blake3",
    "bytes",
    "self_cell",
    "arrayvec",
    "constant_time_eq",
    "cpufeatures",
    "cfg-if",
    "crc32fast",
    "serde",
    "serde_core",
    "serde_json",
    "itoa",
    "memchr",
    "zmij",
    "thiserror",
    // Calendar arithmetic, without its time zone files and its `now`.
    "jiff",
    "jiff-core",
    "portable-atomic",
    "portable-atomic-util",
    // Types of hybrid logical clocks. They bring a source of random ids that core never asks.
    "uhlc",
    "rand",
    "rand_core",
    "getrandom",
    "libc",
    "wasi",
    "spin",
];

/// A package with some of its features, and what it must not link then.
pub(super) struct Choice {
    pub(super) package: &'static str,
    pub(super) features: &'static str,
    without: &'static [&'static str],
}

/// Who takes a part links nothing of the others: a library no command line, and no engine that it
/// does not name. The gate builds each of them.
pub(super) const CHOICES: [Choice; 11] = [
    Choice { package: CLIENT, features: "", without: &["clap", "indicatif", "heed", "rocksdb"] },
    Choice {
        package: CLIENT,
        features: "lmdb",
        without: &["clap", "indicatif", "jsonschema", "rocksdb"],
    },
    Choice { package: CLIENT, features: "cli", without: &["heed", "rocksdb"] },
    Choice { package: SERVER, features: "", without: &["clap", "heed", "rocksdb", "reqwest"] },
    Choice {
        package: SERVER,
        features: "peers",
        without: &["clap", "indicatif", "heed", "rocksdb"],
    },
    Choice {
        package: SERVER,
        features: "backups",
        without: &["clap", "indicatif", "heed", "rocksdb"],
    },
    Choice {
        package: SERVER,
        features: "metrics",
        without: &["clap", "heed", "jsonschema", "rocksdb", "reqwest"],
    },
    Choice {
        package: SERVER,
        features: "console",
        without: &["clap", "heed", "jsonschema", "rocksdb", "reqwest"],
    },
    Choice { package: SERVER, features: "cli,peers", without: &["indicatif", "heed", "rocksdb"] },
    Choice {
        package: FACADE,
        features: "",
        without: &["axum", "clap", "heed", "reqwest", "tokio"],
    },
    Choice {
        package: FACADE,
        features: "server,client,lmdb",
        without: &["clap", "indicatif", "jsonschema", "rocksdb"],
    },
];

/// A package as `cargo metadata` tells it.
#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `None` for what the package ships, else `dev` or `build`.
    kind: Option<String>,
}

/// Checks all packages; `files` give the lines of the findings.
pub(super) fn check(files: &[TextFile]) -> Result<Vec<Finding>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }

    let mut metadata = command::cargo();
    metadata.args(["metadata", "--format-version=1", "--no-deps"]);
    let metadata: Metadata = serde_json::from_str(&command::output(&mut metadata)?)
        .context("cargo metadata is not understood")?;
    let mut problems: Vec<_> = metadata.packages.iter().flat_map(problems).collect();
    problems.extend(strangers(&tree(CORE, "")?));
    for choice in &CHOICES {
        problems.extend(linked_all_the_same(choice, &tree(choice.package, choice.features)?));
    }
    Ok(problems.into_iter().map(|problem| problem.locate(files)).collect())
}

/// What a package with some of its features is built from, on any system: lines `name v1.0.0 …`.
fn tree(package: &str, features: &str) -> Result<String> {
    let mut tree = command::cargo();
    tree.args(["tree", "--package", package, "--no-default-features", "--features", features]);
    tree.args(["--edges", "normal,no-proc-macro", "--target", "all"]);
    command::output(tree.args(["--prefix", "none", "--format", "{p}"]))
}

/// The names in what [`tree`] gives, each once.
fn names(tree: &str) -> BTreeSet<&str> {
    tree.lines().filter_map(|line| line.split(' ').next()).filter(|name| !name.is_empty()).collect()
}

/// A dependency that must not be.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    package: String,
    dependency: String,
    reason: &'static str,
}

impl Problem {
    fn locate(self, files: &[TextFile]) -> Finding {
        let folder = if self.package == BENCHES { "benches" } else { &self.package };
        let path = PathBuf::from(folder).join("Cargo.toml");
        let manifest = files.iter().find(|file| file.path == path);
        let line = manifest.map_or(1, |file| file.line_of(&self.dependency));
        let reason = format!("{} on `{}`: {}", self.package, self.dependency, self.reason);
        Finding::new(&path, line, reason)
    }
}

/// What is wrong with the direct dependencies of `package`.
fn problems(package: &Package) -> Vec<Problem> {
    let problem = |dependency: &str, reason| Problem {
        package: package.name.clone(),
        dependency: dependency.to_owned(),
        reason,
    };
    let Some(layer) = LAYERS.iter().find(|layer| layer.package == package.name) else {
        return vec![problem(&package.name, "a package without a layer in xtask/src/tidy")];
    };
    let mut problems = Vec::new();
    for Dependency { name, kind } in &package.dependencies {
        let ours = LAYERS.iter().any(|layer| layer.package == name);
        let in_tests = kind.as_deref() == Some("dev") && layer.tests_use.contains(&name.as_str());
        if ours && !layer.uses.contains(&name.as_str()) && !in_tests {
            problems.push(problem(name, "not a layer below it"));
        }
        let knows = |(engine, store): &(&str, &str)| name != engine || package.name == *store;
        if package.name != BENCHES && !ENGINES.iter().all(knows) {
            problems.push(problem(name, "only the engine's own store knows it"));
        }
    }
    problems
}

/// What a choice of features links that it must not.
fn linked_all_the_same(choice: &Choice, tree: &str) -> Vec<Problem> {
    let linked = names(tree);
    let without = choice.without.iter().filter(|name| linked.contains(*name));
    without
        .map(|name| Problem {
            package: choice.package.to_owned(),
            dependency: (*name).to_owned(),
            reason: "linked by a choice of features that does not name it (CHOICES in xtask)",
        })
        .collect()
}

/// What core is built from beyond the list.
fn strangers(tree: &str) -> Vec<Problem> {
    names(tree)
        .into_iter()
        .filter(|name| !CORE_IS_BUILT_FROM.contains(name))
        .map(|name| Problem {
            package: CORE.to_owned(),
            dependency: name.to_owned(),
            reason: "not in the list of what core is built from (xtask/src/tidy/layers.rs)",
        })
        .collect()
}
