//! The house rules that neither the compiler nor clippy checks.

mod layers;
mod links;
mod manifests;
mod rust_source;
mod tree;
mod words;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

use self::tree::TextFile;
use crate::command;

/// A broken rule and where.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// Relative to the workspace.
    path: PathBuf,
    /// From 1.
    line: usize,
    reason: String,
}

impl Finding {
    fn new(path: &Path, line: usize, reason: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, reason: reason.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.reason)
    }
}

/// Packages with a choice of their features, as `--features` takes it, that programs may take.
pub(crate) fn choices() -> impl Iterator<Item = (&'static str, &'static str)> {
    layers::CHOICES.iter().map(|choice| (choice.package, choice.features))
}

/// Checks the whole workspace; prints every finding and fails if there is one.
pub(crate) fn run() -> Result<()> {
    let files = tree::text_files(command::root())?;
    let mut findings = layers::check(&files)?;
    for file in &files {
        findings.extend(check_file(file, &files));
    }
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("tidy has {} findings", findings.len());
    }
    println!("{} files are tidy", files.len());
    Ok(())
}

/// The checks that look at one file; `files` are all there are, for links between them.
fn check_file(file: &TextFile, files: &[TextFile]) -> Vec<Finding> {
    let mut findings = words::check(file);
    let extension = file.path.extension().and_then(|extension| extension.to_str());
    match extension {
        Some("rs") => findings.extend(rust_source::check(file)),
        Some("md") => findings.extend(links::check(file, files)),
        _ if manifests::is_member(&file.path) => findings.extend(manifests::check(file)),
        _ => {}
    }
    findings
}
