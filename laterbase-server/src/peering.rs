//! Keeping this server in sync with others: to each of them it is a client.
//!
//! One task a peer pushes and pulls, waits for news on either side, and goes on for as long as
//! the server runs. Pages go through the one writer, like everything else. Give one side of a
//! pair the other as its peer: that side pushes as well as pulls.

use std::sync::{Arc, mpsc};

use laterbase_client::client::Client;
use laterbase_client::local::{IncomingPage, Local};
use laterbase_client::sync::{SyncOptions, SyncReport, WatchOptions, watch};
use laterbase_client::transport::Transport;
use laterbase_core::fork::Keep;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::reader::{Reader, Remembered};
use laterbase_core::replica::{MergedPage, Replica, Resolved, WriteError};
use laterbase_core::store::StoreError;

use crate::app::App;
use crate::shutdown;
use crate::writer::{Task, Uncommitted};

/// How a server keeps in sync with a peer.
#[derive(Clone, Debug, Default)]
pub struct PeerOptions {
    /// Which roots, and how.
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
    let stop = shutdown::requested(app.stopping());
    let peer = client.server().to_string();
    let local = Side { app };
    let mut was_reached = true;
    let mut on_sync = |outcome: &Result<SyncReport, _>| match outcome {
        Ok(report) => {
            was_reached = true;
            if report.pushed + report.pulled > 0 {
                let SyncReport { pushed, pulled, requests, .. } = report;
                tracing::info!(peer, pushed, pulled, requests, "synced");
            }
            for held in &report.held_back {
                tracing::warn!(peer, held = %held, "an origin is held back");
            }
        }
        Err(error) => {
            // Once, however long the peer is away.
            if was_reached {
                tracing::warn!(peer, error = %Chain(error), "cannot sync; it is tried again");
            }
            was_reached = false;
        }
    };
    watch(&local, &client, &options.sync, options.waiting, &mut on_sync, stop).await;
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
        let job = Job { work, staged: None, reply };
        self.app.writer.run(Box::new(job)).map_err(|_turned_away| gone())?;
        answer.recv().unwrap_or_else(|_gone| Err(gone()))
    }
}

impl Local for Side {
    fn reader(&self) -> &Reader {
        self.app.reader()
    }

    fn merge_page(&self, page: IncomingPage) -> Result<MergedPage, WriteError> {
        self.write(page)
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

/// Something that the writer does for a sync.
trait Work: Send + 'static {
    type Done: Send + 'static;

    fn size_bytes(&self) -> usize;

    fn stage(&self, replica: &mut Replica, now_nanos: i64) -> Result<Self::Done, WriteError>;
}

impl Work for IncomingPage {
    type Done = MergedPage;

    fn size_bytes(&self) -> usize {
        Self::size_bytes(self)
    }

    fn stage(&self, replica: &mut Replica, now_nanos: i64) -> Result<MergedPage, WriteError> {
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

/// The resolution of a fork.
struct Resolution {
    root: RootName,
    origin: ReplicaId,
    keep: Keep,
}

impl Work for Resolution {
    type Done = Resolved;

    fn size_bytes(&self) -> usize {
        0
    }

    fn stage(&self, replica: &mut Replica, now_nanos: i64) -> Result<Resolved, WriteError> {
        replica.resolve(&self.root, self.origin, self.keep, now_nanos)
    }
}

/// Work on its way through the writer's queue.
struct Job<W: Work> {
    work: W,
    staged: Option<Result<W::Done, WriteError>>,
    reply: mpsc::SyncSender<Result<W::Done, WriteError>>,
}

impl<W: Work> Task for Job<W> {
    fn size_bytes(&self) -> usize {
        self.work.size_bytes()
    }

    fn stage(&mut self, replica: &mut Replica, now_nanos: i64) -> Result<(), Uncommitted> {
        match self.work.stage(replica, now_nanos) {
            Err(WriteError::Uncommitted) => Err(Uncommitted),
            staged => {
                self.staged = Some(staged);
                Ok(())
            }
        }
    }

    fn answer(self: Box<Self>, failed: Option<&Arc<WriteError>>) {
        let staged = self.staged.unwrap_or(Err(WriteError::Uncommitted));
        let outcome = match failed {
            Some(error) => Err(WriteError::Store(StoreError::engine("commit", Arc::clone(error)))),
            None => staged,
        };
        // Whoever gave up waiting syncs again later.
        let _ = self.reply.send(outcome);
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the writer takes no more work")]
struct WriterGone;

fn gone() -> WriteError {
    WriteError::Store(StoreError::engine("write", WriterGone))
}
