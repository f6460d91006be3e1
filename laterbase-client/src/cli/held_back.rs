//! Origins of which events are held back, and changes of the store's own id, as the commands print
//! them.

use std::collections::BTreeMap;
use std::fmt;

use laterbase_client::device::Device;
use laterbase_client::sync::Standing;
use laterbase_core::fork::{Doubt, Fork, HeldBack};
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::renewal::Renewal;
use serde::Serialize;

use super::output::complain;

/// One of them, as in what a server says at `GET /`.
#[derive(Serialize)]
pub(super) struct HeldBackSummary {
    root: String,
    origin: String,
    seq: u64,
    reason: &'static str,
    /// The server on the way to which it is, if it is not a matter of this store alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    /// The event's id, its size and what did get through, where it is too large.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
}

impl HeldBackSummary {
    pub(super) fn new(root: &RootName, origin: ReplicaId, seq: u64, reason: &'static str) -> Self {
        let (root, origin) = (root.to_string(), origin.to_string());
        Self { root, origin, seq, reason, server: None, event: None, size: None, limit: None }
    }

    fn of(held: &HeldBack) -> Self {
        let (seq, reason) = match held.reason {
            Doubt::Fork { seq, .. } => (seq, "fork"),
            Doubt::ForkAtPeer { seq } => (seq, "fork"),
            Doubt::Hole { held_seq } => (held_seq + 1, "hole"),
            Doubt::Stamps => (held.seq, "stamps"),
            Doubt::Damaged => (held.seq, "damaged"),
            Doubt::TooLarge { .. } => (held.seq, "too-large"),
            _ => (held.seq, "other"),
        };
        let mut summary = Self::new(&held.root, held.origin, seq, reason);
        if let Doubt::TooLarge { size_bytes, passed_bytes, .. } = held.reason {
            summary.event = Some(format!("{}:{}-{}", held.root, held.origin, held.seq));
            summary.size = Some(size_bytes).filter(|size| *size > 0);
            summary.limit = passed_bytes;
        }
        summary
    }

    pub(super) fn is_damaged(&self) -> bool {
        self.reason == "damaged"
    }

    /// The server that a sync with left it, if it is one of those.
    pub(super) fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }
}

impl fmt::Display for HeldBackSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { root, origin, seq, reason, size, .. } = self;
        write!(f, "{root}: events of {origin} from {seq} on are held back ({reason}")?;
        if let Some(size) = size {
            write!(f, ", {size} bytes")?;
        }
        write!(f, ")")
    }
}

pub(super) fn summaries(held_back: &[HeldBack]) -> Vec<HeldBackSummary> {
    held_back.iter().map(HeldBackSummary::of).collect()
}

/// What the last sync with a server left where it was, but for what the store itself knows of.
pub(super) fn standing_summaries(standing: &Standing) -> impl Iterator<Item = HeldBackSummary> {
    let is_local = |held: &&HeldBack| matches!(held.reason, Doubt::Fork { .. } | Doubt::Damaged);
    let held_back = standing.held_back.iter().filter(move |held| !is_local(held));
    held_back.map(|held| {
        let server = Some(standing.server.clone());
        HeldBackSummary { server, ..HeldBackSummary::of(held) }
    })
}

/// Two histories of one origin in a root.
#[derive(Serialize)]
pub(super) struct ForkSummary {
    root: String,
    origin: String,
    seq: u64,
    located: bool,
    ours: u64,
    theirs: u64,
}

impl From<Fork> for ForkSummary {
    fn from(fork: Fork) -> Self {
        let Fork { root, origin, seq, is_located, ours, theirs } = fork;
        let (root, origin) = (root.to_string(), origin.to_string());
        Self { root, origin, seq, located: is_located, ours, theirs }
    }
}

impl fmt::Display for ForkSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { root, origin, seq, ours, theirs, .. } = self;
        write!(f, "{root} has two histories of {origin} from {seq} on: {ours} events here, ")?;
        write!(f, "{theirs} in quarantine. `laterbase resolve` decides")
    }
}

/// The forks among what a sync left: with what this store knows of them, if it does.
pub(super) fn forks(device: &Device, held_back: &[HeldBack]) -> Vec<ForkSummary> {
    let fork = |held: &HeldBack| {
        let (Doubt::Fork { seq, .. } | Doubt::ForkAtPeer { seq }) = held.reason else {
            return None;
        };
        let known = device.reader().fork(&held.root, held.origin);
        Some(known.map_or_else(
            || ForkSummary {
                root: held.root.to_string(),
                origin: held.origin.to_string(),
                seq,
                located: false,
                ours: 0,
                theirs: 0,
            },
            ForkSummary::from,
        ))
    };
    held_back.iter().filter_map(fork).collect()
}

/// A change of the store's own id.
#[derive(Serialize)]
pub(super) struct RenewalSummary {
    old: String,
    new: String,
    from: BTreeMap<String, u64>,
    reason: &'static str,
}

impl From<&Renewal> for RenewalSummary {
    fn from(renewal: &Renewal) -> Self {
        let from = renewal.from.iter().map(|(root, seq)| (root.to_string(), *seq)).collect();
        let (old, new) = (renewal.old.to_string(), renewal.new.to_string());
        Self { old, new, from, reason: renewal.reason.word() }
    }
}

/// Says which changes of the store's id there were since it was opened, or by that.
pub(super) fn tell_renewals(device: &Device) {
    for renewal in device.reader().renewals_since_open() {
        complain(format_args!("a new identity: {renewal}"));
    }
}
