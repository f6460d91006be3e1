//! The files of the workspace.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

#[cfg(test)]
mod tests;

/// Folders that hold nothing of ours: what builds and runs leave behind, and the history.
const FOREIGN_FOLDERS: [&str; 4] = ["target", ".git", "laterbase-data", "node_modules"];

/// Files that programs write. In a second working tree, `.git` is a file.
const FOREIGN_FILES: [&str; 2] = ["Cargo.lock", ".git"];

/// A file of text.
#[derive(Debug)]
pub(super) struct TextFile {
    /// Relative to the workspace.
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl TextFile {
    #[cfg(test)]
    pub(super) fn sample(path: &str, text: &str) -> Self {
        Self { path: PathBuf::from(path), text: text.to_owned() }
    }

    /// The lines with their numbers, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The number of the first line that contains `needle`, else 1.
    pub(super) fn line_of(&self, needle: &str) -> usize {
        self.lines().find(|(_, line)| line.contains(needle)).map_or(1, |(number, _)| number)
    }
}

/// All files below `root` that are UTF-8, and pictures, sorted by path.
pub(super) fn text_files(root: &Path) -> Result<Vec<TextFile>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder);
        for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
            let entry = entry?;
            let name = entry.file_name();
            let is = |names: &[&str]| names.iter().any(|other| name == *other);
            let kind = entry.file_type()?;
            if kind.is_dir() && !is(&FOREIGN_FOLDERS) {
                folders.push(entry.path());
            } else if kind.is_file() && !is(&FOREIGN_FILES) {
                files.extend(text_file(root, &entry.path())?);
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The file if it is UTF-8, or a picture: pages link to those, and they have no text.
fn text_file(root: &Path, path: &Path) -> Result<Option<TextFile>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let is_picture = path.extension().is_some_and(|extension| extension == "png");
    let text = if is_picture { Ok(String::new()) } else { String::from_utf8(bytes) };
    let Ok(text) = text else { return Ok(None) };
    Ok(Some(TextFile { path: path.strip_prefix(root)?.to_owned(), text }))
}
