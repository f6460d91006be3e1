//! Programs that are started, and waited for no longer than a row may take.

use std::{
    fs::File,
    io::Read,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result, bail};

use super::deadline::Deadline;
use crate::command;

/// How a program ended, and what it wrote.
#[derive(Debug)]
pub(super) struct Ended {
    line: String,
    /// `None` if a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ended {
    /// What it wrote to standard output; an error unless it ended well.
    pub(super) fn well(self) -> Result<String> {
        if self.code != Some(0) {
            bail!("{self}");
        }
        Ok(self.stdout)
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code =
            self.code.map_or_else(|| "by a signal".to_owned(), |code| format!("with {code}"));
        let stderr: String = self.stderr.trim_end().chars().take(600).collect();
        write!(f, "`{}` ended {code}: {stderr}", self.line)
    }
}

/// A program that runs. It is killed when it is dropped.
pub(super) struct Running {
    line: String,
    child: Child,
    outputs: [Option<JoinHandle<Vec<u8>>>; 2],
}

impl Running {
    /// Starts it; its standard input is a file, or empty.
    pub(super) fn start(mut command: Command, stdin: Option<&PathBuf>) -> Result<Self> {
        let line = command::line(&command);
        let stdin = match stdin {
            Some(file) => Stdio::from(File::open(file)?),
            None => Stdio::null(),
        };
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {line}"))?;
        let outputs = [child.stdout.take().map(gather), child.stderr.take().map(gather)];
        Ok(Self { line, child, outputs })
    }

    pub(super) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits for its end; kills it if that does not come in time.
    pub(super) fn wait(mut self, deadline: Deadline) -> Result<Ended> {
        let line = self.line.clone();
        let status = deadline.wait_for(&line, || Ok(self.child.try_wait()?))?;
        let [stdout, stderr] = &mut self.outputs;
        let [stdout, stderr] = [stdout, stderr].map(|output| {
            let bytes = output.take().and_then(|output| output.join().ok()).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Ok(Ended { line, code: status.code(), stdout, stderr })
    }

    /// Ends it by SIGKILL.
    pub(super) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.child.kill().and_then(|()| self.child.wait()).ok();
        }
    }
}

/// Reads an output to its end, so that its program never waits for a reader.
fn gather(mut output: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        output.read_to_end(&mut bytes).ok();
        bytes
    })
}
