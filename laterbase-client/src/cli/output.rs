//! Where commands write to: results to stdout, complaints to stderr.

use std::env;
use std::fmt;
use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, StdoutLock, Write};
use std::process::ExitCode;

use console::Term;
use laterbase_core::printable::{PrintableLines, printable_json};
use serde::Serialize;

/// The exit status of a command that is done but for what a fork, a refusal or a missing right
/// holds back.
const HELD_BACK: u8 = 3;

const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// The exit status of a command that was used wrongly, as for what clap finds.
const USED_WRONGLY: u8 = 2;

/// The command's stdout.
pub(crate) struct Output {
    json: bool,
    /// Whether something was left that was to be done, and has been said by name.
    is_held_back: bool,
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

/// The command line makes no sense, in a way that only the command can tell.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsedWrongly(pub(crate) &'static str);

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, is_held_back: false, stdout: BufWriter::new(io::stdout().lock()) }
    }

    /// Lets the command end with the status for what is done but for what was held back.
    pub(crate) const fn hold_back(&mut self) {
        self.is_held_back = true;
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

    /// How many columns there are to print in: what `COLUMNS` says, or else what the terminal has.
    /// Nothing where there is no terminal.
    pub(crate) fn columns(&self) -> Option<usize> {
        let wanted = env::var("COLUMNS").ok().and_then(|text| text.trim().parse().ok());
        let found = || Term::stdout().size_checked().map(|(_rows, columns)| usize::from(columns));
        wanted.or_else(found).filter(|columns| *columns > 0)
    }

    /// Prints a command's summary, in one form or the other. Nothing in it steers a terminal.
    pub(crate) fn summary(
        &mut self,
        json: &impl Serialize,
        text: impl fmt::Display,
    ) -> anyhow::Result<()> {
        if !self.json {
            return self.line(text);
        }
        let mut text = serde_json::to_string(json)?;
        text.push('\n');
        self.json(text.as_bytes())
    }

    /// Prints a command's summary on stderr, as its output is something else.
    pub(crate) fn aside(
        &self,
        json: &impl Serialize,
        text: impl fmt::Display,
    ) -> anyhow::Result<()> {
        let mut stderr = io::stderr().lock();
        // There is nobody to tell if that fails.
        let _nobody_reads = match self.json {
            true => writeln!(stderr, "{}", serde_json::to_string(json)?),
            false => writeln!(stderr, "{}", PrintableLines(text)),
        };
        Ok(())
    }

    /// Prints a text of one line or several, with what steers a terminal escaped.
    pub(crate) fn line(&mut self, text: impl fmt::Display) -> anyhow::Result<()> {
        self.styled_line(PrintableLines(text))
    }

    /// Prints a line that steers the terminal itself, and holds nothing from elsewhere that could.
    pub(crate) fn styled_line(&mut self, text: impl fmt::Display) -> anyhow::Result<()> {
        writeln!(self.stdout, "{text}").map_err(refine)
    }

    /// Prints text in a form of its own: as it is to a program, and so that it steers nothing to a
    /// terminal.
    pub(crate) fn text(&mut self, text: &[u8]) -> anyhow::Result<()> {
        match str::from_utf8(text) {
            Ok(text) if self.stdout.get_ref().is_terminal() => {
                write!(self.stdout, "{}", PrintableLines(text)).map_err(refine)
            }
            _ => self.stdout.write_all(text).map_err(refine),
        }
    }

    /// Prints the line above a table, which stands out where there are colours.
    pub(crate) fn heading(&mut self, text: impl fmt::Display) -> anyhow::Result<()> {
        let text = PrintableLines(text);
        match self.takes_colour() {
            true => self.styled_line(format_args!("{BOLD}{text}{PLAIN}")),
            false => self.styled_line(text),
        }
    }

    /// Prints JSON: as it is to a program, and so that it steers nothing to a terminal.
    pub(crate) fn json(&mut self, text: &[u8]) -> anyhow::Result<()> {
        match str::from_utf8(text) {
            Ok(text) if self.stdout.get_ref().is_terminal() => {
                self.stdout.write_all(printable_json(text).as_bytes()).map_err(refine)
            }
            _ => self.stdout.write_all(text).map_err(refine),
        }
    }

    /// Shows at once what was printed so far.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        self.stdout.flush().map_err(refine)
    }

    /// Ends the command: says what went wrong, and gives the exit status.
    pub(crate) fn conclude(mut self, done: anyhow::Result<()>) -> ExitCode {
        match done.and_then(|()| self.flush()) {
            Ok(()) if self.is_held_back => ExitCode::from(HELD_BACK),
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
                match error.is::<UsedWrongly>() {
                    true => ExitCode::from(USED_WRONGLY),
                    false => ExitCode::FAILURE,
                }
            }
        }
    }
}

/// Writes a line to stderr, or several, with what steers a terminal escaped. There is nobody to
/// tell if that fails.
pub(crate) fn complain(text: impl fmt::Display) {
    let text = PrintableLines(text);
    let _nobody_reads = writeln!(io::stderr().lock(), "laterbase: {text}");
}

fn refine(error: io::Error) -> anyhow::Error {
    if error.kind() == ErrorKind::BrokenPipe { OutputClosed.into() } else { error.into() }
}
