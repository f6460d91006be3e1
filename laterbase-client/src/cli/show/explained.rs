//! `laterbase show --explain`: which event made each field, and which were taken back.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::Context as _;
use laterbase_client::device::DeviceOptions;
use laterbase_core::event::Event;
use laterbase_core::id::{EventId, RootName};
use laterbase_core::reader::{AggregateState, Query, Reader};
use laterbase_core::time::format_time;
use serde::Serialize;
use serde_json::value::RawValue;

use super::origins::{Field, ORIGINS, Origins};
use super::{FOLD_NAMES, ShowArgs, folds, say_refused};
use crate::cli::nearest::no_such_aggregate;
use crate::cli::output::{Output, UsedWrongly};
use crate::cli::table::{Column, Table, width};
use crate::cli::zone::Zone;
use crate::cli::{Common, PAGE_EVENTS, check_root};

/// Least columns of a field's name and value, and of what else can be cut, on a narrow terminal.
const WIDTH_FLOOR: usize = 8;

/// The columns, in order; the id is never cut, so that it can be pasted.
const HEADS: [&str; 6] = ["field", "value", "occurred", "type", "who", "event"];
const EVENT: usize = 5;
/// Those that are left out first where there is no room.
const EXPENDABLE: [usize; 3] = [4, 3, 2];

#[derive(Serialize)]
struct Summary<'s> {
    root: &'s str,
    id: &'s str,
    state: &'s RawValue,
    etag: &'s str,
    fields: Vec<FieldSummary<'s>>,
    voided: &'s [Voided],
}

#[derive(Serialize)]
struct FieldSummary<'s> {
    path: &'s [String],
    value: &'s RawValue,
    event: String,
    #[serde(rename = "type")]
    event_type: &'s str,
    occurred_at: String,
    recorded_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'s str>,
}

/// An event that was taken back, as far as was known then.
#[derive(Serialize)]
struct Voided {
    id: String,
    #[serde(rename = "type")]
    event_type: String,
    occurred_at: String,
    voided_by: Vec<String>,
    #[serde(skip)]
    occurred: i64,
}

pub(super) fn run(common: &Common, args: &ShowArgs, output: &mut Output) -> anyhow::Result<()> {
    if args.fold != FOLD_NAMES[0] {
        return Err(UsedWrongly("--explain is for states by merge-patch").into());
    }
    let kind = args.root.kind();
    let origins = common.schemas.before(kind, Arc::new(Origins));
    let folds = folds(common, &args.root)?.fold(kind, origins)?;
    let options = || DeviceOptions { folds: folds.clone(), ..DeviceOptions::default() };
    let (read, origins, voided) = common.with_reading(options, |reading| {
        let reader = reading.reader();
        check_root(reader, &args.root)?;
        let query = |fold: &str| args.times.query(Some(fold.to_owned()));
        let read = |fold: &str| reader.aggregate(&args.root, &args.id, &query(fold));
        match (read(&args.fold)?, read(ORIGINS)?) {
            (Some(state), Some(origins)) => {
                Ok((state, origins, voided(reader, args, &query(ORIGINS))?))
            }
            _ => Err(no_such_aggregate(reader, &args.root, &args.id, &args.times)),
        }
    })?;
    say_refused(&read);
    let fields: Vec<Field> = serde_json::from_slice(&origins.state)
        .context("what made the fields is not as expected")?;
    if output.is_json() {
        return json(args, &read, &fields, &voided, output);
    }
    print(args, &fields, &voided, &Zone::new(common.utc), output)
}

fn voided(reader: &Reader, args: &ShowArgs, query: &Query) -> anyhow::Result<Vec<Voided>> {
    let ShowArgs { root, id, .. } = args;
    let (mut voided, mut after) = (Vec::new(), None);
    let event_id = |dot| EventId { root: root.clone(), dot }.to_string();
    loop {
        let mut visit = |event: &Event<'_>| {
            if !event.voided_by.is_empty() {
                voided.push(Voided {
                    id: event_id(event.dot),
                    event_type: event.record.event_type.to_owned(),
                    occurred_at: format_time(event.occurred()),
                    voided_by: event.voided_by.iter().copied().map(event_id).collect(),
                    occurred: event.occurred(),
                });
            }
            ControlFlow::Continue(())
        };
        let page = reader.aggregate_events(root, id, after, PAGE_EVENTS, query, &mut visit)?;
        after = page.next;
        if after.is_none() {
            return Ok(voided);
        }
    }
}

fn json(
    args: &ShowArgs,
    read: &AggregateState,
    fields: &[Field],
    voided: &[Voided],
    output: &mut Output,
) -> anyhow::Result<()> {
    let summary = Summary {
        root: args.root.as_str(),
        id: &args.id,
        state: serde_json::from_slice(&read.state).context("the fold's state is not JSON")?,
        etag: &read.etag,
        fields: fields.iter().map(|field| field_summary(&args.root, field)).collect(),
        voided,
    };
    output.summary(&summary, "")
}

fn field_summary<'f>(root: &RootName, field: &'f Field) -> FieldSummary<'f> {
    FieldSummary {
        path: &field.path,
        value: &field.value,
        event: event_id(root, field),
        event_type: &field.source.event_type,
        occurred_at: format_time(field.source.occurred),
        recorded_at: format_time(field.source.recorded),
        actor: field.source.actor.as_deref(),
    }
}

fn print(
    args: &ShowArgs,
    fields: &[Field],
    voided: &[Voided],
    zone: &Zone,
    output: &mut Output,
) -> anyhow::Result<()> {
    let cells = |field: &Field| {
        [
            shown(&field.path),
            field.value.get().to_owned(),
            zone.minute(field.source.occurred),
            field.source.event_type.clone(),
            field.source.actor.clone().unwrap_or_default(),
            event_id(&args.root, field),
        ]
    };
    let rows: Vec<[String; 6]> = fields.iter().map(cells).collect();
    let column = |index: usize| {
        let widths = rows.iter().map(|row| width(&row[index]));
        let natural = widths.chain([HEADS[index].len()]).max().unwrap_or(0);
        Column { natural, floor: if index == EVENT { natural } else { WIDTH_FLOOR } }
    };
    let columns: Vec<Column> = (0..HEADS.len()).map(column).collect();
    let table = Table::fit(&columns, &EXPENDABLE, EVENT, output.columns());
    let line = |row: &[&str]| {
        let shown = table.shown().iter().map(|&index| Cow::Borrowed(row[index]));
        table.line(&shown.collect::<Vec<_>>())
    };
    output.heading(line(&HEADS))?;
    for row in &rows {
        output.line(line(&row.each_ref().map(String::as_str)))?;
    }
    if !voided.is_empty() {
        output.line("taken back:")?;
    }
    for Voided { id, event_type, occurred, voided_by, .. } in voided {
        let (occurred, by) = (zone.minute(*occurred), voided_by.join(", "));
        output.line(format_args!("  {id}  {occurred}  {event_type}, by {by}"))?;
    }
    Ok(())
}

/// A path as `list` takes it; where names have dots in them, or are empty, as a JSON pointer
/// (RFC 6901).
fn shown(path: &[String]) -> String {
    if !path.is_empty() && path.iter().all(|name| !name.is_empty() && !name.contains('.')) {
        return path.join(".");
    }
    if path.is_empty() {
        return "(the state)".to_owned();
    }
    path.iter().map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1"))).collect()
}

fn event_id(root: &RootName, field: &Field) -> String {
    format!("{root}:{}", field.source.dot)
}
