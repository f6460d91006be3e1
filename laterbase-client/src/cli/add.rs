//! `laterbase add`: one event, without any JSON to write.

mod field;

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use laterbase_core::Place;
use laterbase_core::event::{Event, MetadataBuf, Record};
use laterbase_core::id::{EventId, RootName};
use laterbase_core::limits::DATA_BYTES_MAX;
use laterbase_core::printable::Printable;
use laterbase_core::reader::{Query, Reader};
use serde::Serialize;

use super::output::{Output, UsedWrongly, complain};
use super::record::recording::{Failure, Recording};
use super::record::source::{Entry, Said};
use super::settings::Settings;
use super::whole_file::is_standard;
use super::written_time::WrittenTime;
use super::written_time::spoken::parse_moment;
use super::{Common, PAGE_EVENTS};
use field::{Field, object_of};

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// The root that the event is in [default: the one that the store is set up for].
    #[arg(long, value_name = "R")]
    root: Option<RootName>,
    /// The aggregate's id.
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    id: String,
    /// What kind of event, such as Arrived.
    #[arg(value_name = "TYPE")]
    event_type: String,
    /// The data: a value that is a number, true, false or null is that, any other one is text.
    /// NAME:=JSON takes what is behind it as JSON: bay:='"7"' is text, tags:='["a","b"]' a list.
    #[arg(value_name = "NAME=VALUE", conflicts_with_all = ["data", "file"])]
    fields: Vec<Field>,
    /// The data, as JSON.
    #[arg(long, value_name = "JSON", conflicts_with = "file", allow_hyphen_values = true)]
    data: Option<String>,
    /// The data, as the bytes of a file: a photo, a scan; `-` is standard input.
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// When it happened: 2024-03-01 08:00, yesterday 18:00, 2h ago, or RFC 3339 [default: now].
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    at: Option<WrittenTime>,
    /// Tells the event from all others: added again with the same key, it is stored once.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Who recorded it: kept as `actor` in the event's metadata [default: what `laterbase init` set].
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
}

#[derive(Serialize)]
struct Summary {
    id: Option<String>,
    /// Whether it was there already, by its key.
    replayed: bool,
}

pub(crate) fn run(common: &Common, args: &AddArgs, output: &mut Output) -> anyhow::Result<()> {
    let settings = Settings::read(&common.store)?;
    let root = args.root.clone().or(settings.only_root());
    let root =
        root.ok_or(UsedWrongly("--root is missing, and the store is set up for no single one"))?;
    let (is_json, data) = args.data()?;
    let mut metadata = MetadataBuf::default();
    if let Some(actor) = args.actor.as_ref().or(settings.actor.as_ref()) {
        metadata.set("actor", actor).context("--actor")?;
    }
    let record = Record {
        occurred: args.at.map(|time| time.nanos),
        occurred_offset: args.at.and_then(|time| time.offset),
        metadata: metadata.as_metadata(),
        idempotency_key: args.key.as_deref(),
        is_json,
        data: &data,
        ..Record::json(&args.id, &args.event_type, "")
    };
    let mut recording = Recording::new(common, Some(&root));
    let added = add(&mut recording, &root, &record);
    let stored = recording.stored();
    recording.let_go();
    let replayed = stored.replayed > 0;
    let id = added?.map(|id| id.to_string());
    match &id {
        _ if output.is_json() => output.summary(&Summary { id, replayed }, ""),
        Some(id) => output.line(id),
        None => {
            complain(
                "the event is stored; its id cannot be read while another process has the store open",
            );
            Ok(())
        }
    }
}

impl AddArgs {
    /// The data, and whether it is JSON.
    fn data(&self) -> anyhow::Result<(bool, Vec<u8>)> {
        match (&self.file, &self.data) {
            (Some(file), _) => {
                let name = Printable(file.display());
                let data = read_file(file).with_context(|| format!("cannot read {name}"))?;
                Ok((false, data))
            }
            (None, Some(data)) => Ok((true, data.clone().into_bytes())),
            (None, None) => Ok((true, object_of(&self.fields)?.into_bytes())),
        }
    }
}

/// Stores the event, and finds out its id; `None` if nobody can tell now.
fn add(
    recording: &mut Recording<'_>,
    root: &RootName,
    record: &Record<'_>,
) -> anyhow::Result<Option<EventId>> {
    let text_bytes = record.data.len();
    let entry = Entry { number: 1, said: Said::Record(*record), text_bytes, progress: 1 };
    let refuse = |failure| match failure {
        Failure::Event(bad) => match bad.field {
            Some(field) => anyhow::anyhow!("{field}: {}", bad.detail),
            None => anyhow::anyhow!(bad.detail),
        },
        Failure::Input(error) | Failure::Store(error) => error,
    };
    if let Some(bad) = recording.take(&entry).map_err(refuse)? {
        return Err(refuse(Failure::Event(bad)));
    }
    let kept = recording.encoded().next().map(<[u8]>::to_vec).unwrap_or_default();
    recording.finish().map_err(refuse)?;
    let Some(recorder) = recording.recorder() else { return Ok(None) };
    let kept = Record::decode(&kept)?;
    if let Some(dot) = recorder.replay(root, &kept) {
        return Ok(Some(EventId { root: root.clone(), dot }));
    }
    // What is stored is stored, whatever the look for its id comes to.
    let found = recorder.read(|reader| find(reader, root, &kept));
    Ok(found.unwrap_or_default())
}

/// The id of the event that a record was kept as: that of its key, or else the last one that is as
/// it is.
fn find(reader: &Reader, root: &RootName, record: &Record<'_>) -> anyhow::Result<Option<EventId>> {
    let is_same = |event: &Event<'_>| match record.idempotency_key {
        Some(key) => event.record.idempotency_key == Some(key),
        None => event.record == *record,
    };
    // A replay may have happened at any time.
    let time = record.occurred.filter(|_| record.idempotency_key.is_none());
    let mut after = time.map(Place::before);
    let mut found = None;
    loop {
        let mut visit = |event: &Event<'_>| {
            if is_same(event) {
                found = found.max(Some((event.recorded, event.dot)));
            }
            match time {
                Some(time) if event.occurred() > time => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        };
        let (id, query) = (record.aggregate_id, Query::default());
        let page = reader.aggregate_events(root, id, after, PAGE_EVENTS, &query, &mut visit)?;
        let is_past = |place: &Place| time.is_some_and(|time| place.occurred() > time);
        match page.next.filter(|place| !is_past(place)) {
            Some(next) => after = Some(next),
            None => return Ok(found.map(|(_, dot)| EventId { root: root.clone(), dot })),
        }
    }
}

/// Reads as much as an event's data may have, and no more.
fn read_file(path: &Path) -> anyhow::Result<Vec<u8>> {
    let input: Box<dyn Read> = match is_standard(path) {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(path)?),
    };
    let mut data = Vec::new();
    input.take(DATA_BYTES_MAX as u64 + 1).read_to_end(&mut data)?;
    if data.len() > DATA_BYTES_MAX {
        bail!("it has more than the {DATA_BYTES_MAX} bytes that an event may have");
    }
    Ok(data)
}
