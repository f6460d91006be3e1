//! When a store was last synced, with whom, and what came of it: remembered per server.

use std::fmt;

use laterbase_client::client::Client;
use laterbase_client::device::Device;
use laterbase_client::local::Local as _;
use laterbase_client::sync::{Level, SyncError, SyncReport, level};
use laterbase_client::transport::Transport;
use laterbase_core::reader::{Reader, Remembered};
use laterbase_core::store::StoreError;
use laterbase_core::time::format_time;
use laterbase_directory::environment::wall_clock_nanos;
use serde::{Deserialize, Serialize};

use super::server_status::{CLOCK_BEHIND_TOLD, CLOCK_TOLD};
use super::zone::Zone;

/// Keys are this and the server's URL.
const SYNCED: &[u8] = b"synced/";

/// Most characters that are kept of an error.
const ERROR_CHARS_MAX: usize = 300;

/// The last syncs with a server. Times are nanoseconds since 1970 UTC, by this store's wall clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Document {
    done: Option<Done>,
    /// What went wrong since.
    failed: Option<Failed>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Done {
    at: i64,
    pushed: u64,
    pulled: u64,
    held_back: u64,
    /// By how many seconds this clock was ahead of the server's; below 0 if it was behind. `None` if
    /// the server did not say what its clock shows.
    clock_ahead: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Failed {
    /// When it first did. A watch that tries again and again writes nothing anew.
    since: i64,
    error: String,
}

/// Remembers how a sync ended. One that cannot be remembered is a sync all the same.
pub(super) fn note<T: Transport>(
    device: &Device,
    client: &Client<T>,
    outcome: &Result<SyncReport, SyncError>,
) {
    let key = [SYNCED, client.server().to_string().as_bytes()].concat();
    let known = device.reader().recall(&key).ok().flatten();
    let known = known.and_then(|value| serde_json::from_slice::<Document>(&value).ok());
    let known = known.unwrap_or_default();
    let clock_ahead = client.clock_ahead_seconds();
    let document = known.clone().after(outcome, clock_ahead, wall_clock_nanos());
    if document == known {
        return;
    }
    if let Ok(value) = serde_json::to_vec(&document) {
        // What keeps it from being stored is told of elsewhere.
        let _remembered = device.remember(vec![(key, value)]);
    }
}

impl Document {
    fn after(
        self,
        outcome: &Result<SyncReport, SyncError>,
        clock_ahead: Option<i64>,
        now: i64,
    ) -> Self {
        match outcome {
            Ok(report) => {
                let SyncReport { pushed, pulled, held_back, .. } = report;
                let (pushed, pulled, held_back) = (*pushed, *pulled, held_back.len() as u64);
                let done = Done { at: now, pushed, pulled, held_back, clock_ahead };
                Self { done: Some(done), failed: None }
            }
            Err(error) => {
                let error = Chain(error).to_string().chars().take(ERROR_CHARS_MAX).collect();
                let since = self.failed.map_or(now, |failed| failed.since);
                Self { failed: Some(Failed { since, error }), ..self }
            }
        }
    }
}

/// An error and its sources.
struct Chain<'e>(&'e dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

/// The last sync with a server, as scripts read it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SyncedSummary {
    server: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<LastSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<FailedSummary>,
    /// How far behind each side is, as far as is remembered.
    #[serde(flatten)]
    level: Option<LevelSummary>,
    #[serde(skip)]
    document: Document,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct LevelSummary {
    /// Events of this store that the server has not acknowledged.
    server_lacks: u64,
    /// Whether all that the server held at the last sync is here.
    compared: bool,
}

#[derive(Clone, Debug, Serialize)]
struct LastSummary {
    at: String,
    pushed: u64,
    pulled: u64,
    held_back: u64,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_ahead: Option<i64>,
}

#[derive(Clone, Debug, Serialize)]
struct FailedSummary {
    since: String,
    error: String,
}

/// The last syncs, by server.
pub(super) fn last_syncs(reader: &Reader) -> Result<Vec<SyncedSummary>, StoreError> {
    let remembered = reader.recall_all(SYNCED)?.into_iter();
    let read = |(key, value): Remembered| SyncedSummary::read(&key, &value);
    let with_level = |mut sync: SyncedSummary| {
        if let Ok(server) = sync.server.parse() {
            let level = level(reader, &server)?;
            sync.level = level.map(|Level { server_lacks, is_compared }| LevelSummary {
                server_lacks,
                compared: is_compared,
            });
        }
        Ok(sync)
    };
    remembered.filter_map(read).map(with_level).collect()
}

impl SyncedSummary {
    /// What cannot be read is written anew by the next sync.
    fn read(key: &[u8], value: &[u8]) -> Option<Self> {
        let server = str::from_utf8(key.strip_prefix(SYNCED)?).ok()?.to_owned();
        let document: Document = serde_json::from_slice(value).ok()?;
        let last = document.done.clone().map(|done| {
            let Done { at, pushed, pulled, held_back, clock_ahead } = done;
            LastSummary { at: format_time(at), pushed, pulled, held_back, clock_ahead }
        });
        let failed = document
            .failed
            .clone()
            .map(|Failed { since, error }| FailedSummary { since: format_time(since), error });
        Some(Self { server, last, failed, level: None, document })
    }

    /// The same in a sentence or two.
    pub(super) fn text(&self, zone: &Zone) -> String {
        let server = &self.server;
        let mut text = match &self.document.done {
            Some(Done { at, pushed, pulled, held_back, clock_ahead }) => {
                let at = zone.minute(*at);
                let clock = match *clock_ahead {
                    Some(ahead @ CLOCK_TOLD..) => {
                        format!("\nthis clock was {ahead} s ahead of the server's then")
                    }
                    Some(behind @ ..=CLOCK_BEHIND_TOLD) => {
                        let behind = behind.unsigned_abs();
                        format!("\nthis clock was {behind} s behind the server's then")
                    }
                    _ => String::new(),
                };
                let held_back = match held_back {
                    0 => String::new(),
                    count => format!(", {count} origins held back"),
                };
                format!(
                    "last synced {at} with {server}: \
                     pushed {pushed}, pulled {pulled}{held_back}{clock}"
                )
            }
            None => format!("never synced with {server}"),
        };
        if let Some(Failed { since, error }) = &self.document.failed {
            let since = zone.minute(*since);
            text.push_str(&format!("\nno sync with {server} since {since}: {error}"));
        }
        if let Some(level) = &self.level {
            text.push_str(&level.text());
        }
        text
    }
}

impl LevelSummary {
    /// Nothing where both sides are level.
    fn text(self) -> String {
        let lacking = match self.server_lacks {
            0 => String::new(),
            1 => "\nit has not acknowledged 1 event of this store".to_owned(),
            count => format!("\nit has not acknowledged {count} events of this store"),
        };
        let compared = match self.compared {
            true => "",
            false => "\nnot all that it held then is here yet: sync again",
        };
        format!("{lacking}{compared}")
    }
}
