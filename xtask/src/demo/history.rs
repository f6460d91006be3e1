//! One aggregate's events, as people read them.

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::device::Device;

/// The longest piece of an event's data that is shown.
const DATA_CHARS_MAX: usize = 60;

/// Names one aggregate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Aggregate {
    pub(super) root: String,
    pub(super) id: String,
}

/// An event as `laterbase log` writes it.
#[derive(Deserialize)]
struct Event<'a> {
    id: String,
    r#type: String,
    occurred_at: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// Prints a line for each event: when it happened, who recorded it, and what.
pub(super) fn print(log: &str, devices: &[Device]) -> Result<()> {
    let mut replicas = Vec::new();
    for device in devices {
        replicas.push((device.status()?.replica, device.name()));
    }
    let mut events = Vec::new();
    for line in log.lines() {
        let event: Event<'_> =
            serde_json::from_str(line).with_context(|| format!("log printed {line:?}"))?;
        events.push(event);
    }
    let width = |text: fn(&Event<'_>) -> usize| events.iter().map(text).max().unwrap_or(0) + 2;
    let time_width = width(|event| event.occurred_at.len());
    let type_width = width(|event| event.r#type.chars().count());
    for Event { id, r#type, occurred_at, data } in &events {
        let dot = id.rsplit_once(':').map_or("", |(_root, dot)| dot);
        let origin = dot.rsplit_once('-').map_or("", |(origin, _seq)| origin);
        let who = replicas.iter().find(|(replica, _)| replica == origin);
        let who = who.map_or("?", |(_, name)| name);
        let data: String = data.map_or("", RawValue::get).chars().take(DATA_CHARS_MAX).collect();
        println!("{occurred_at:<time_width$}{who:<7}{type:<type_width$}{data}");
    }
    Ok(())
}
