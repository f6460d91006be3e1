//! What every package inherits from the workspace, so that it is written once.

use std::path::Path;

use toml::{Table, Value};

use super::{Finding, tree::TextFile};

#[cfg(test)]
mod tests;

/// Keys of `[package]` that come from the workspace.
const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "repository"];

/// Keys of `[package]` by which a package that is published is found and understood.
const SAID: [&str; 4] = ["description", "readme", "keywords", "categories"];

/// The package that stands in for one of another project, and so has that one's version.
const STANDS_IN: &str = "httpdate";

/// Tables of dependencies.
const DEPENDENCIES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// True for the manifest of a member: `folder/Cargo.toml`.
pub(super) fn is_member(path: &Path) -> bool {
    path.ends_with("Cargo.toml") && path.components().count() == 2
}

pub(super) fn check(file: &TextFile) -> Vec<Finding> {
    let manifest = match file.text.parse::<Table>() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::new(&file.path, 1, error.to_string())],
    };
    // A workspace of its own has nothing to inherit: `fuzz`.
    if manifest.contains_key("workspace") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut find = |needle: &str, reason: String| {
        findings.push(Finding::new(&file.path, file.line_of(needle), reason));
    };
    let has_own_version = file.path.starts_with(STANDS_IN);
    for key in INHERITED.into_iter().filter(|key| !(has_own_version && *key == "version")) {
        if !is_inherited(manifest.get("package").and_then(|package| package.get(key))) {
            find(key, format!("`{key}.workspace = true` is missing"));
        }
    }
    let package = manifest.get("package");
    let says = |key: &str| package.and_then(|package| package.get(key));
    let is_published = says("publish") != Some(&Value::Boolean(false));
    for key in SAID.into_iter().filter(|key| is_published && says(key).is_none()) {
        find("[package]", format!("`{key}` is missing, and the package is published"));
    }
    if !is_inherited(manifest.get("lints")) {
        find("[lints]", "`[lints]` with `workspace = true` is missing".to_owned());
    }
    for kind in DEPENDENCIES {
        let table = manifest.get(kind).and_then(Value::as_table);
        for (name, dependency) in table.into_iter().flatten() {
            if !is_inherited(Some(dependency)) {
                find(name, format!("`{name}` has a version of its own: use `workspace = true`"));
            }
        }
    }
    findings
}

fn is_inherited(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")) == Some(&Value::Boolean(true))
}
