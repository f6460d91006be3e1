//! PouchDB on devices, with pouchdb-server: both in Node.js, both over LevelDB.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tempfile::TempDir;

use crate::{
    process::{Process, free_address},
    relay::Relay,
    replication::{Device, Peer, Step, Way},
};

/// The database on the server.
const DATABASE: &str = "events";

/// Says nothing unless something is wrong, as our server does while it is measured.
const CONFIG: &str = r#"{"log": {"level": "error"}}"#;

pub(crate) struct PouchDb {
    /// With `device.mjs` and its packages.
    packages: PathBuf,
    batch: Option<usize>,
    /// As tables show it: what devices were seen to do is part of it.
    name: String,
    recorded: usize,
    relay: Relay,
    _process: Process,
    folder: TempDir,
}

/// What `device.mjs` says it did.
#[derive(Debug, Deserialize)]
struct Done {
    /// Of a replication.
    #[serde(default)]
    nanoseconds: u64,
    #[serde(default)]
    documents: u64,
    /// Documents that the device has afterwards.
    held: u64,
    /// Times that LevelDB was to write.
    writes: u64,
    /// Those of them that were to wait for the disk.
    writes_synced: u64,
}

impl PouchDb {
    /// Starts a server on an empty folder. `batch` is how many documents go together.
    pub(crate) async fn start(packages: &Path, batch: Option<usize>) -> Result<Self> {
        let (folder, address) = (TempDir::new()?, free_address()?);
        fs::write(folder.path().join("config.json"), CONFIG)?;
        let mut command = node(packages);
        command.arg(packages.join("node_modules/pouchdb-server/bin/pouchdb-server"));
        command.args(["--no-stdout-logs", "--config", "config.json", "--dir", "data"]);
        command.args(["--host", "127.0.0.1", "--port", &address.port().to_string()]);
        let process = Process::start(command.current_dir(folder.path()), address)?;
        let relay = Relay::start(address).await?;
        let (packages, name) = (packages.to_owned(), String::new());
        let pouchdb = Self { packages, batch, name, recorded: 0, relay, _process: process, folder };
        pouchdb.run(&["create", &pouchdb.store(Device::Recording), &pouchdb.url(address)])?;
        Ok(pouchdb)
    }

    fn url(&self, address: SocketAddr) -> String {
        format!("http://{address}/{DATABASE}")
    }

    fn store(&self, device: Device) -> String {
        self.folder.path().join(format!("{device:?}")).to_string_lossy().into_owned()
    }

    fn run(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        let mut command = node(&self.packages);
        command.arg(self.packages.join("device.mjs")).args(arguments);
        let output = command.stderr(Stdio::inherit()).output().context("cannot start node")?;
        ensure!(output.status.success(), "device.mjs {arguments:?} ended with {}", output.status);
        Ok(output.stdout)
    }
}

impl Peer for PouchDb {
    fn name(&self) -> &str {
        &self.name
    }

    fn relay(&self) -> &Relay {
        &self.relay
    }

    fn record(&mut self, file: &Path) -> Result<()> {
        let (first, file) = (self.recorded.to_string(), file.to_string_lossy());
        let done = self.run(&["record", &self.store(Device::Recording), &file, &first])?;
        let done: Done = serde_json::from_slice(&done)?;
        self.recorded = usize::try_from(done.held)?;
        let durability = match (done.writes, done.writes_synced) {
            (writes, synced) if writes == synced => "fsync",
            (_, 0) => "no fsync",
            _ => "some writes with fsync",
        };
        let batch = self.batch.map(|batch| format!(", batch_size {batch}")).unwrap_or_default();
        self.name = format!("PouchDB, {durability}{batch}");
        Ok(())
    }

    fn replicate(&mut self, device: Device, way: Way) -> Result<Step> {
        let task = match way {
            Way::Push => "push",
            Way::Pull => "pull",
            Way::Both => "sync",
        };
        let batch = self.batch.unwrap_or(0).to_string();
        let url = self.url(self.relay.address());
        let done = self.run(&[task, &self.store(device), &url, &batch])?;
        let Done { nanoseconds, documents, .. } = serde_json::from_slice(&done)?;
        let elapsed = Duration::from_nanos(nanoseconds);
        Ok(Step { elapsed, events: documents, requests: None })
    }
}

fn node(packages: &Path) -> Command {
    let mut command = Command::new("node");
    command.env("NODE_ENV", "production").current_dir(packages);
    command
}
