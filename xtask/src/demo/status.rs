//! What a replica says of itself: `GET /` and `laterbase status --json`.

use std::collections::BTreeMap;

use serde::Deserialize;

#[cfg(test)]
mod tests;

/// How much of a digest is shown; enough to see that two differ.
const DIGEST_CHARS: usize = 12;

#[derive(Debug, Deserialize)]
pub(super) struct Status {
    /// The replica id, as in the ids of its events.
    pub(super) replica: String,
    roots: BTreeMap<String, Root>,
}

#[derive(Debug, Deserialize)]
struct Root {
    events: u64,
    digest: String,
    /// Own events that no peer has acknowledged; a server does not say.
    #[serde(default)]
    pending: u64,
}

impl Status {
    /// Events of all roots.
    pub(super) fn events(&self) -> u64 {
        self.roots.values().map(|root| root.events).sum()
    }

    /// Pending events of all roots.
    pub(super) fn pending(&self) -> u64 {
        self.roots.values().map(|root| root.pending).sum()
    }

    /// The digest of every root that holds events. Equal on two replicas exactly when they hold
    /// the same events: a replica may name a root that is still empty, and another not.
    pub(super) fn digests(&self) -> BTreeMap<&str, &str> {
        let held = self.roots.iter().filter(|(_, root)| root.events > 0);
        held.map(|(name, root)| (name.as_str(), root.digest.as_str())).collect()
    }
}

/// Prints a row for each root with a column for each replica.
pub(super) fn print_digests(replicas: &[(&str, Status)]) {
    let names: Vec<_> = replicas.iter().map(|(name, _)| format!("{name:<14}")).collect();
    println!("{:<20}{:>9}  {}", "root", "events", names.concat().trim_end());
    let mut roots: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, status) in replicas {
        for (name, root) in status.roots.iter().filter(|(_, root)| root.events > 0) {
            let events = roots.entry(name).or_default();
            *events = root.events.max(*events);
        }
    }
    for (root, events) in roots {
        let digests = replicas.iter().map(|(_, status)| {
            let digest = status.digests().get(root).copied().unwrap_or("-");
            format!("{:<14}", digest.chars().take(DIGEST_CHARS).collect::<String>())
        });
        println!("{root:<20}{events:>9}  {}", digests.collect::<String>().trim_end());
    }
}
