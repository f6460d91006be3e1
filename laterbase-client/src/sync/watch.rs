//! Staying in sync: waiting for news, on either side, for as long as it takes.

use std::pin::pin;
use std::time::Duration;

use laterbase_core::cursor::Cursor;
use laterbase_core::selection::RootSelection;
use laterbase_core::sync::Backoff;
use tokio::time::{sleep, timeout};

use super::{BackoffOptions, SyncError, SyncOptions, SyncReport, random_byte, sync};
use crate::client::{Arrival, ArrivalStream, Client};
use crate::local::Local;
use crate::transport::Transport;

/// How a watch waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchOptions {
    /// How long a server may say nothing before the link to it counts as dead. It says something
    /// every 15 s.
    pub silence_max: Duration,
    /// The rest after a first failure; where the server cannot say when something arrives, it is
    /// asked as often.
    pub rest_first: Duration,
    /// The longest rest. It doubles with every failure in a row.
    pub rest_longest: Duration,
    /// How often to look for local news where the store does not tell of them: one that another
    /// process may write to, or a [`Local`] of your own.
    pub local_interval: Duration,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            silence_max: Duration::from_secs(45),
            rest_first: Duration::from_secs(1),
            rest_longest: Duration::from_secs(60),
            local_interval: Duration::from_secs(1),
        }
    }
}

/// Hears from a server when something arrives there. Holds no store.
#[derive(Debug)]
pub struct Watch<'c, T> {
    client: &'c Client<T>,
    roots: RootSelection,
    silence_max: Duration,
    stream: Option<ArrivalStream<'c, T>>,
    /// Failures of the stream in a row.
    cuts: Backoff,
    /// Failures of syncs in a row.
    failures: Backoff,
}

impl<'c, T: Transport> Watch<'c, T> {
    /// A watch over some roots of a server's. Connects when it is first asked.
    pub fn new(client: &'c Client<T>, roots: RootSelection, options: WatchOptions) -> Self {
        let rests = BackoffOptions {
            first: options.rest_first,
            longest: options.rest_longest,
            failures_max: u32::MAX,
        };
        Self {
            client,
            roots,
            silence_max: options.silence_max,
            stream: None,
            cuts: Backoff::new(rests),
            failures: Backoff::new(rests),
        }
    }

    /// Waits until a sync may bring something: something arrived at the server behind `cursor`,
    /// or, where the server does not say, it is time to ask. May be given up and called again.
    ///
    /// `synced` says how the last sync went: after one that failed, this only rests.
    pub async fn news(&mut self, cursor: Option<&str>, synced: bool) {
        if !synced {
            rest(&mut self.failures).await;
            return;
        }
        self.failures.reset();
        let Some(cursor) = cursor else {
            rest(&mut self.cuts).await;
            return;
        };
        loop {
            if self.stream.is_none() {
                let listening = self.client.listen(cursor, &self.roots);
                self.stream = timeout(self.silence_max, listening).await.ok().and_then(Result::ok);
            }
            let word = match &mut self.stream {
                Some(stream) => timeout(self.silence_max, stream.next()).await.ok(),
                None => None,
            };
            match word {
                Some(Ok(Some(Arrival::Arrived { cursor: at }))) => {
                    self.cuts.reset();
                    if !is_behind(&at, cursor) {
                        return;
                    }
                }
                Some(Ok(Some(Arrival::Heartbeat))) => self.cuts.reset(),
                _ended_or_dead => {
                    self.stream = None;
                    rest(&mut self.cuts).await;
                    return;
                }
            }
        }
    }
}

async fn rest(failures: &mut Backoff) {
    if let Some(pause) = failures.next_pause(None) {
        sleep(pause.at(random_byte())).await;
    }
}

/// Whether what arrived up to `at` has been taken in, on the word of the same stream that leads
/// on from `cursor`: a server that was set back has cut it.
fn is_behind(at: &str, cursor: &str) -> bool {
    let positions = at.parse::<Cursor>().ok().zip(cursor.parse::<Cursor>().ok());
    at == cursor || positions.is_some_and(|(at, cursor)| at.position() <= cursor.position())
}

/// Hears how every sync of a watch went.
pub type OnSync<'o> = dyn FnMut(&Result<SyncReport, SyncError>) + Send + 'o;

/// Keeps a store and a server in sync until `stop` is done: syncs, waits for news from either,
/// and syncs again. A sync that fails is no reason to end: the next one may not.
pub async fn watch<L: Local, T: Transport>(
    local: &L,
    client: &Client<T>,
    options: &SyncOptions,
    waiting: WatchOptions,
    on_sync: &mut OnSync<'_>,
    stop: impl Future<Output = ()> + Send,
) {
    let syncing = async {
        let mut watch = Watch::new(client, options.roots.clone(), waiting);
        let mut cursor = None;
        loop {
            let head = local.reader().head();
            let outcome = sync(local, client, options, &mut |_progress| {}).await;
            on_sync(&outcome);
            // Positions have no holes, so whatever else moved the head is local news.
            let known = head + outcome.as_ref().map_or(0, |report| report.pulled);
            if let Ok(report) = &outcome {
                cursor.clone_from(&report.cursor);
                if report.more {
                    continue;
                }
            }
            let mut news = pin!(watch.news(cursor.as_deref(), outcome.is_ok()));
            loop {
                tokio::select! {
                    () = &mut news => break,
                    () = local.arrived(known, waiting.local_interval), if outcome.is_ok() => {
                        if local.reader().head() != known {
                            break;
                        }
                    }
                }
            }
        }
    };
    tokio::select! {
        () = syncing => {}
        () = stop => {}
    }
}

#[cfg(test)]
mod tests;
