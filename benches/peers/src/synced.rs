//! Our own devices: the command `laterbase` with our server.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tempfile::TempDir;

use crate::{
    laterbase::Laterbase,
    relay::Relay,
    replication::{Device, Peer, Step, Way},
};

pub(crate) struct Synced {
    /// The program `laterbase`.
    program: PathBuf,
    relay: Relay,
    _server: Laterbase,
    folder: TempDir,
}

/// What `laterbase sync --json` says it did.
#[derive(Debug, Deserialize)]
struct Summary {
    pushed: u64,
    pulled: u64,
    requests: u64,
}

impl Synced {
    /// Starts a server on an empty folder.
    pub(crate) async fn start(server: &Path, program: &Path) -> Result<Self> {
        let server = Laterbase::start(server, "lmdb")?;
        let relay = Relay::start(server.address()).await?;
        let (program, folder) = (program.to_owned(), TempDir::new()?);
        Ok(Self { program, relay, _server: server, folder })
    }

    fn run(&self, device: Device, arguments: &[&str]) -> Result<(Vec<u8>, Duration)> {
        let mut command = Command::new(&self.program);
        command.arg("--store").arg(self.folder.path().join(format!("{device:?}")));
        command.arg("--json").args(arguments).stderr(Stdio::inherit());
        let start = Instant::now();
        let output =
            command.output().with_context(|| format!("cannot start {:?}", self.program))?;
        let elapsed = start.elapsed();
        ensure!(output.status.success(), "laterbase {arguments:?} ended with {}", output.status);
        Ok((output.stdout, elapsed))
    }
}

impl Peer for Synced {
    fn name(&self) -> &str {
        "Laterbase, fsync"
    }

    fn relay(&self) -> &Relay {
        &self.relay
    }

    fn record(&mut self, file: &Path) -> Result<()> {
        self.run(Device::Recording, &["record", &file.to_string_lossy()]).map(drop)
    }

    /// The time is that of the whole program, from its start to its end with the store closed.
    fn replicate(&mut self, device: Device, _both: Way) -> Result<Step> {
        let url = format!("http://{}", self.relay.address());
        let (summary, elapsed) = self.run(device, &["sync", "--server", &url])?;
        let Summary { pushed, pulled, requests } = serde_json::from_slice(&summary)?;
        Ok(Step { elapsed, events: pushed + pulled, requests: Some(requests) })
    }
}
