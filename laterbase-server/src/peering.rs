//! Keeping this server in sync with others: to each of them it is a client.
//!
//! One task a peer pushes and pulls, waits for news on either side, and goes on for as long as
//! the server runs. Pages go through the one writer, like everything else. Give one side of a
//! pair the other as its peer: that side pushes as well as pulls.

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use laterbase_client::client::Client;
use laterbase_client::local::Local;
use laterbase_client::sync::{
    HeldBackChange, HeldBackNews, SyncOptions, SyncReport, WatchOptions, watch,
};
use laterbase_client::transport::Transport;
use laterbase_core::fork::Keep;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::reader::{Reader, Remembered};
use laterbase_core::replica::{Replica, Resolved, WriteError};
use laterbase_core::store::StoreError;
use laterbase_core::sync::{Incoming, Taken};
use tokio::time::timeout;

use crate::app::App;
use crate::shutdown;
use crate::work::{Job, Resolution, Work};

/// How a server keeps in sync with a peer.
#[derive(Clone, Debug, Default)]
pub struct PeerOptions {
    /// Which roots, and how. Of those, only the ones that the server takes
    /// ([`crate::SyncRoots`]) are asked for, and given.
    pub sync: SyncOptions,
    /// How it waits for news.
    pub waiting: WatchOptions,
}

/// Syncs with a peer until the server stops.
pub(crate) async fn keep_in_sync<T: Transport>(
    app: Arc<App>,
    client: Client<T>,
    options: PeerOptions,
) {
    let mut stopping = app.stopping();
    let stop = async move { shutdown::requested(&mut stopping).await };
    let peer = client.server().to_string();
    let Some(roots) = app.selection(&options.sync.roots) else {
        tracing::warn!(peer, "no root that this server takes is to be synced; nothing is");
        return;
    };
    let sync = SyncOptions { roots, ..options.sync };
    let meters = Arc::clone(&app.meters);
    meters.servers.fetch_add(1, Ordering::Relaxed);
    let local = Side { app };
    let (mut was_reached, mut news) = (true, HeldBackNews::default());
    let mut on_sync = |outcome: &Result<SyncReport, _>| match outcome {
        Ok(report) => {
            was_reached = true;
            meters.syncs.fetch_add(1, Ordering::Relaxed);
            if report.pushed + report.pulled > 0 {
                let SyncReport { pushed, pulled, requests, .. } = report;
                tracing::info!(peer, pushed, pulled, requests, "synced");
            }
            // Once, however many syncs find it.
            let HeldBackChange { begun, over } = news.take(report);
            for left_out in begun {
                tracing::warn!(peer, left_out, "not everything could go");
            }
            for left_out in over {
                tracing::info!(peer, left_out, "it could go now");
            }
        }
        Err(error) => {
            meters.sync_failures.fetch_add(1, Ordering::Relaxed);
            // Once, however long the peer is away.
            if was_reached {
                tracing::warn!(peer, error = %Chain(error), "cannot sync; it is tried again");
            }
            was_reached = false;
        }
    };
    watch(&local, &client, &sync, options.waiting, &mut on_sync, stop).await;
}

/// An error with its causes, in one line.
struct Chain<'e>(&'e dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// The server's replica, as one side of a sync.
struct Side {
    app: Arc<App>,
}

impl Side {
    /// Has the writer do something, and waits until it is durable.
    fn write<W: Work>(&self, work: W) -> Result<W::Done, WriteError> {
        let (reply, answer) = mpsc::sync_channel(1);
        // Whoever gave up waiting syncs again later.
        let job = Job::new(work, move |done| drop(reply.send(done)));
        self.app.writer.run(Box::new(job)).map_err(|_turned_away| gone())?;
        answer.recv().unwrap_or_else(|_gone| Err(gone()))
    }
}

impl Local for Side {
    fn reader(&self) -> &Reader {
        self.app.reader()
    }

    fn merge_page(&self, page: Incoming) -> Result<Taken, WriteError> {
        self.write(page)
    }

    async fn arrived(&self, head: u64, longest: Duration) {
        let mut ends = self.app.head.clone();
        let _time_is_up = timeout(longest, ends.wait_for(|end| *end != head)).await;
    }

    fn remember(&self, entries: Vec<Remembered>) -> Result<(), WriteError> {
        self.write(entries)
    }

    fn resolve(
        &self,
        root: &RootName,
        origin: ReplicaId,
        keep: Keep,
    ) -> Result<Resolved, WriteError> {
        self.write(Resolution { root: root.clone(), origin, keep })
    }

    fn is_private(&self) -> bool {
        // Whoever asked may have read them.
        false
    }
}

impl Work for Incoming {
    type Done = Taken;

    fn size_bytes(&self) -> usize {
        Self::size_bytes(self)
    }

    fn stage(&self, replica: &mut Replica, now_nanos: i64) -> Result<Taken, WriteError> {
        let position = replica.cursor().position();
        Self::stage(self, replica, now_nanos, Some(position))
    }
}

impl Work for Vec<Remembered> {
    type Done = ();

    fn size_bytes(&self) -> usize {
        self.iter().map(|(key, value)| key.len() + value.len()).sum()
    }

    fn stage(&self, replica: &mut Replica, _now_nanos: i64) -> Result<(), WriteError> {
        for (key, value) in self {
            replica.remember(key, value);
        }
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the writer takes no more work")]
struct WriterGone;

fn gone() -> WriteError {
    WriteError::Store(StoreError::engine("write", WriterGone))
}
