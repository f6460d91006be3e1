//! The texts of licences that ask to go along with the programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::packages::{Name, Packages};
use crate::command;

/// How files with such texts begin.
const STEMS: [&str; 5] = ["copying", "copyright", "licence", "license", "notice"];

/// C code that packages bring lies this deep: `lmdb/libraries/liblmdb`.
const DEPTH_MAX: u32 = 3;

/// All texts, each once, below the names of the packages that have it.
pub(super) fn texts(packages: &Packages) -> Result<String> {
    let mut users: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut without = BTreeSet::new();
    for (name, folder) in folders(packages)? {
        let mut files = Vec::new();
        gather(&folder, DEPTH_MAX, &mut files)?;
        let package = format!("{} {}", name.name, name.version);
        if files.is_empty() {
            without.insert(format!("{package} ({})", packages.0[&name].licence));
        }
        for file in files {
            let text = String::from_utf8_lossy(&fs::read(&file)?).trim().replace("\r\n", "\n");
            users.entry(text).or_default().insert(package.clone());
        }
    }
    let mut all =
        String::from("What is in these programs, and the licences that it comes under.\n");
    writeln!(all, "The standard library of Rust and musl in it: MIT OR Apache-2.0, and MIT.")?;
    if !without.is_empty() {
        writeln!(all, "\nBy name only, as the package brings no text:")?;
        without.iter().try_for_each(|package| writeln!(all, "  {package}"))?;
    }
    for (text, users) in users {
        let users: Vec<_> = users.into_iter().collect();
        writeln!(all, "\n{}\n{}\n\n{text}", "=".repeat(72), users.join(", "))?;
    }
    Ok(all)
}

/// Where the packages from elsewhere lie.
fn folders(packages: &Packages) -> Result<BTreeMap<Name, PathBuf>> {
    let mut metadata = command::cargo();
    metadata.args(["metadata", "--locked", "--format-version=1", "--all-features"]);
    let metadata: Value = serde_json::from_str(&command::output(&mut metadata)?)?;
    let all = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let folder = |package: &Value| {
        let text = |key: &str| package[key].as_str().map(str::to_owned);
        let name = Name { name: text("name")?, version: text("version")? };
        let is_foreign = packages.0.get(&name).is_some_and(|known| known.checksum.is_some());
        let manifest = PathBuf::from(text("manifest_path")?);
        is_foreign.then(|| (name, manifest.parent().map(Path::to_owned).unwrap_or_default()))
    };
    Ok(all.iter().filter_map(folder).collect())
}

fn gather(folder: &Path, depth: u32, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_file() && holds_licence(&entry.file_name().to_string_lossy()) {
            files.push(entry.path());
        } else if kind.is_dir() && depth > 0 {
            gather(&entry.path(), depth - 1, files)?;
        }
    }
    Ok(())
}

/// True for `LICENSE-MIT` and `COPYRIGHT`; false for the code of a licence, as `license.rs`.
pub(super) fn holds_licence(name: &str) -> bool {
    let name = name.to_lowercase();
    let is_code = [".rs", ".c", ".h", ".py", ".sh", ".json", ".toml"];
    let is_unlicence = name.trim_end_matches(".txt").trim_end_matches(".md") == "unlicense";
    (is_unlicence || STEMS.iter().any(|stem| name.starts_with(stem)))
        && !is_code.iter().any(|ending| name.ends_with(ending))
}
