//! What a sync left where it was, and why: remembered per server, so that it can be told of when no
//! sync runs.

use std::collections::BTreeSet;
use std::fmt;

use crate::fork::{Doubt, HeldBack};
use crate::id::RootName;
use crate::reader::{Reader, Remembered};
use crate::store::StoreError;
use serde::{Deserialize, Serialize};

use super::SyncReport;

/// Keys are this and the server's URL.
const STANDING: &[u8] = b"standing/";

/// Most entries that are remembered of a server. A sync tells of all of them.
const ENTRIES_MAX: usize = 1_000;

/// What the last sync with a server left where it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The server's URL.
    pub server: String,
    /// Origins whose events did not go, on either side.
    pub held_back: Vec<HeldBack>,
    /// Roots that this side has and the server does not take.
    pub skipped: Vec<RootName>,
}

impl Standing {
    pub(super) fn of(server: &str, report: &SyncReport) -> Self {
        let held_back = report.held_back.iter().take(ENTRIES_MAX).cloned().collect();
        let skipped = report.skipped.iter().take(ENTRIES_MAX).cloned().collect();
        Self { server: server.to_owned(), held_back, skipped }
    }

    /// What is remembered of a server, but for what has come since.
    pub(super) fn recall(reader: &Reader, server: &str) -> Result<Self, StoreError> {
        let value = reader.recall(&[STANDING, server.as_bytes()].concat())?;
        Ok(match value {
            Some(value) => Self::read(reader, server.to_owned(), &value),
            None => Self { server: server.to_owned(), ..Self::default() },
        })
    }

    /// What is to be remembered.
    pub(super) fn entry(&self) -> Remembered {
        let held_back = self.held_back.iter().map(Entry::of).collect();
        let skipped = self.skipped.iter().map(ToString::to_string).collect();
        let document = Document { held_back, skipped };
        let value = serde_json::to_vec(&document).expect("plain fields are always JSON");
        ([STANDING, self.server.as_bytes()].concat(), value)
    }

    fn read(reader: &Reader, server: String, value: &[u8]) -> Self {
        // What cannot be read is found anew by the next sync.
        let document: Document = serde_json::from_slice(value).unwrap_or_default();
        let held_back = document.held_back.into_iter().filter_map(Entry::held_back);
        let stands = |held: &HeldBack| match held.reason {
            // The store itself knows whether it still has that fork.
            Doubt::Fork { .. } => reader.fork(&held.root, held.origin).is_some(),
            Doubt::Hole { .. } | Doubt::Stamps => {
                reader.held_seq(&held.root, held.origin) < held.seq
            }
            Doubt::TooLarge { is_ours, .. } => {
                is_ours || reader.held_seq(&held.root, held.origin) < held.seq
            }
            _ => true,
        };
        let held_back = held_back.filter(stands).collect();
        let skipped = document.skipped.iter().filter_map(|name| name.parse().ok()).collect();
        Self { server, held_back, skipped }
    }

    fn is_empty(&self) -> bool {
        self.held_back.is_empty() && self.skipped.is_empty()
    }
}

/// What the last syncs left where it was, server by server.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn standings(reader: &Reader) -> Result<Vec<Standing>, StoreError> {
    let remembered = reader.recall_all(STANDING)?.into_iter();
    let read = remembered.filter_map(|(key, value)| {
        let server = std::str::from_utf8(key.get(STANDING.len()..)?).ok()?.to_owned();
        Some(Standing::read(reader, server, &value))
    });
    Ok(read.filter(|standing| !standing.is_empty()).collect())
}

/// Whether an entry is about what the server has and we do not get.
pub(super) const fn is_theirs(held: &HeldBack) -> bool {
    matches!(
        held.reason,
        Doubt::Hole { .. } | Doubt::Stamps | Doubt::TooLarge { is_ours: false, .. }
    )
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Document {
    held_back: Vec<Entry>,
    skipped: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    root: String,
    origin: String,
    seq: u64,
    reason: Reason,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reason {
    Fork { seq: u64, is_located: bool },
    ForkAtPeer { seq: u64 },
    Hole { held_seq: u64 },
    Stamps,
    Damaged,
    TooLarge { size_bytes: u64, passed_bytes: Option<u64>, is_ours: bool },
}

impl Entry {
    fn of(held: &HeldBack) -> Self {
        let reason = match held.reason {
            Doubt::Fork { seq, is_located } => Reason::Fork { seq, is_located },
            Doubt::ForkAtPeer { seq } => Reason::ForkAtPeer { seq },
            Doubt::Hole { held_seq } => Reason::Hole { held_seq },
            Doubt::Stamps => Reason::Stamps,
            Doubt::Damaged => Reason::Damaged,
            Doubt::TooLarge { size_bytes, passed_bytes, is_ours } => {
                Reason::TooLarge { size_bytes, passed_bytes, is_ours }
            }
        };
        let (root, origin) = (held.root.to_string(), held.origin.to_string());
        Self { root, origin, seq: held.seq, reason }
    }

    fn held_back(self) -> Option<HeldBack> {
        let reason = match self.reason {
            Reason::Fork { seq, is_located } => Doubt::Fork { seq, is_located },
            Reason::ForkAtPeer { seq } => Doubt::ForkAtPeer { seq },
            Reason::Hole { held_seq } => Doubt::Hole { held_seq },
            Reason::Stamps => Doubt::Stamps,
            Reason::Damaged => Doubt::Damaged,
            Reason::TooLarge { size_bytes, passed_bytes, is_ours } => {
                Doubt::TooLarge { size_bytes, passed_bytes, is_ours }
            }
        };
        let (root, origin) = (self.root.parse().ok()?, self.origin.parse().ok()?);
        Some(HeldBack { root, origin, seq: self.seq, reason })
    }
}

/// Tells of what is held back once, however many syncs find it.
#[derive(Debug, Default)]
pub struct HeldBackNews {
    told: BTreeSet<String>,
}

/// What has changed since the sync before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldBackChange {
    /// Held back since then, each in a sentence.
    pub begun: Vec<String>,
    /// Held back no longer.
    pub over: Vec<String>,
}

impl HeldBackNews {
    /// Takes in how a sync went.
    pub fn take(&mut self, report: &SyncReport) -> HeldBackChange {
        let now: BTreeSet<String> = report.left_out().map(|left| left.to_string()).collect();
        let begun = now.difference(&self.told).cloned().collect();
        let over = self.told.difference(&now).cloned().collect();
        self.told = now;
        HeldBackChange { begun, over }
    }
}

/// Something that a sync left where it was.
#[derive(Clone, Copy, Debug)]
pub enum LeftOut<'r> {
    /// Events of an origin.
    HeldBack(&'r HeldBack),
    /// A root that the server does not take.
    Skipped(&'r RootName),
}

impl fmt::Display for LeftOut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeldBack(held) => write!(f, "held back: {held}"),
            Self::Skipped(root) => {
                write!(f, "the server does not take {root}, so it was left out")
            }
        }
    }
}

#[cfg(test)]
mod tests;
