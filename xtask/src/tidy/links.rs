//! Links in Markdown that lead to files of the workspace.

use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
};

use super::{Finding, tree::TextFile};

#[cfg(test)]
mod tests;

/// Every relative link must lead to a file or folder that is there, and its `#fragment` to a
/// heading. Links with a scheme (`https:`, `mailto:`) are not followed.
pub(super) fn check(file: &TextFile, files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in prose(file) {
        for target in targets(&line) {
            if let Some(reason) = problem(file, &target, files) {
                findings.push(Finding::new(&file.path, number, reason));
            }
        }
    }
    findings
}

/// The lines outside code blocks, without their code spans.
fn prose(file: &TextFile) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (number, line) in file.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            // Between backticks is every second piece.
            lines.push((number, line.split('`').step_by(2).collect()));
        }
    }
    lines
}

/// The targets of inline links (`[text](target "title")`) and of definitions (`[text]: target`).
fn targets(line: &str) -> Vec<String> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let definition =
        line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target);
    inline
        .chain(definition)
        .filter_map(|target| target.split_whitespace().next())
        .map(|target| target.trim_matches(['<', '>']).to_owned())
        .collect()
}

/// What is wrong with a link in `file`, if anything.
fn problem(file: &TextFile, target: &str, files: &[TextFile]) -> Option<String> {
    let scheme = target.split('/').next().is_some_and(|start| start.contains(':'));
    if scheme {
        return None;
    }
    let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { file.path.clone() } else { resolve(&file.path, path)? };
    let Some(found) = files.iter().find(|other| other.path.starts_with(&path)) else {
        return Some(format!("link to `{target}`: there is no {}", path.display()));
    };
    if fragment.is_empty() || headings(found).contains(fragment) {
        return None;
    }
    Some(format!("link to `{target}`: {} has no such heading", path.display()))
}

/// `target` as seen from the file at `from`. `None`: it leads out of the workspace, where
/// nothing is known.
fn resolve(from: &Path, target: &str) -> Option<PathBuf> {
    let mut path = from.parent()?.to_owned();
    for component in Path::new(target).components() {
        match component {
            Component::ParentDir => {
                if !path.pop() {
                    return None;
                }
            }
            Component::Normal(name) => path.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Some(path)
}

/// The anchors that a forge gives to the headings of `file`.
fn headings(file: &TextFile) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut fenced = false;
    for (_, line) in file.lines() {
        fenced ^= line.starts_with("```");
        let title = line.trim_start_matches('#');
        if fenced || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let anchor = title.trim().to_lowercase().replace(' ', "-");
        anchors
            .insert(anchor.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect());
    }
    anchors
}
