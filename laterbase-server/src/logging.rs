//! The server's log: lines on stderr, as text or JSON.

use std::io::{self, IsTerminal as _};

use anyhow::{Context as _, bail};
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::{fmt, reload};

const FILTER_DEFAULT: &str = "info";

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

impl Format {
    pub(crate) fn of(text: Option<&str>) -> anyhow::Result<Self> {
        match text {
            None | Some("text") => Ok(Self::Text),
            Some("json") => Ok(Self::Json),
            Some(other) => bail!("a log is text or json, not {other:?}"),
        }
    }
}

/// What is logged, by a filter such as `info,access=off`.
pub(crate) fn filter(text: Option<&str>) -> anyhow::Result<EnvFilter> {
    let text = text.map_or("", str::trim);
    let text = if text.is_empty() { FILTER_DEFAULT } else { text };
    // A misspelt level would be taken for a module's name, and nothing would be logged.
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    for word in words.filter(|word| !word.contains('=')) {
        if !LEVELS.contains(&word.to_ascii_lowercase().as_str()) {
            bail!(
                "{word:?} is no level of a log: {}, or a name with one, such as access=off",
                LEVELS.join(", ")
            );
        }
    }
    EnvFilter::try_new(text).with_context(|| format!("a log cannot be filtered by {text:?}"))
}

/// The log of the program, until it is dropped: what is logged last is written then.
pub(crate) struct Log {
    set_filter: Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>,
    _flushes_at_the_end: WorkerGuard,
}

impl Log {
    /// Logs by another filter from now on.
    pub(crate) fn set_filter(&self, filter: EnvFilter) -> anyhow::Result<()> {
        Ok((self.set_filter)(filter)?)
    }
}

/// Logs from a thread of its own: a stderr that is gone, or that nobody reads, must not hold up
/// or end anything else.
pub(crate) fn start(filter: EnvFilter, format: Format) -> Log {
    let (writer, guard) = tracing_appender::non_blocking(io::stderr());
    let lines = fmt().with_env_filter(filter).log_internal_errors(false).with_writer(writer);
    let set_filter: Box<dyn Fn(_) -> _ + Send + Sync> = match format {
        Format::Text => {
            let lines = lines.with_ansi(io::stderr().is_terminal()).with_filter_reloading();
            let handle = lines.reload_handle();
            lines.init();
            Box::new(move |filter| handle.reload(filter))
        }
        Format::Json => {
            let lines = lines.json().flatten_event(true).with_filter_reloading();
            let handle = lines.reload_handle();
            lines.init();
            Box::new(move |filter| handle.reload(filter))
        }
    };
    Log { set_filter, _flushes_at_the_end: guard }
}

#[cfg(test)]
mod tests;
