//! What cannot be recorded: kept in a file, or listed, while the rest is recorded.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use csv::{QuoteStyle, WriterBuilder};
use laterbase_core::printable::Printable;

use super::RecordArgs;
use super::format::Format;
use super::gather::BadEvent;
use super::marked_text::marked;
use super::wording::{Layout, Wording};
use crate::cli::output::complain;
use crate::cli::rows::delimited::DELIMITERS;
use crate::cli::rows::mapping::shorten;
use crate::cli::rows::marks;
use crate::cli::whole_file::is_standard;

/// Most events that are listed.
const LISTED_MAX: u64 = 20;

/// An event as it stands in the input, byte for byte: what is no text is not taken for one when it
/// is recorded again.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    /// JSON, or what was to be.
    Text(Vec<u8>),
    /// A row, and the kinds of its cells, a letter each, where a spreadsheet says them.
    Cells { cells: Vec<Vec<u8>>, kinds: String },
}

/// Takes what cannot be recorded.
pub(super) struct Rejects {
    sink: Sink,
    pub(super) count: u64,
}

enum Sink {
    /// Nothing is kept; the first ones are named on stderr.
    Listing,
    File {
        path: PathBuf,
        writer: BufWriter<File>,
        form: Form,
        has_header: bool,
    },
}

/// How a file of rejects is written: so that the command that rejected them reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Rows. Without a delimiter, there is the input's own.
    Table { delimiter: Option<u8> },
    /// A JSON object a line.
    Lines,
}

impl Rejects {
    /// Names the first ones on stderr.
    pub(super) const fn listing() -> Self {
        Self { sink: Sink::Listing, count: 0 }
    }

    /// Writes to a file, which is made anew by the first event that is rejected: until then, what is
    /// there may be rows that somebody is mending. What is recorded, and by what mapping, stays as it
    /// is.
    pub(super) fn create(path: &Path, args: &RecordArgs) -> anyhow::Result<Self> {
        if is_standard(path) {
            bail!("--rejects names a file, not standard output");
        }
        let form = Form::of(path, args)?;
        check_not_read(path, args)?;
        let file = File::options().write(true).create(true).truncate(false).open(path);
        let file = file.with_context(|| format!("cannot write {}", Printable(path.display())))?;
        let (path, writer) = (path.to_owned(), BufWriter::new(file));
        Ok(Self { sink: Sink::File { path, writer, form, has_header: false }, count: 0 })
    }

    /// Takes an event and why it is not recorded.
    pub(super) fn take(
        &mut self,
        bad: &BadEvent,
        raw: &Raw,
        wording: &Wording,
    ) -> anyhow::Result<()> {
        self.count += 1;
        if self.count == 1 {
            self.empty()?;
        }
        match &mut self.sink {
            Sink::Listing if self.count <= LISTED_MAX => {
                complain(format_args!("{}: {}", wording.place(bad), bad.detail));
                Ok(())
            }
            Sink::Listing => Ok(()),
            Sink::File { path, writer, form, has_header } => {
                let reason = match wording.part_of(bad) {
                    Some(part) => format!("{}: {}", shorten(part), bad.detail),
                    None => bad.detail.clone(),
                };
                let written = match (raw, &wording.layout) {
                    (Raw::Cells { cells, kinds }, Some(layout)) => {
                        let first = !std::mem::replace(has_header, true);
                        let rejected = RejectedRow { number: bad.number, reason: &reason, kinds };
                        rejected.write(writer, cells, (layout, *form), first)
                    }
                    (Raw::Text(text), _) => write_line(writer, text, bad.number, &reason),
                    (Raw::Cells { .. }, None) => unreachable!("cells come from tables"),
                };
                written.with_context(|| format!("cannot write {}", Printable(path.display())))
            }
        }
    }

    /// Empties the file before anything is written to it. A device has nothing to be emptied.
    fn empty(&self) -> anyhow::Result<()> {
        let Sink::File { path, writer, .. } = &self.sink else { return Ok(()) };
        let file = writer.get_ref();
        let emptied = match file.metadata() {
            Ok(metadata) if metadata.is_file() => file.set_len(0),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        emptied.with_context(|| format!("cannot write {}", Printable(path.display())))
    }

    /// Puts what was taken into the file.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        match &mut self.sink {
            Sink::Listing => Ok(()),
            Sink::File { path, writer, .. } => writer
                .flush()
                .with_context(|| format!("cannot write {}", Printable(path.display()))),
        }
    }

    /// Is done.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        if matches!(self.sink, Sink::Listing) && self.count > LISTED_MAX {
            complain(format_args!("and {} more", self.count - LISTED_MAX));
        }
        self.flush()
    }
}

impl Form {
    /// How the command that rejects events would read a file of this name.
    fn of(path: &Path, args: &RecordArgs) -> anyhow::Result<Self> {
        let input = args.format.unwrap_or_else(|| Format::of(&args.file));
        let given = args.format.filter(|format| !format.is_workbook());
        // A device takes what it gets, and nobody reads that again.
        let is_device = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
        let read_as = given.unwrap_or_else(|| Format::of(path));
        let delimiter = args.columns.delimiter.and_then(|it| u8::try_from(it).ok());
        match (input.is_table(), read_as) {
            (true, Format::Tsv) => Ok(Self::Table { delimiter: delimiter.or(Some(b'\t')) }),
            (true, Format::Csv) => Ok(Self::Table { delimiter }),
            (true, _) if is_device => Ok(Self::Table { delimiter }),
            (true, _) => {
                bail!("--rejects: rows are written as a table; name a file that ends in .csv")
            }
            (false, Format::Ndjson | Format::Json) => Ok(Self::Lines),
            (false, _) if is_device => Ok(Self::Lines),
            (false, _) => {
                bail!("--rejects: JSON is written as JSON; name a file that ends in .ndjson")
            }
        }
    }
}

/// Fails if a file is what is read, by whatever name.
fn check_not_read(path: &Path, args: &RecordArgs) -> anyhow::Result<()> {
    let Ok(rejects) = fs::metadata(path) else { return Ok(()) };
    let input = match is_standard(&args.file) {
        true => {
            io::stdin().as_fd().try_clone_to_owned().and_then(|stdin| File::from(stdin).metadata())
        }
        false => fs::metadata(&args.file),
    };
    // What cannot be looked at is another one, or is complained of when it is opened.
    let is_same = |other: &fs::Metadata| {
        rejects.is_file() && (other.dev(), other.ino()) == (rejects.dev(), rejects.ino())
    };
    if input.is_ok_and(|input| is_same(&input)) {
        bail!("--rejects would write over the file that is recorded");
    }
    let map = args.map.as_ref().and_then(|map| fs::metadata(map).ok());
    if map.is_some_and(|map| is_same(&map)) {
        bail!("--rejects would write over the file of --map");
    }
    Ok(())
}

fn write_line(
    writer: &mut BufWriter<File>,
    text: &[u8],
    number: Option<u64>,
    reason: &str,
) -> anyhow::Result<()> {
    writer.write_all(&marked(text, number, reason))?;
    Ok(writer.write_all(b"\n")?)
}

/// What is said of a rejected row, beside its cells.
struct RejectedRow<'r> {
    number: Option<u64>,
    reason: &'r str,
    kinds: &'r str,
}

impl RejectedRow<'_> {
    /// Writes the row, the first one below the names of the columns. What is added comes first, as
    /// a row may have more cells than the table has names.
    fn write(
        &self,
        writer: &mut BufWriter<File>,
        cells: &[Vec<u8>],
        (layout, form): (&Layout, Form),
        is_first: bool,
    ) -> anyhow::Result<()> {
        let delimiter = match (form, layout.separator) {
            (Form::Table { delimiter: Some(delimiter) }, _) => delimiter,
            (_, Some(separator)) => separator.delimiter,
            (_, None) => b',',
        };
        if is_first {
            write_header(writer, layout, delimiter)?;
        }
        let number = self.number.map(|number| number.to_string()).unwrap_or_default();
        let mut row = vec![number.as_bytes(), self.reason.as_bytes()];
        row.extend(layout.has_kinds.then_some(self.kinds.as_bytes()));
        row.extend(cells.iter().map(Vec::as_slice));
        write_cells(writer, &row, delimiter, QuoteStyle::Necessary)
    }
}

/// Writes the names so that the delimiter is found out from them, if that is how it was found.
fn write_header(
    writer: &mut BufWriter<File>,
    layout: &Layout,
    delimiter: u8,
) -> anyhow::Result<()> {
    if layout.separator.is_some_and(|separator| separator.is_said) {
        writer.write_all(&[b"sep=", &[delimiter][..], b"\n"].concat())?;
    }
    let mut names = vec![marks::ROW, marks::REASON];
    names.extend(layout.has_kinds.then_some(marks::KINDS));
    names.extend(layout.names.iter().map(String::as_str));
    let is_doubtful = |name: &&str| name.bytes().any(|byte| DELIMITERS.contains(&byte));
    let style = match names.iter().any(is_doubtful) {
        true => QuoteStyle::Always,
        false => QuoteStyle::Necessary,
    };
    let names: Vec<&[u8]> = names.into_iter().map(str::as_bytes).collect();
    write_cells(writer, &names, delimiter, style)
}

fn write_cells(
    writer: &mut BufWriter<File>,
    cells: &[&[u8]],
    delimiter: u8,
    style: QuoteStyle,
) -> anyhow::Result<()> {
    let mut builder = WriterBuilder::new();
    let mut row = builder.delimiter(delimiter).quote_style(style).from_writer(Vec::new());
    row.write_record(cells)?;
    let row = row.into_inner().map_err(csv::IntoInnerError::into_error)?;
    Ok(writer.write_all(&row)?)
}
