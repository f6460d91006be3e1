//! What the reference server is told: flags, over environment, over a file, over what is so by
//! default.

mod building;
#[cfg(any(unix, test))]
mod changes;
mod checks;
mod faults;
mod file;
mod printed;
mod settings;
mod source;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::ArgMatches;
use laterbase_server::Builder;
use serde::Deserialize as _;
use tracing_subscriber::EnvFilter;

use crate::logging::{self, Format};

pub(crate) use building::PeerUrl;
pub(crate) use faults::Faults;
use settings::Settings;
use source::Sources;

/// What is said by flags and variables.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    settings: Settings,

    /// A TOML file with any of the long options above, such as `listen = "0.0.0.0:4920"`
    #[arg(long, env = "LATERBASE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Take a new replica id, as after a restored backup
    #[arg(long)]
    new_identity: bool,
}

/// What the server goes by: everything that was said, each value checked for itself.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    settings: Settings,
    /// The settings by their keys, as in a file.
    values: toml::Table,
    sources: Sources,
    new_identity: bool,
}

impl Config {
    /// Puts together what flags and variables say, and a file that they name. The file is read
    /// each time.
    ///
    /// # Errors
    /// Everything that is wrong, and where it was said. Nothing is opened or bound to find it.
    pub(crate) fn of(flags: &Flags, matches: &ArgMatches) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let mut sources = source::said(matches);
        let mut values = table(&flags.settings)?;
        if let Some(path) = &flags.config {
            let (in_file, lines) = file::read(path, &mut faults);
            for (key, line) in lines {
                if sources.contains_key(&key) {
                    continue;
                }
                if let Some(value) = in_file.get(&key) {
                    values.insert(key.clone(), value.clone());
                }
                sources.insert(key, line);
            }
        }
        let settings = Settings::deserialize(values);
        let mut settings = settings.map_err(|error| Faults::from(error.to_string()))?;
        for (key, list) in [
            ("root", &mut settings.root),
            ("peer", &mut settings.peer),
            ("host", &mut settings.host),
            ("allow-origin", &mut settings.allow_origin),
        ] {
            if !trim(list) {
                faults.add(&sources, key, &anyhow!("it is given and names nothing"));
            }
        }
        checks::check(&settings, &sources, &mut faults);
        faults.none_or()?;
        Ok(Self { values: table(&settings)?, settings, sources, new_identity: flags.new_identity })
    }

    /// What is logged, and how it looks.
    pub(crate) fn log(&self) -> anyhow::Result<(EnvFilter, Format)> {
        let format = Format::of(self.settings.log_format.as_deref())?;
        Ok((logging::filter(self.settings.log.as_deref())?, format))
    }

    /// Takes the address to listen on, so that nothing is opened where it is in use.
    pub(crate) fn listener(&self) -> anyhow::Result<TcpListener> {
        let address = self.address()?;
        let at = || format!("cannot listen on {address}");
        let listener = TcpListener::bind(address).with_context(at)?;
        listener.set_nonblocking(true).with_context(at)?;
        Ok(listener)
    }

    /// The address to listen on.
    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        self.settings.address()
    }

    /// The servers to keep in sync with.
    pub(crate) fn peers(&self) -> anyhow::Result<Vec<PeerUrl>> {
        self.settings.peers()
    }

    /// How long requests under way may take to end.
    pub(crate) fn stop_time_max(&self) -> Duration {
        self.settings.bounds().stop_time_max
    }

    /// The server, still to be built.
    pub(crate) fn server(&self) -> anyhow::Result<Builder> {
        self.settings.server(self.new_identity)
    }
}

fn table(settings: &Settings) -> Result<toml::Table, Faults> {
    toml::Table::try_from(settings)
        .map_err(|error| format!("a value cannot stand in a configuration: {error}").into())
}

/// Takes the spaces of `a, b` away, and the empty entry behind a last comma. Whether anything is
/// left of what was said: nothing said means every root, and that is not to come out of a variable
/// that was not set.
fn trim(list: &mut Vec<String>) -> bool {
    let was_said = !list.is_empty();
    for entry in &mut *list {
        *entry = entry.trim().to_owned();
    }
    list.retain(|entry| !entry.is_empty());
    !was_said || !list.is_empty()
}

#[cfg(test)]
mod tests;
