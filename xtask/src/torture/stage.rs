//! What a row is given: programs, a folder, dice, and a deadline.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{deadline::Deadline, device::Device, dice::Dice, events::Maker, server::Server};
use crate::toolchain;

pub(super) struct Stage {
    programs: PathBuf,
    folder: PathBuf,
    pub(super) deadline: Deadline,
    pub(super) dice: Dice,
    /// What was done, for people.
    pub(super) notes: Vec<String>,
    /// What could not be played here, and why.
    pub(super) left_out: Option<String>,
}

impl Stage {
    pub(super) fn new(programs: &Path, folder: PathBuf, deadline: Deadline, seed: u64) -> Self {
        Self {
            programs: programs.to_owned(),
            folder,
            deadline,
            dice: Dice::new(seed),
            notes: Vec::new(),
            left_out: None,
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A device whose store is, or will be, in the folder.
    pub(super) fn device(&self, name: &str) -> Device {
        Device::new(name, &self.programs.join("laterbase"), &self.folder, self.deadline)
    }

    /// A server that takes any root, and runs.
    pub(super) fn server(&self, name: &str) -> Result<Server> {
        let mut server = self.new_server(name);
        server.start()?;
        Ok(server)
    }

    /// A server that is not started yet.
    pub(super) fn new_server(&self, name: &str) -> Server {
        Server::new(name, &self.programs.join("laterbase-server"), &self.folder, self.deadline)
    }

    /// Makes events for a writer of this name.
    pub(super) fn maker(&mut self, name: &str) -> Maker {
        Maker::new(name, self.dice.split())
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// The environment in which a program has a clock that begins at `time`, as `faketime` takes it.
    /// `None`, with a word about what is left out, where there is no `faketime`.
    pub(super) fn clock(&mut self, time: &str) -> Result<Option<Vec<(String, String)>>> {
        if !toolchain::answers("faketime".as_ref()) {
            let what = "wrong clocks, as there is no `faketime` (Debian's package of this name)";
            self.left_out = Some(what.to_owned());
            return Ok(None);
        }
        let asked = Command::new("faketime").args(["-f", time, "env"]).output()?;
        let lines = String::from_utf8(asked.stdout)?;
        let preload = lines.lines().find_map(|line| line.strip_prefix("LD_PRELOAD="));
        let preload = preload.context("faketime sets no LD_PRELOAD")?;
        let variables = [
            ("LD_PRELOAD", preload),
            ("FAKETIME", time),
            // Else waits by the monotonic clock end at once, and threads that wait spin.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        Ok(Some(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()))
    }
}

/// Copies a folder, as somebody does who knows nothing of what is in it.
pub(super) fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
