//! A row of a timeline.

use std::collections::BTreeMap;

use laterbase_core::event::Event;
use laterbase_core::hlc::Hlc;
use laterbase_core::id::{Dot, EventId, RootName};
use laterbase_core::time::format_time;
use serde::Serialize;

use super::drawing::Span;
use crate::cli::brief::brief;

/// One event, with the beginning of what it says. Times are nanoseconds since 1970 UTC.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) dot: Dot,
    /// The same as text that names the root.
    pub(super) id: String,
    pub(super) event_type: String,
    /// A short form of its data.
    pub(super) says: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) occurred: i64,
    pub(super) recorded: Hlc,
    pub(super) arrived: i64,
    pub(super) position: u64,
    /// The ids of the events that take it back.
    pub(super) voided_by: Vec<String>,
    /// Whether something that happened later had been recorded before. It is the same on every
    /// replica, as it does not ask when events arrived.
    pub(super) is_late: bool,
}

/// A row as scripts read it.
#[derive(Serialize)]
struct JsonRow<'r> {
    id: &'r str,
    #[serde(rename = "type")]
    event_type: &'r str,
    occurred_at: String,
    recorded_at: String,
    arrived_at: String,
    lag_nanos: i64,
    late: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'r BTreeMap<String, String>,
    hlc: String,
    origin: String,
    seq: u64,
    position: u64,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    voided_by: &'r [String],
}

impl Row {
    pub(super) fn of(root: &RootName, event: &Event<'_>) -> Self {
        let id = |dot| EventId { root: root.clone(), dot }.to_string();
        let metadata = event.record.metadata.iter();
        Self {
            dot: event.dot,
            id: id(event.dot),
            voided_by: event.voided_by.iter().copied().map(id).collect(),
            says: brief(event),
            metadata: metadata.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            event_type: event.record.event_type.to_owned(),
            occurred: event.occurred(),
            recorded: event.recorded,
            arrived: event.arrived,
            position: event.position,
            is_late: false,
        }
    }

    /// Who recorded it; empty if nobody says.
    pub(super) fn who(&self) -> &str {
        self.metadata.get("actor").map_or("", String::as_str)
    }

    /// When it was recorded.
    pub(super) fn recorded_nanos(&self) -> i64 {
        self.recorded.to_unix_nanos()
    }

    /// From when it happened to when it was recorded; below 0 if it was announced ahead.
    pub(super) fn lag_nanos(&self) -> i64 {
        self.recorded_nanos().saturating_sub(self.occurred)
    }

    /// All the time that the row speaks of.
    pub(super) fn span(&self) -> Span {
        let times = [self.occurred, self.recorded_nanos(), self.arrived];
        Span::of(times)
    }

    /// The row as one JSON object on a line.
    pub(super) fn json_line(&self) -> anyhow::Result<Vec<u8>> {
        let row = JsonRow {
            id: &self.id,
            event_type: &self.event_type,
            occurred_at: format_time(self.occurred),
            recorded_at: format_time(self.recorded_nanos()),
            arrived_at: format_time(self.arrived),
            lag_nanos: self.lag_nanos(),
            late: self.is_late,
            metadata: &self.metadata,
            hlc: self.recorded.to_string(),
            origin: self.dot.origin.to_string(),
            seq: self.dot.seq,
            position: self.position,
            voided_by: &self.voided_by,
        };
        let mut line = serde_json::to_vec(&row)?;
        line.push(b'\n');
        Ok(line)
    }
}

/// Marks the late ones of rows that are in fold order. `recorded_behind` is the earliest stamp
/// of all that follows them.
pub(super) fn mark_late(rows: &mut [Row], mut recorded_behind: Hlc) {
    for row in rows.iter_mut().rev() {
        row.is_late = recorded_behind < row.recorded;
        recorded_behind = recorded_behind.min(row.recorded);
    }
}
