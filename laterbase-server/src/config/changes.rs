//! What differs between two configurations, and what of it can be taken over by a server that runs.

use super::Config;
use super::settings::{Settings, key};

/// The keys whose values can be others while the server runs.
pub(crate) const RELOADED: [&str; 12] = [
    "host",
    "allow-origin",
    "log",
    "backup-every",
    "backup-keep",
    "connections",
    "connections-per-address",
    "head-seconds",
    "idle-seconds",
    "lag-seconds",
    "bytes-per-second-min",
    "fold-seconds",
];

/// The keys whose values differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Those that were taken over.
    pub taken: Vec<String>,
    /// Those that take effect with the next start.
    pub waiting: Vec<String>,
}

impl Config {
    /// Becomes another configuration, but for the values that a server that runs cannot take over.
    pub(crate) fn take_over(&mut self, other: Self) -> Changed {
        let mut changed = Changed::default();
        let Self { mut values, .. } = other;
        for option in Settings::options() {
            let key = key(&option);
            if self.values.get(key) == values.get(key) {
                continue;
            }
            if !RELOADED.contains(&key) {
                changed.waiting.push(key.to_owned());
                continue;
            }
            changed.taken.push(key.to_owned());
            match values.remove(key) {
                Some(value) => drop(self.values.insert(key.to_owned(), value)),
                None => drop(self.values.remove(key)),
            }
        }
        changed
    }
}
