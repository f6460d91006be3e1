//! A copy of the workspace that may be broken.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

/// Folders that are built, or are of the original only.
const LEFT_OUT: [&str; 3] = ["target", ".git", "laterbase-data"];

/// A copy, in a folder of its own.
#[derive(Debug)]
pub(super) struct Copy {
    original: PathBuf,
    folder: PathBuf,
}

impl Copy {
    /// Brings the copy in `folder` up to date. What is the same is not touched, so that Cargo
    /// builds only what has changed.
    pub(super) fn of(original: &Path, folder: &Path) -> Result<Self> {
        let copy = Self { original: original.to_owned(), folder: folder.to_owned() };
        copy.restore()?;
        Ok(copy)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the copy equal to the original again.
    pub(super) fn restore(&self) -> Result<()> {
        mirror(&self.original, &self.folder)
    }

    /// Applies a patch, wherever its lines are now.
    pub(super) fn apply(&self, patch: &Path) -> Result<()> {
        let mut git = Command::new("git");
        git.args(["apply", "-C1"]).arg(patch).current_dir(&self.folder);
        // The copy may lie within a repository, which is not to be asked.
        git.env("GIT_CEILING_DIRECTORIES", self.folder.parent().unwrap_or(&self.folder));
        let output = git.output().context("cannot start git")?;
        if !output.status.success() {
            bail!(
                "{} does not apply: {}",
                patch.display(),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }
}

/// Makes a folder equal to another one, but for what is left out.
fn mirror(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        let target = to.join(&name);
        if kind.is_dir() {
            mirror(&entry.path(), &target)?;
        } else if kind.is_file() {
            let wanted = fs::read(entry.path())?;
            if fs::read(&target).ok().as_ref() != Some(&wanted) {
                fs::write(&target, wanted)?;
            }
        }
    }
    for entry in fs::read_dir(to)? {
        let path = entry?.path();
        let is_ours = path.file_name().is_some_and(|name| from.join(name).exists());
        if !is_ours && path.is_file() {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
