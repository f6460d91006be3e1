//! SIGHUP: the configuration is read again, and what can be other while the server runs is.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use clap::ArgMatches;
use laterbase_server::ServerHandle;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{Config, Faults, Flags};
use crate::logging::Log;

/// What is needed to read the configuration again, and what the server goes by now.
pub(crate) struct Reloading {
    pub flags: Flags,
    pub matches: ArgMatches,
    pub config: Config,
    pub log: Arc<Log>,
}

/// The signal, and whether it may mean that a terminal was closed.
pub(crate) struct Hangup {
    signal: Signal,
    had_terminal: bool,
}

impl Hangup {
    /// Hears the signal from now on.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { signal: signal(SignalKind::hangup())?, had_terminal: io::stdin().is_terminal() })
    }
}

impl Reloading {
    /// Reads the configuration again, whenever the signal comes.
    pub(crate) async fn run(mut self, mut hangup: Hangup, server: ServerHandle) {
        while hangup.signal.recv().await.is_some() {
            if hangup.had_terminal && !io::stdin().is_terminal() {
                tracing::info!("the terminal was closed");
                server.stop();
                return;
            }
            if let Err(faults) = self.reload(&server) {
                for fault in faults.0 {
                    tracing::error!(fault, "the configuration stays as it was");
                }
            }
        }
    }

    /// Takes over all that can be, or nothing.
    fn reload(&mut self, server: &ServerHandle) -> Result<(), Faults> {
        let config = Config::of(&self.flags, &self.matches)?;
        let told = config.server().and_then(|server| Ok((server, config.log()?.0)));
        let (builder, filter) = told.map_err(|error| Faults::from(format!("{error:#}")))?;
        server.reconfigure(builder).map_err(|error| Faults::from(error.to_string()))?;
        self.log.set_filter(filter).map_err(|error| Faults::from(error.to_string()))?;
        let changed = self.config.take_over(config);
        let (taken, waiting) = (changed.taken.join(", "), changed.waiting.join(", "));
        tracing::info!(changed = taken, "the configuration was read again");
        if !waiting.is_empty() {
            tracing::warn!(changed = waiting, "this takes effect with the next start only");
        }
        Ok(())
    }
}
