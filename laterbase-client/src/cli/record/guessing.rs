//! `laterbase record --guess`: a first mapping file, and what it would make of the first rows.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use jiff::tz::TimeZone;
use laterbase_core::event::Record;
use laterbase_core::printable::Printable;
use laterbase_core::time::format_time;
use serde::Serialize;
use serde_json::value::RawValue;

use super::RecordArgs;
use super::format::Format;
use super::source::Source;
use crate::cli::output::{Output, complain};
use crate::cli::rows::guess::{Guess, guess};
use crate::cli::rows::header::Header;
use crate::cli::rows::mapping::{Mapping, RowEvent};
use crate::cli::written_time::WrittenTimes;

/// Rows that are looked at.
const ROWS_MAX: usize = 200;

/// Rows that are shown.
const SHOWN: usize = 3;

/// An event as it would be recorded.
#[derive(Serialize)]
struct Shown<'s> {
    aggregate_id: &'s str,
    #[serde(rename = "type")]
    event_type: &'s str,
    #[serde(skip_serializing_if = "Option::is_none")]
    occurred_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<&'s str>,
    data: &'s RawValue,
}

/// Writes a mapping for a table, and shows what comes of it.
pub(super) fn run(args: &RecordArgs, output: &mut Output) -> anyhow::Result<()> {
    let format = args.format.unwrap_or_else(|| Format::of(&args.file));
    if !format.is_table() {
        bail!("--guess is for tables: what JSON says needs no mapping");
    }
    let mut source = Source::open(args, false)?;
    let rows = source.first_rows(ROWS_MAX + 1).with_context(|| source.name.clone())?;
    source.bar.finish_and_clear();
    let Some((first, rows)) = rows.split_first() else {
        bail!("{}: there are no rows", source.name)
    };
    let guess = guess(&Header::new(first), rows, &args.columns);
    let or_format = guess.time.as_ref().and_then(|time| time.or_format);
    let or_format = or_format.filter(|_| args.times.time_format.is_none());
    let args = &completed(args, guess);
    // What cannot be recorded by is not written down.
    let times = WrittenTimes::new(&args.times)?;
    let mapping = Mapping::new(first, &args.columns, times)?;
    let text = toml_of(args, format, or_format);
    match &args.map {
        Some(path) => write_new(path, &text)?,
        None => output.line(text.trim_end())?,
    }
    let mut event = RowEvent::default();
    for row in rows.iter().take(SHOWN) {
        match mapping.fill(row, &mut event) {
            Ok(()) => complain(shown(&event.record())?),
            Err(fault) => complain(format_args!("row {}: {fault}", row.number)),
        }
    }
    Ok(())
}

fn shown(record: &Record<'_>) -> anyhow::Result<String> {
    let data = str::from_utf8(record.data)?;
    Ok(serde_json::to_string(&Shown {
        aggregate_id: record.aggregate_id,
        event_type: record.event_type,
        occurred_at: record.occurred.map(format_time),
        idempotency_key: record.idempotency_key,
        data: serde_json::from_str(data)?,
    })?)
}

/// The arguments with what was guessed in the place of those that are not given.
fn completed(args: &RecordArgs, guess: Guess) -> RecordArgs {
    let mut args = args.clone();
    let (columns, times) = (&mut args.columns, &mut args.times);
    columns.id_column = columns.id_column.take().or(guess.id);
    if columns.type_column.is_none() && columns.event_type.is_none() {
        columns.event_type = guess.event_type.is_none().then(|| "Recorded".to_owned());
        columns.type_column = guess.event_type;
    }
    if let Some(time) = guess.time {
        columns.time_column = columns.time_column.take().or(Some(time.column));
        times.time_format = times.time_format.take().or(time.format.map(str::to_owned));
    }
    let time_column = columns.time_column.clone();
    columns.key_columns = columns.key_columns.take().or(time_column.map(|column| vec![column]));
    times.timezone = times.timezone.take().or_else(system_zone);
    args
}

/// The mapping as a file that a person goes on with. `or_format` is another form that the times may
/// have as well.
fn toml_of(args: &RecordArgs, format: Format, or_format: Option<&str>) -> String {
    let RecordArgs { columns, times, .. } = args;
    let list = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| quote(name)).collect();
        format!("[{}]", names.join(", "))
    };
    let delimiter = columns.delimiter.map(|delimiter| delimiter.to_string());
    let lines = [
        "# Which column is what; `laterbase record --help` says what else there is.".to_owned(),
        say("root", args.root.as_ref().map(|root| root.as_str())),
        // Where the ending says it, a file of rejects says by its own what that is.
        say("format", Some(format.name()).filter(|_| Format::of(&args.file) != format)),
        delimiter.map_or_else(String::new, |delimiter| say("delimiter", Some(&delimiter))),
        columns.sheet.as_ref().map_or_else(String::new, |sheet| say("sheet", Some(sheet))),
        say("id-column", columns.id_column.as_deref()),
        match (&columns.type_column, &columns.event_type) {
            (Some(column), _) => say("type-column", Some(column)),
            (None, event_type) => format!(
                "# Or type-column = \"…\", if a column says it.\n{}",
                say("type", event_type.as_deref())
            ),
        },
        say("time-column", columns.time_column.as_deref()),
        say("time-format", times.time_format.as_deref()),
        match or_format {
            Some(other) => {
                format!("# Or, as the rows do not tell: {}", say("time-format", Some(other)))
            }
            None => String::new(),
        },
        say("timezone", times.timezone.as_deref().filter(|_| columns.time_column.is_some())),
        "# With id and type, these tell one event from all others, so that a file can be recorded \
         twice."
            .to_owned(),
        match &columns.key_columns {
            Some(names) => format!("key-columns = {}", list(names)),
            None => "# key-columns = [\"…\"]".to_owned(),
        },
        match &columns.columns {
            Some(names) => format!("columns = {}", list(names)),
            None => "# The data; without it, all other columns.\n# columns = [\"…\"]".to_owned(),
        },
    ];
    lines.into_iter().filter(|line| !line.is_empty()).map(|line| line + "\n").collect()
}

/// A line of the file; one to be filled in, if there is nothing to say.
fn say(name: &str, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("{name} = {}", quote(value)),
        None => format!("# {name} = \"…\""),
    }
}

/// A text as TOML writes it, which is as JSON does.
fn quote(text: &str) -> String {
    serde_json::to_string(text).expect("texts are JSON")
}

fn system_zone() -> Option<String> {
    TimeZone::system().iana_name().map(str::to_owned)
}

fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let name = Printable(path.display());
    let mut file = File::create_new(path).with_context(|| format!("cannot make {name}"))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {name}"))
}
