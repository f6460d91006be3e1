//! A device: a store of its own, and the command `laterbase` on it, a process for every step.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::{
    deadline::Deadline,
    events::{NewEvent, lines},
    held::{Held, Ledger},
    program::{Ended, Running},
    replica::{Replica, State, Status},
};

#[derive(Clone)]
pub(super) struct Device {
    name: String,
    program: PathBuf,
    store: PathBuf,
    environment: Vec<(String, String)>,
    deadline: Deadline,
}

/// What one sync did, as it says itself.
#[derive(Debug, Deserialize)]
pub(super) struct Synced {
    pub(super) pushed: u64,
    pub(super) pulled: u64,
    pub(super) requests: u64,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    #[serde(default)]
    pub(super) renewals: Vec<Value>,
}

impl Device {
    pub(super) fn new(name: &str, program: &Path, folder: &Path, deadline: Deadline) -> Self {
        Self {
            name: name.to_owned(),
            program: program.to_owned(),
            store: folder.join(name),
            environment: Vec::new(),
            deadline,
        }
    }

    /// The same device under another clock.
    pub(super) fn under(&self, environment: &[(String, String)]) -> Self {
        Self { environment: environment.to_vec(), ..self.clone() }
    }

    /// The device whose store is this folder.
    pub(super) fn at(&self, name: &str, store: &Path) -> Self {
        Self { name: name.to_owned(), store: store.to_owned(), ..self.clone() }
    }

    pub(super) fn store(&self) -> &Path {
        &self.store
    }

    /// Records events in one call, and notes the ids of those that it acknowledges.
    pub(super) fn record(&self, events: &[NewEvent], ledger: &mut Ledger) -> Result<()> {
        self.record_with(events, &[], ledger)
    }

    pub(super) fn record_with(
        &self,
        events: &[NewEvent],
        options: &[&str],
        ledger: &mut Ledger,
    ) -> Result<()> {
        let file = self.file(events)?;
        let arguments = [&["record", "--json", "--format", "ndjson"], options].concat();
        let ended = self.start_on(&arguments, Some(&file))?.wait(self.deadline)?.well()?;
        let report: Value = serde_json::from_str(&ended)?;
        ensure!(report["recorded"] == events.len(), "recorded {} events: {report}", events.len());
        self.note(events, ledger)
    }

    /// Notes the ids under which the store holds events that it has just acknowledged: the command
    /// says how many there are, and its log right behind that says which.
    pub(super) fn note(&self, events: &[NewEvent], ledger: &mut Ledger) -> Result<()> {
        let root = &events.first().context("no events")?.root;
        let by_said: std::collections::BTreeMap<_, _> =
            self.held(root)?.0.into_iter().map(|(id, content)| (content.said, id)).collect();
        let mut ids = Vec::new();
        for event in events {
            let id = by_said.get(&event.said());
            let id = id.with_context(|| format!("{} lacks what it acknowledged", self.name))?;
            ids.push(id.clone());
        }
        ledger.note(&ids, events)
    }

    /// A file with events, a line each.
    pub(super) fn file(&self, events: &[NewEvent]) -> Result<PathBuf> {
        let file = self.store.with_extension("ndjson");
        fs::write(&file, lines(events))?;
        Ok(file)
    }

    /// Syncs; an error unless all that could go went.
    pub(super) fn sync(&self, address: SocketAddr) -> Result<Synced> {
        let report = self.start_sync(address)?.wait(self.deadline)?.well()?;
        serde_json::from_str(&report).with_context(|| format!("sync --json printed {report}"))
    }

    pub(super) fn start_sync(&self, address: SocketAddr) -> Result<Running> {
        self.start(&["sync", "--json", "--server", &format!("http://{address}")])
    }

    /// Runs the command to its end, whatever that is.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<Ended> {
        self.start(arguments)?.wait(self.deadline)
    }

    pub(super) fn start(&self, arguments: &[&str]) -> Result<Running> {
        self.start_on(arguments, None)
    }

    fn start_on(&self, arguments: &[&str], stdin: Option<&PathBuf>) -> Result<Running> {
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--store").arg(&self.store);
        // The settings of whoever plays this are not those of the device.
        let settings = std::env::vars().filter(|(name, _)| name.starts_with("LATERBASE_"));
        settings.for_each(|(name, _)| {
            command.env_remove(name);
        });
        command.envs(self.environment.iter().cloned());
        Running::start(command, stdin)
    }

    /// An error unless everything on its disk is as it should be.
    pub(super) fn verify(&self) -> Result<()> {
        self.run(&["verify"])?.well().map(drop)
    }
}

impl Replica for Device {
    fn name(&self) -> &str {
        &self.name
    }

    fn held(&self, root: &str) -> Result<Held> {
        if !self.store.exists() {
            return Ok(Held::default());
        }
        Held::of(&self.run(&["log", "--root", root])?.well()?)
    }

    fn status(&self) -> Result<Status> {
        let status = self.run(&["status", "--json"])?.well()?;
        serde_json::from_str(&status).with_context(|| format!("status --json printed {status}"))
    }

    fn state(&self, root: &str, aggregate: &str, question: Option<(&str, &str)>) -> Result<State> {
        let mut arguments = vec!["show", "--json", "--root", root, aggregate];
        let flag = question.map(|(name, _)| format!("--{}", name.replace('_', "-")));
        if let (Some(flag), Some((_, value))) = (&flag, question) {
            arguments.extend([flag.as_str(), value]);
        }
        let shown: Value = serde_json::from_str(&self.run(&arguments)?.well()?)?;
        Ok(State {
            value: shown["state"].clone(),
            etag: shown["etag"].as_str().context("no etag")?.to_owned(),
            refused: shown["refused_count"].as_u64().context("no refused_count")?,
        })
    }
}
