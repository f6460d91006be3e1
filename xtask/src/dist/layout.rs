//! The folder that an archive is packed from, and that the package and the image take files from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::{PROGRAMS, licences, packages::Packages, target::Target};
use crate::command;

/// Shells with the files that their completions are in.
pub(super) const COMPLETIONS: [(&str, &str); 3] =
    [("bash", "laterbase.bash"), ("zsh", "_laterbase"), ("fish", "laterbase.fish")];

/// What is copied from the workspace.
const DOCUMENTS: [(&str, &str); 7] = [
    ("LICENSE-MIT", "licences/LICENSE-MIT"),
    ("LICENSE-APACHE", "licences/LICENSE-APACHE"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("docs/install.md", "INSTALL.md"),
    ("packaging/server.toml", "server.toml"),
    ("packaging/laterbase-server.service", "laterbase-server.service"),
    ("packaging/Containerfile", "Containerfile"),
];

/// A folder with `bin`, `man/man1`, `completions`, `licences`, and what else there is to say.
#[derive(Debug)]
pub(super) struct Layout(PathBuf);

impl Layout {
    /// Lays it out below `stage`.
    pub(super) fn below(
        stage: &Path,
        programs: &Path,
        pages: Option<&Path>,
        packages: &Packages,
    ) -> Result<Self> {
        let layout = Self(stage.join("tree"));
        for program in PROGRAMS {
            copy(&programs.join(program), &layout.path(&format!("bin/{program}")))?;
        }
        for (from, to) in DOCUMENTS {
            copy(&command::root().join(from), &layout.path(to))?;
        }
        fs::write(layout.path("licences/third-party.txt"), licences::texts(packages)?)?;
        if let Some(pages) = pages {
            copy_all(pages, &layout.0)?;
        }
        Ok(layout)
    }

    /// The place of a file in it.
    pub(super) fn path(&self, inside: &str) -> PathBuf {
        self.0.join(inside)
    }

    /// The folder itself.
    pub(super) fn folder(&self) -> &Path {
        &self.0
    }
}

/// Has programs that can be started here write their pages and completions, which are the same for
/// all targets. Returns the folder; says what is left out if none can be started.
pub(super) fn write_pages(built: &[(Target, PathBuf)], stage: &Path) -> Result<Option<PathBuf>> {
    let Some((_, programs)) = built.iter().find(|(target, _)| target.runs_here()) else {
        println!("left out: man pages and completions, as the programs cannot be started here");
        return Ok(None);
    };
    let pages = stage.join("pages");
    let manual = pages.join("man/man1");
    let completions = pages.join("completions");
    fs::create_dir_all(&completions)?;
    let client = programs.join("laterbase");
    command::run(Command::new(&client).arg("man").arg(&manual).stdout(Stdio::null()))?;
    for (shell, file) in COMPLETIONS {
        let script = command::output(Command::new(&client).args(["completions", shell]))?;
        fs::write(completions.join(file), script)?;
    }
    let server = programs.join("laterbase-server");
    command::run(Command::new(server).arg("man").arg(&manual).stdout(Stdio::null()))?;
    Ok(Some(pages))
}

/// Copies a file with its mode, into a folder that is made.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    let at = || format!("cannot copy {} to {}", from.display(), to.display());
    fs::create_dir_all(to.parent().context("a file lies in a folder")?).with_context(at)?;
    fs::copy(from, to).with_context(at)?;
    Ok(())
}

/// Copies what is in a folder, and in the folders in it.
pub(super) fn copy_all(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_all(&entry.path(), &to)?;
        } else {
            copy(&entry.path(), &to)?;
        }
    }
    Ok(())
}
