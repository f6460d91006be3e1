//! Where commands write to: results to stdout, complaints to stderr.

use std::env;
use std::fmt;
use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, StdoutLock, Write};
use std::process::ExitCode;

use serde::Serialize;

/// The command's stdout.
pub(crate) struct Output {
    json: bool,
    stdout: BufWriter<StdoutLock<'static>>,
}

/// Whoever read the output has read enough. Not a failure.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output any more")]
struct OutputClosed;

/// What the command found is a failure in itself, and has been said already.
#[derive(Debug, thiserror::Error)]
#[error("the command found faults")]
pub(crate) struct FaultsFound;

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, stdout: BufWriter::new(io::stdout().lock()) }
    }

    /// Whether the summary is to be JSON.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a reader sees colours: stdout is a terminal, and <https://no-color.org> is not set.
    pub(crate) fn takes_colour(&self) -> bool {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        !self.json && !unwanted && !is_dumb && self.stdout.get_ref().is_terminal()
    }

    /// Prints a command's summary, in one form or the other.
    pub(crate) fn summary(
        &mut self,
        json: &impl Serialize,
        text: impl fmt::Display,
    ) -> anyhow::Result<()> {
        if !self.json {
            return self.line(text);
        }
        let mut bytes = serde_json::to_vec(json)?;
        bytes.push(b'\n');
        self.bytes(&bytes)
    }

    /// Prints a line.
    pub(crate) fn line(&mut self, text: impl fmt::Display) -> anyhow::Result<()> {
        writeln!(self.stdout, "{text}").map_err(refine)
    }

    /// Prints bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stdout.write_all(bytes).map_err(refine)
    }

    /// Shows at once what was printed so far.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        self.stdout.flush().map_err(refine)
    }

    /// Ends the command: says what went wrong, and gives the exit status.
    pub(crate) fn conclude(mut self, done: anyhow::Result<()>) -> ExitCode {
        match done.and_then(|()| self.flush()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) if error.is::<OutputClosed>() => {
                // What is left in the buffer has nowhere to go, so it is not flushed again.
                let (_stdout, _rest) = self.stdout.into_parts();
                ExitCode::SUCCESS
            }
            Err(error) => {
                let _nowhere_to_complain = self.stdout.flush();
                if !error.is::<FaultsFound>() {
                    complain(format_args!("{error:#}"));
                }
                ExitCode::FAILURE
            }
        }
    }
}

/// Writes a line to stderr. There is nobody to tell if that fails.
pub(crate) fn complain(text: impl fmt::Display) {
    let _nobody_reads = writeln!(io::stderr().lock(), "laterbase: {text}");
}

fn refine(error: io::Error) -> anyhow::Error {
    if error.kind() == ErrorKind::BrokenPipe { OutputClosed.into() } else { error.into() }
}
