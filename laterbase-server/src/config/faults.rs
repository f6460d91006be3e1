//! What is wrong with a configuration, all of it at once.

use std::fmt;

use super::source::{Source, Sources};

/// What is wrong: at least one thing, each in a line that says where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults(pub Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Faults {}

impl From<String> for Faults {
    fn from(line: String) -> Self {
        Self(vec![line])
    }
}

impl Faults {
    /// Adds what is wrong with a key's value.
    pub(crate) fn add(&mut self, sources: &Sources, key: &str, error: &anyhow::Error) {
        let source = sources.get(key).unwrap_or(&Source::Default);
        // A flag is the key; of anything else, the place does not tell.
        self.0.push(match source {
            Source::Flag(_) => format!("--{key}: {error:#}"),
            source => format!("{source}: {key}: {error:#}"),
        });
    }

    /// Nothing, if nothing is wrong.
    pub(crate) fn none_or(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}
