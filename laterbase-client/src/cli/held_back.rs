//! Origins of which events are held back, as the commands print them.

use std::fmt;

use laterbase_core::fork::{Doubt, HeldBack};
use laterbase_core::id::{ReplicaId, RootName};
use serde::Serialize;

/// One of them, as in what a server says at `GET /`.
#[derive(Serialize)]
pub(super) struct HeldBackSummary {
    root: String,
    origin: String,
    seq: u64,
    reason: &'static str,
}

impl HeldBackSummary {
    pub(super) fn new(root: &RootName, origin: ReplicaId, seq: u64, reason: &'static str) -> Self {
        Self { root: root.to_string(), origin: origin.to_string(), seq, reason }
    }

    pub(super) fn is_damaged(&self) -> bool {
        self.reason == "damaged"
    }
}

impl fmt::Display for HeldBackSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { root, origin, seq, reason } = self;
        write!(f, "{root}: events of {origin} from {seq} on are held back ({reason})")
    }
}

pub(super) fn summaries(held_back: &[HeldBack]) -> Vec<HeldBackSummary> {
    let summary = |held: &HeldBack| {
        let (seq, reason) = match held.reason {
            Doubt::Fork { seq, .. } => (seq, "fork"),
            Doubt::Hole { .. } => (held.seq, "hole"),
            Doubt::Stamps => (held.seq, "stamps"),
            _ => (held.seq, "other"),
        };
        HeldBackSummary::new(&held.root, held.origin, seq, reason)
    };
    held_back.iter().map(summary).collect()
}
