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
use crate::cli::rows::columns::ColumnFlags;
use crate::cli::rows::guess::{Guess, guess};
use crate::cli::rows::header::Header;
use crate::cli::rows::mapping::{Mapping, RowEvent};
use crate::cli::written_time::{WrittenTimeFlags, WrittenTimes};

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
    let guess = guess(&Header::new(first), rows);
    let zone = args.times.timezone.clone().or_else(system_zone);
    let text = toml_of(args, format, &guess, zone.as_deref());
    match &args.map {
        Some(path) => write_new(path, &text)?,
        None => output.line(text.trim_end())?,
    }
    let event_type = guess.event_type.is_none().then(|| "Recorded".to_owned());
    let columns = ColumnFlags {
        id_column: guess.id,
        type_column: guess.event_type,
        event_type,
        key_columns: guess.time.as_ref().map(|time| vec![time.column.clone()]),
        time_column: guess.time.as_ref().map(|time| time.column.clone()),
        ..args.columns.clone()
    };
    let time_format = guess.time.and_then(|time| time.format.map(str::to_owned));
    let times = WrittenTimes::new(&WrittenTimeFlags { time_format, timezone: zone })?;
    let mapping = Mapping::new(first, &columns, times)?;
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

/// The mapping as a file that a person goes on with.
fn toml_of(args: &RecordArgs, format: Format, guess: &Guess, zone: Option<&str>) -> String {
    let time = guess.time.as_ref();
    let time_column = time.map(|time| time.column.as_str());
    let or_format = time.and_then(|time| time.or_format);
    let lines = [
        "# Which column is what; `laterbase record --help` says what else there is.".to_owned(),
        say("root", args.root.as_ref().map(|root| root.as_str())),
        say("format", Some(format.name())),
        say("id-column", guess.id.as_deref()),
        match &guess.event_type {
            Some(column) => say("type-column", Some(column)),
            None => {
                "# Or type-column = \"…\", if a column says it.\ntype = \"Recorded\"".to_owned()
            }
        },
        say("time-column", time_column),
        say("time-format", time.and_then(|time| time.format)),
        match or_format {
            Some(other) => {
                format!("# Or, as the rows do not tell: {}", say("time-format", Some(other)))
            }
            None => String::new(),
        },
        say("timezone", zone.filter(|_| time.is_some())),
        "# With id and type, these tell one event from all others, so that a file can be recorded \
         twice."
            .to_owned(),
        match time_column {
            Some(column) => format!("key-columns = [{}]", quote(column)),
            None => "# key-columns = [\"…\"]".to_owned(),
        },
        "# The data; without it, all other columns.\n# columns = [\"…\"]".to_owned(),
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
