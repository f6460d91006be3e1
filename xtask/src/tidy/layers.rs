//! Which package may depend on which.

use std::path::PathBuf;

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
const LAYERS: [Layer; 11] = [
    Layer { package: HTTP_DATE, uses: &[], tests_use: &[] },
    Layer { package: CORE, uses: &[], tests_use: &[] },
    Layer { package: DIRECTORY, uses: &[CORE], tests_use: &[] },
    Layer { package: SCHEMA, uses: &[CORE], tests_use: &[] },
    Layer { package: TESTKIT, uses: &[CORE, DIRECTORY], tests_use: &[LMDB, ROCKS] },
    Layer { package: LMDB, uses: &[CORE, DIRECTORY], tests_use: &[TESTKIT] },
    Layer { package: ROCKS, uses: &[CORE, DIRECTORY], tests_use: &[TESTKIT] },
    Layer {
        package: "laterbase-client",
        uses: &[HTTP_DATE, CORE, DIRECTORY, SCHEMA, LMDB, ROCKS],
        tests_use: &[TESTKIT, "laterbase-server"],
    },
    Layer {
        package: "laterbase-server",
        uses: &[HTTP_DATE, CORE, DIRECTORY, SCHEMA, LMDB, ROCKS, "laterbase-client"],
        tests_use: &[TESTKIT],
    },
    Layer {
        package: BENCHES,
        uses: &[CORE, DIRECTORY, LMDB, ROCKS, TESTKIT, "laterbase-client", "laterbase-server"],
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
const BENCHES: &str = "laterbase-benches";

/// Each engine and the one package, beside the benches, that knows it.
const ENGINES: [(&str, &str); 2] = [("heed", LMDB), ("rocksdb", ROCKS)];

/// Everything that core is built from, on any system. None of it opens a file or a socket, starts
/// a thread or reads a clock on core's behalf; whoever adds a line has looked.
const CORE_IS_BUILT_FROM: [&str; 28] = [
    "laterbase-core",
    // Formats and checksums, and what they need.
    "base64",
    "bincode",
    "unty",
    "blake3",
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
    let mut tree = command::cargo();
    tree.args(["tree", "--package", CORE, "--edges", "normal,no-proc-macro"]);
    tree.args(["--target", "all", "--prefix", "none", "--format", "{p}"]);

    let mut problems: Vec<_> = metadata.packages.iter().flat_map(problems).collect();
    problems.extend(strangers(&command::output(&mut tree)?));
    Ok(problems.into_iter().map(|problem| problem.locate(files)).collect())
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

/// What core is built from beyond the list, from `cargo tree`'s lines `name v1.0.0 …`.
fn strangers(tree: &str) -> Vec<Problem> {
    let mut names: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter(|name| !name.is_empty() && !CORE_IS_BUILT_FROM.contains(name))
        .map(|name| Problem {
            package: CORE.to_owned(),
            dependency: name.to_owned(),
            reason: "not in the list of what core is built from (xtask/src/tidy/layers.rs)",
        })
        .collect()
}
