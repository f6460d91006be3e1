//! `laterbase void`: takes events back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use laterbase_core::PreparedBatch;
use laterbase_core::event::{MetadataBuf, Record, VoidsBuf};
use laterbase_core::id::{Dot, EventId, RootName};
use laterbase_core::limits::VOIDS_MAX;
use laterbase_core::reader::Reader;
use laterbase_directory::environment::wall_clock_nanos;
use serde::Serialize;

use super::Common;
use super::output::{Output, complain};
use super::recorder::Recorder;
use super::settings::Settings;

/// The type of the events that take others back.
const TYPE: &str = "Voided";

#[derive(Debug, Args)]
pub(crate) struct VoidArgs {
    /// The ids of the events that were wrong, as `laterbase log` and `timeline` print them.
    #[arg(value_name = "ID", required = true)]
    ids: Vec<EventId>,
    /// Why: kept as `reason` in the metadata of the event that takes them back.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who takes them back: kept as `actor` in the metadata [default: what `laterbase init` set].
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
}

#[derive(Serialize)]
struct Summary {
    voided: usize,
    /// The events that take them back.
    ids: Vec<String>,
}

/// The events to take back, by root and aggregate.
type Wrong = BTreeMap<RootName, BTreeMap<String, BTreeSet<Dot>>>;

pub(crate) fn run(common: &Common, args: &VoidArgs, output: &mut Output) -> anyhow::Result<()> {
    common.check_existing()?;
    let metadata = args.metadata(common)?;
    let mut recorder = Recorder::open(common)?;
    let done = take_back(common, &mut recorder, args, &metadata);
    recorder.close();
    let (wrong, ids) = done?;
    let voided = wrong.values().flat_map(BTreeMap::values).map(BTreeSet::len).sum();
    let ids: Vec<String> = ids.iter().map(EventId::to_string).collect();
    let by = if ids.is_empty() { String::new() } else { format!(" by {}", ids.join(" ")) };
    let events = if voided == 1 { "event" } else { "events" };
    let summary = Summary { voided, ids };
    output.summary(&summary, format_args!("took back {voided} {events}{by}"))
}

impl VoidArgs {
    fn metadata(&self, common: &Common) -> anyhow::Result<MetadataBuf> {
        let mut metadata = MetadataBuf::default();
        let settings = Settings::read(&common.store)?;
        let actor = self.actor.as_ref().or(settings.actor.as_ref());
        for (name, value) in [("actor", actor), ("reason", self.reason.as_ref())] {
            if let Some(value) = value {
                metadata.set(name, value).with_context(|| format!("--{name}"))?;
            }
        }
        Ok(metadata)
    }
}

fn take_back(
    common: &Common,
    recorder: &mut Recorder,
    args: &VoidArgs,
    metadata: &MetadataBuf,
) -> anyhow::Result<(Wrong, Vec<EventId>)> {
    let wrong = recorder.read(|reader| look_up(reader, &args.ids))?;
    let folds = Arc::new(common.folds());
    let mut batches = Vec::new();
    for (root, aggregates) in &wrong {
        let mut batch = PreparedBatch::new(root.clone(), Arc::clone(&folds), wall_clock_nanos());
        for (id, dots) in aggregates {
            let dots: Vec<Dot> = dots.iter().copied().collect();
            for dots in dots.chunks(VOIDS_MAX) {
                let voids: VoidsBuf = dots.iter().copied().collect();
                let record = Record::json(id, TYPE, "{}")
                    .with_metadata(metadata.as_metadata())
                    .with_voids(voids.as_voids());
                batch.push(&record)?;
            }
        }
        batches.push(batch);
    }
    recorder.record(&batches.iter().collect::<Vec<_>>())?;
    // What is stored is stored, whatever the look for its ids comes to.
    let ids = recorder.read(|reader| voiding(reader, &wrong)).unwrap_or_default();
    Ok((wrong, ids))
}

/// Finds the aggregates of the events, and says which of them were taken back before.
fn look_up(reader: &Reader, ids: &[EventId]) -> anyhow::Result<Wrong> {
    let (mut wrong, mut done) = (Wrong::new(), Vec::new());
    let mut lookup = reader.lookup()?;
    for id in ids {
        let found = lookup
            .event(id, |event| (event.record.aggregate_id.to_owned(), event.voided_by.to_vec()))?;
        let Some((aggregate_id, voided_by)) = found else {
            bail!("there is no event {id} in this store");
        };
        if let Some(by) = voided_by.first() {
            done.push(format!("{id} was taken back already, by {}:{by}", id.root));
            continue;
        }
        let aggregates = wrong.entry(id.root.clone()).or_default();
        aggregates.entry(aggregate_id).or_default().insert(id.dot);
    }
    if wrong.is_empty() {
        bail!(done.join("; "));
    }
    done.iter().for_each(complain);
    Ok(wrong)
}

/// The events that take back what was wrong.
fn voiding(reader: &Reader, wrong: &Wrong) -> anyhow::Result<Vec<EventId>> {
    let mut ids = Vec::new();
    let mut lookup = reader.lookup()?;
    for (root, aggregates) in wrong {
        let mut found = BTreeSet::new();
        for dot in aggregates.values().flatten() {
            let id = EventId { root: root.clone(), dot: *dot };
            found.extend(lookup.event(&id, |event| event.voided_by.to_vec())?.unwrap_or_default());
        }
        ids.extend(found.into_iter().map(|dot| EventId { root: root.clone(), dot }));
    }
    Ok(ids)
}
