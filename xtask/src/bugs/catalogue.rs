//! The patches, and what they say of themselves.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, ensure};

use super::finder::Finder;
use crate::command;

/// Where the patches are.
const FOLDER: &str = "laterbase-testkit/bugs";

const FOUND_BY: &str = "Found by: ";

/// A deliberate bug.
#[derive(Debug)]
pub(super) struct Bug {
    /// The name of its file, without the ending.
    pub(super) name: String,
    pub(super) patch: PathBuf,
    /// What it does, in a sentence.
    pub(super) does: String,
    /// What is said to find it, the quickest first.
    pub(super) finders: Vec<Finder>,
}

/// Reads the bugs whose names contain one of `names`, or all, in the order of their names.
pub(super) fn read(names: &[String]) -> Result<Vec<Bug>> {
    let folder = command::root().join(FOLDER);
    let mut paths = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("{} is missing", FOLDER))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "patch") {
            paths.push(path);
        }
    }
    paths.sort();
    let bugs: Result<Vec<Bug>> = paths.into_iter().map(read_one).collect();
    let mut bugs = bugs?;
    if !names.is_empty() {
        bugs.retain(|bug| names.iter().any(|name| bug.name.contains(name.as_str())));
    }
    ensure!(!bugs.is_empty(), "no bug has such a name");
    Ok(bugs)
}

fn read_one(patch: PathBuf) -> Result<Bug> {
    let name = patch.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    let text = fs::read_to_string(&patch)?;
    parse(&name, &text, patch).with_context(|| format!("{name}.patch says too little of itself"))
}

fn parse(name: &str, text: &str, patch: PathBuf) -> Option<Bug> {
    let head = text.split("\n--- ").next()?;
    let mut lines = head.lines();
    let does = lines.next()?.trim().to_owned();
    let found_by = lines.filter_map(|line| line.strip_prefix(FOUND_BY));
    let finders = found_by.map(|words| words.parse().ok()).collect::<Option<Vec<Finder>>>()?;
    let is_told = !does.is_empty() && !finders.is_empty() && text.contains("\n--- ");
    is_told.then(|| Bug { name: name.to_owned(), patch, does, finders })
}

#[cfg(test)]
mod tests;
