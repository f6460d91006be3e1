//! What cannot be recorded: kept in a file, or listed, while the rest is recorded.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use laterbase_core::printable::Printable;
use serde::Serialize;

use super::gather::BadEvent;
use super::wording::Wording;
use crate::cli::output::complain;
use crate::cli::rows::mapping::{REASON_COLUMN, ROW_COLUMN};
use crate::cli::whole_file::is_standard;

/// Most events that are listed.
const LISTED_MAX: u64 = 20;

/// An event as it stood in the input.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Raw {
    Text(String),
    Cells(Vec<String>),
}

/// Takes what cannot be recorded.
pub(super) struct Rejects {
    sink: Sink,
    pub(super) count: u64,
}

enum Sink {
    /// Nothing is kept; the first ones are named on stderr.
    Listing,
    Csv {
        path: PathBuf,
        writer: Box<csv::Writer<File>>,
        has_header: bool,
    },
    Ndjson {
        path: PathBuf,
        writer: BufWriter<File>,
    },
}

/// One rejected event in an NDJSON file.
#[derive(Serialize)]
struct Rejected<'r> {
    row: Option<u64>,
    reason: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<&'r str>,
    said: &'r Raw,
}

impl Rejects {
    /// Names the first ones on stderr.
    pub(super) const fn listing() -> Self {
        Self { sink: Sink::Listing, count: 0 }
    }

    /// Writes to a file, which is made anew: CSV by its ending, else NDJSON. `input` is what is
    /// recorded, and stays as it is.
    pub(super) fn create(path: &Path, input: &Path) -> anyhow::Result<Self> {
        if is_standard(path) {
            bail!("--rejects names a file, not standard output");
        }
        let is_input = matches!(
            (fs::canonicalize(path), fs::canonicalize(input)),
            (Ok(path), Ok(input)) if path == input
        );
        if is_input {
            bail!("--rejects would write over the file that is recorded");
        }
        let file = File::create(path);
        let file = file.with_context(|| format!("cannot write {}", Printable(path.display())))?;
        let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_lowercase);
        let path = path.to_owned();
        let sink = match ending.as_deref() {
            Some("csv") => {
                let writer = csv::WriterBuilder::new().flexible(true).from_writer(file);
                Sink::Csv { path, writer: Box::new(writer), has_header: false }
            }
            _ => Sink::Ndjson { path, writer: BufWriter::new(file) },
        };
        Ok(Self { sink, count: 0 })
    }

    /// Takes an event and why it is not recorded.
    pub(super) fn take(
        &mut self,
        bad: &BadEvent,
        raw: &Raw,
        wording: &Wording,
    ) -> anyhow::Result<()> {
        self.count += 1;
        match &mut self.sink {
            Sink::Listing if self.count <= LISTED_MAX => {
                complain(format_args!("{}: {}", wording.place(bad), bad.detail));
                Ok(())
            }
            Sink::Listing => Ok(()),
            Sink::Csv { path, writer, has_header } => {
                write_csv(writer, has_header, (bad, raw), wording)
                    .with_context(|| format!("cannot write {}", Printable(path.display())))
            }
            Sink::Ndjson { path, writer } => {
                let column = wording.part_of(bad);
                let rejected = Rejected { row: bad.number, reason: &bad.detail, column, said: raw };
                serde_json::to_writer(&mut *writer, &rejected)
                    .map_err(anyhow::Error::from)
                    .and_then(|()| Ok(writer.write_all(b"\n")?))
                    .with_context(|| format!("cannot write {}", Printable(path.display())))
            }
        }
    }

    /// Writes what is left to write.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        match &mut self.sink {
            Sink::Listing => {
                if self.count > LISTED_MAX {
                    complain(format_args!("and {} more", self.count - LISTED_MAX));
                }
                Ok(())
            }
            Sink::Csv { path, writer, .. } => writer
                .flush()
                .with_context(|| format!("cannot write {}", Printable(path.display()))),
            Sink::Ndjson { path, writer } => writer
                .flush()
                .with_context(|| format!("cannot write {}", Printable(path.display()))),
        }
    }
}

/// The number and the reason come first, as a row may have more cells than the table has names.
fn write_csv(
    writer: &mut csv::Writer<File>,
    has_header: &mut bool,
    (bad, raw): (&BadEvent, &Raw),
    wording: &Wording,
) -> anyhow::Result<()> {
    if !std::mem::replace(has_header, true) {
        let columns = match &wording.header {
            Some(header) => header.iter().map(String::as_str).collect(),
            None => vec!["event"],
        };
        writer.write_record([ROW_COLUMN, REASON_COLUMN].into_iter().chain(columns))?;
    }
    let number = bad.number.map(|number| number.to_string()).unwrap_or_default();
    let reason = match wording.part_of(bad) {
        Some(part) => format!("{part}: {}", bad.detail),
        None => bad.detail.clone(),
    };
    let cells = match raw {
        Raw::Text(text) => std::slice::from_ref(text),
        Raw::Cells(cells) => cells,
    };
    let cells = cells.iter().map(String::as_str);
    writer.write_record([number.as_str(), reason.as_str()].into_iter().chain(cells))?;
    Ok(())
}
