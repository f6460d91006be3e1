//! Where the events come from: one after another, out of a file of any format.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use indicatif::ProgressBar;
use laterbase_core::event::Record;
use laterbase_core::printable::Printable;

use super::RecordArgs;
use super::decoded::Decoded;
use super::elements::Elements;
use super::format::Format;
use super::pausing_input::PausingInput;
use super::rejects::Raw;
use super::table::Table;
use super::wording::Wording;
use crate::cli::lines::{Line, LineError, LineFault, Lines};
use crate::cli::progress::{Unit, bar};
use crate::cli::rows::Fault;
use crate::cli::rows::delimited::Delimited;
use crate::cli::rows::row::Row;
use crate::cli::rows::workbook::{Sheet, WorkbookKind};
use crate::cli::whole_file::is_standard;
use crate::cli::written_time::WrittenTimes;

type Input = Box<dyn BufRead>;

/// What zip archives begin with, and so spreadsheets.
const ZIP: &[u8] = b"PK\x03\x04";

/// What the files of old Excels begin with, and those of new ones under a password.
const OLD_EXCEL: &[u8] = b"\xd0\xcf\x11\xe0";

/// The events of an input.
pub(super) struct Source {
    /// What it is called in messages.
    pub(super) name: String,
    pub(super) bar: ProgressBar,
    form: Form,
}

enum Form {
    Lines(Lines<Input>),
    Elements(Elements<Input>),
    Table { table: Box<Table>, unit: &'static str },
}

/// One event of the input.
pub(in crate::cli) struct Entry<'s> {
    /// Where it is, in the unit of its source.
    pub(in crate::cli) number: u64,
    pub(in crate::cli) said: Said<'s>,
    /// About how large it is.
    pub(in crate::cli) text_bytes: usize,
    /// What it adds to the progress bar: bytes of the input, or the one event where those are not
    /// known.
    pub(in crate::cli) progress: u64,
}

/// An event as its source says it.
pub(in crate::cli) enum Said<'s> {
    Json(&'s [u8]),
    Record(Record<'s>),
}

/// Why there is no event.
pub(super) enum SourceError {
    /// Nothing comes for now. The next call goes on where this one was.
    Paused,
    /// This one cannot be read. The next one may be.
    Bad { number: u64, field: Option<String>, detail: String },
    /// Nothing can be read from here on.
    Broken { number: u64, detail: String },
    /// Nothing can be made of the input as it was said to be.
    Unusable(anyhow::Error),
}

impl SourceError {
    pub(super) fn of_fault(number: u64, fault: Fault) -> Self {
        let Fault { column, detail } = fault;
        Self::Bad { number, field: column, detail }
    }
}

impl Source {
    /// Opens what the arguments name.
    pub(super) fn open(args: &RecordArgs, has_fallback: bool) -> anyhow::Result<Self> {
        let file = &args.file;
        let format = args.format.unwrap_or_else(|| Format::of(file));
        check_flags(args, format, has_fallback)?;
        let times = WrittenTimes::new(&args.times)?;
        let kind = match format {
            Format::Xlsx => WorkbookKind::Xlsx,
            Format::Ods => WorkbookKind::Ods,
            _ => return open_text(args, format, times),
        };
        let name = Printable(file.display()).to_string();
        if is_standard(file) {
            bail!("a spreadsheet is read from a file, not from standard input");
        }
        let opened = File::open(file).with_context(|| format!("cannot open {name}"))?;
        check_kind(opened, format).with_context(|| name.clone())?;
        let sheet = Sheet::open(file, kind, args.columns.sheet.as_deref())
            .with_context(|| format!("cannot open {name}"))?;
        let table = Table::new(Box::new(sheet), args.columns.clone(), times);
        let form = Form::Table { table: Box::new(table), unit: "row" };
        Ok(Self { name, bar: bar(None, Unit::Events), form })
    }

    /// The next event; `None` behind the last one.
    pub(super) fn next(&mut self) -> Result<Option<Entry<'_>>, SourceError> {
        match &mut self.form {
            Form::Lines(lines) => lines.next().map(|line| line.map(of_line)).map_err(of_fault),
            Form::Elements(elements) => {
                elements.next().map(|line| line.map(of_line)).map_err(of_fault)
            }
            Form::Table { table, .. } => table.next(),
        }
    }

    /// The first rows of a table, its names among them.
    pub(super) fn first_rows(&mut self, count: usize) -> anyhow::Result<Vec<Row>> {
        let Form::Table { table, unit } = &mut self.form else { return Ok(Vec::new()) };
        let mut rows = Vec::new();
        while rows.len() < count {
            match table.next_row() {
                Ok(true) => rows.push(table.row().clone()),
                Ok(false) => break,
                Err(SourceError::Paused) => {}
                Err(
                    SourceError::Bad { number, detail, .. }
                    | SourceError::Broken { number, detail },
                ) => {
                    bail!("{unit} {number}: {detail}")
                }
                Err(SourceError::Unusable(error)) => return Err(error),
            }
        }
        Ok(rows)
    }

    /// How its events are called.
    pub(super) fn wording(&self) -> Wording {
        let (unit, part) = match &self.form {
            Form::Lines(_) => ("line", "field"),
            Form::Elements(_) => ("event", "field"),
            Form::Table { unit, .. } => (*unit, "column"),
        };
        let (columns, layout) = match &self.form {
            Form::Table { table, .. } => (table.columns_of_fields(), Some(table.layout())),
            _ => (Vec::new(), None),
        };
        Wording { name: self.name.clone(), unit, part, columns, layout }
    }

    /// The event that was read last, as it stands in the input.
    pub(super) fn raw(&self) -> Raw {
        match &self.form {
            Form::Lines(lines) => Raw::Text(lines.text().to_vec()),
            Form::Elements(elements) => Raw::Text(elements.text().to_vec()),
            Form::Table { table, .. } => table.raw(),
        }
    }
}

const fn of_line(line: Line<'_>) -> Entry<'_> {
    let Line { number, text, input_bytes } = line;
    Entry { number, said: Said::Json(text), text_bytes: text.len(), progress: input_bytes }
}

fn of_fault(fault: LineFault) -> SourceError {
    let LineFault { number, error } = fault;
    match error {
        LineError::Paused => SourceError::Paused,
        error => SourceError::Broken { number, detail: error.to_string() },
    }
}

fn check_flags(args: &RecordArgs, format: Format, has_fallback: bool) -> anyhow::Result<()> {
    match args.columns.given().or(args.times.given()) {
        Some(flag) if !format.is_table() => bail!(
            "{flag} is for tables, and this is read as {}; say --format csv, or another one",
            format.name()
        ),
        _ if format.is_table() && args.root.is_none() && !has_fallback && !args.guess => {
            bail!("--root is missing: the rows of a table do not say of which root they are")
        }
        _ => Ok(()),
    }
}

fn open_text(args: &RecordArgs, format: Format, times: WrittenTimes) -> anyhow::Result<Source> {
    let (input, name, bar) = open_input(&args.file, format)?;
    let input: Input = Box::new(BufReader::new(Decoded::new(input)));
    let form = match format {
        Format::Json => Form::Elements(Elements::new(input)),
        Format::Csv | Format::Tsv => {
            let delimiter = delimiter_of(args, format)?;
            let rows = Box::new(Delimited::new(input, delimiter));
            let table = Box::new(Table::new(rows, args.columns.clone(), times));
            Form::Table { table, unit: "line" }
        }
        _ => Form::Lines(Lines::new(input)),
    };
    Ok(Source { name, bar, form })
}

fn delimiter_of(args: &RecordArgs, format: Format) -> anyhow::Result<Option<u8>> {
    match args.columns.delimiter {
        None if format == Format::Tsv => Ok(Some(b'\t')),
        None => Ok(None),
        Some(c) => match u8::try_from(c) {
            Ok(byte) if c.is_ascii() && !matches!(c, '"' | '\r' | '\n') => Ok(Some(byte)),
            _ => bail!("{c:?} cannot stand between cells; a delimiter is one character of ASCII"),
        },
    }
}

fn open_input(file: &Path, format: Format) -> anyhow::Result<(Input, String, ProgressBar)> {
    if is_standard(file) {
        let stdin = PausingInput::over(io::stdin()).context("cannot read standard input")?;
        return Ok((Box::new(stdin), "standard input".to_owned(), bar(None, Unit::Bytes)));
    }
    let name = Printable(file.display()).to_string();
    let input = File::open(file).with_context(|| format!("cannot open {name}"))?;
    let metadata = input.metadata().with_context(|| format!("cannot open {name}"))?;
    if metadata.is_file() {
        let input = check_kind(input, format).with_context(|| name.clone())?;
        let bar = bar(Some(metadata.len()), Unit::Bytes);
        return Ok((Box::new(BufReader::new(input)), name, bar));
    }
    // A named pipe pauses like standard input.
    let input = PausingInput::over(input).with_context(|| format!("cannot read {name}"))?;
    Ok((Box::new(input), name, bar(None, Unit::Bytes)))
}

/// Tells by the first bytes of a plain file that it is not what it is taken for.
fn check_kind(mut file: File, format: Format) -> anyhow::Result<File> {
    if !file.metadata()?.is_file() {
        return Ok(file);
    }
    let mut head = Vec::new();
    file.by_ref().take(4).read_to_end(&mut head)?;
    file.rewind()?;
    let is_spreadsheet = format.is_workbook();
    if head == OLD_EXCEL {
        bail!("is of an old Excel, or has a password; save it as .xlsx without one");
    }
    if head == ZIP && !is_spreadsheet {
        bail!("is a spreadsheet or an archive, not {}; say --format xlsx, or ods", format.name());
    }
    if head != ZIP && is_spreadsheet {
        bail!("is no spreadsheet; say --format csv, or what else it is");
    }
    Ok(file)
}
