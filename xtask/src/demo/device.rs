//! A field device: an embedded store and the `laterbase` command.

use std::{
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{history::Aggregate, status::Status};
use crate::command;

pub(super) struct Device {
    name: &'static str,
    binary: PathBuf,
    store: PathBuf,
}

/// What one sync moved, as `laterbase sync --json` says it.
#[derive(Debug, Deserialize)]
pub(super) struct Sync {
    pub(super) pushed: u64,
    pub(super) pulled: u64,
    pub(super) requests: u64,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
}

impl Device {
    /// A device whose store is, or will be, in `folder`.
    pub(super) fn new(name: &'static str, binary: &Path, folder: &Path) -> Self {
        Self { name, binary: binary.to_owned(), store: folder.join(name) }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Begins to record; events are given to the recording line by line.
    pub(super) fn record(&self) -> Result<Recording> {
        let mut record = self.command(&["record", "--json", "-"]);
        record.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child =
            record.spawn().with_context(|| format!("cannot start {}", command::line(&record)))?;
        let stdin = child.stdin.take().context("a child without stdin")?;
        Ok(Recording { name: self.name, child, events: BufWriter::new(stdin) })
    }

    pub(super) fn sync(&self, url: &str) -> Result<Sync> {
        let report = command::output(&mut self.command(&["sync", "--json", "--server", url]))?;
        serde_json::from_str(&report).with_context(|| format!("sync --json printed {report:?}"))
    }

    /// Syncs where that cannot work; returns the last line of what the command complains of.
    pub(super) fn sync_and_fail(&self, url: &str) -> Result<String> {
        let output = self.command(&["sync", "--json", "--server", url]).output()?;
        if output.status.success() {
            bail!("{} synced over a link that should have been cut", self.name);
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        Ok(complaint.trim_end().lines().next_back().unwrap_or_default().to_owned())
    }

    pub(super) fn status(&self) -> Result<Status> {
        let status = command::output(&mut self.command(&["status", "--json"]))?;
        serde_json::from_str(&status).with_context(|| format!("status --json printed {status:?}"))
    }

    /// The aggregate's events in fold order, as NDJSON.
    pub(super) fn log(&self, Aggregate { root, id }: &Aggregate) -> Result<String> {
        command::output(&mut self.command(&["log", "--root", root, "--aggregate", id]))
    }

    /// The aggregate's state as JSON.
    pub(super) fn show(&self, Aggregate { root, id }: &Aggregate) -> Result<String> {
        command::output(&mut self.command(&["show", "--root", root, id]))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--store").arg(&self.store).args(arguments);
        command
    }
}

/// A `laterbase record` that reads events.
pub(super) struct Recording {
    name: &'static str,
    child: Child,
    events: BufWriter<ChildStdin>,
}

impl Recording {
    /// Hands over one event, a line without its end.
    pub(super) fn event(&mut self, line: &str) -> Result<()> {
        let written = writeln!(self.events, "{line}");
        written.with_context(|| format!("{} stopped reading its events", self.name))
    }

    /// Ends the input and returns how many events are stored.
    pub(super) fn finish(self) -> Result<u64> {
        #[derive(Deserialize)]
        struct Report {
            recorded: u64,
        }

        let Self { name, child, events } = self;
        drop(events.into_inner().with_context(|| format!("{name} stopped reading its events"))?);
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("{name} could not record: {}", output.status);
        }
        let report: Report = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("record --json printed {:?}", output.stdout))?;
        Ok(report.recorded)
    }
}
