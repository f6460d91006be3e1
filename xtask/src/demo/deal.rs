//! Which device records which events.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{device::Device, history::Aggregate};

#[cfg(test)]
mod tests;

/// How many aggregates are watched in the search for one worth showing.
const WATCHED_MAX: usize = 10_000;

/// The most events that a history worth showing has.
const SHOWN_EVENTS_MAX: u32 = 20;

/// An event, as a line of NDJSON, and the index of the device that records it.
pub(super) type Deal = (usize, String);

/// What came of it.
pub(super) struct Dealt {
    /// Events by device.
    pub(super) recorded: Vec<u64>,
    pub(super) roots: BTreeSet<String>,
    /// An aggregate with events from as many devices as can be.
    pub(super) sample: Aggregate,
}

/// Lets the devices record what they are dealt, all at the same time.
pub(super) fn deal(devices: &[Device], deals: impl Iterator<Item = Result<Deal>>) -> Result<Dealt> {
    let mut recordings = devices.iter().map(Device::record).collect::<Result<Vec<_>>>()?;
    let mut search = Search::default();
    for deal in deals {
        let (device, line) = deal?;
        search.see(device, &line).with_context(|| format!("not an event: {line}"))?;
        recordings[device].event(&line)?;
    }
    let recorded = recordings.into_iter().map(|recording| recording.finish());
    Ok(Dealt {
        recorded: recorded.collect::<Result<_>>()?,
        sample: search.best().context("there are no events")?,
        roots: search.roots,
    })
}

/// The lines of an NDJSON file, dealt to `devices` devices in turns.
pub(super) fn lines_in_turns(
    path: &Path,
    devices: usize,
) -> Result<impl Iterator<Item = Result<Deal>> + use<>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let compressed = path.extension().is_some_and(|extension| extension == "zst");
    let reader: Box<dyn Read> =
        if compressed { Box::new(zstd::Decoder::new(file)?) } else { Box::new(file) };
    let lines = BufReader::new(reader).lines();
    let lines = lines.filter(|line| line.as_ref().map_or(true, |line| !line.trim().is_empty()));
    Ok(lines.enumerate().map(move |(index, line)| Ok((index % devices, line?))))
}

/// Looks at events as they pass.
#[derive(Default)]
struct Search {
    roots: BTreeSet<String>,
    watched: BTreeMap<Aggregate, Watched>,
}

#[derive(Default)]
struct Watched {
    events: u32,
    devices: BTreeSet<usize>,
}

impl Search {
    fn see(&mut self, device: usize, line: &str) -> Result<()> {
        #[derive(Deserialize)]
        struct Event<'a> {
            #[serde(borrow)]
            root: Cow<'a, str>,
            #[serde(borrow)]
            aggregate_id: Cow<'a, str>,
        }

        let event: Event<'_> = serde_json::from_str(line)?;
        if !self.roots.contains(event.root.as_ref()) {
            self.roots.insert(event.root.clone().into_owned());
        }
        let aggregate =
            Aggregate { root: event.root.into_owned(), id: event.aggregate_id.into_owned() };
        if self.watched.len() < WATCHED_MAX || self.watched.contains_key(&aggregate) {
            let watched = self.watched.entry(aggregate).or_default();
            watched.events += 1;
            watched.devices.insert(device);
        }
        Ok(())
    }

    /// The aggregate that most devices met; of those the one with the longest history that still
    /// fits the screen.
    fn best(&self) -> Option<Aggregate> {
        let worth = |watched: &Watched| {
            let fits = if watched.events <= SHOWN_EVENTS_MAX { watched.events } else { 0 };
            (fits.min(1), watched.devices.len(), fits)
        };
        let best = self.watched.iter().max_by_key(|(_, watched)| worth(watched));
        best.map(|(aggregate, _)| aggregate.clone())
    }
}
