//! Where values come from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::settings::{Settings, key};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody said anything.
    Default,
    /// A line of the configuration file.
    File { path: PathBuf, line: usize },
    /// An environment variable.
    Variable(String),
    /// A flag on the command line.
    Flag(String),
}

/// Where the value of each key comes from. What is not in it is so by default.
pub(crate) type Sources = BTreeMap<String, Source>;

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => {
                // It is to stay in one line, as a comment.
                let path = path.to_string_lossy().replace(char::is_control, "?");
                write!(f, "{path}:{line}")
            }
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// What the command line and the environment say.
pub(crate) fn said(matches: &ArgMatches) -> Sources {
    let mut sources = Sources::new();
    for option in Settings::options() {
        let name = key(&option).to_owned();
        let source = match matches.value_source(option.get_id().as_str()) {
            Some(ValueSource::CommandLine) => Source::Flag(name.clone()),
            Some(ValueSource::EnvVariable) => {
                let variable = option.get_env().unwrap_or_default();
                Source::Variable(variable.to_string_lossy().into_owned())
            }
            _ => continue,
        };
        sources.insert(name, source);
    }
    sources
}
