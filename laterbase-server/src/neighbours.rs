//! Taking events from other processes on this machine, while this one has the store open.
//!
//! A command that finds the store locked hands its events over by a socket in the store's folder.
//! They go through the one writer, like everything else, whatever the requests over HTTP wait for.

use std::path::Path;
use std::sync::{Arc, Weak, mpsc};

use laterbase_client::device::TogetherError;
use laterbase_client::handover::{Holder, Listening, NotTaken, Receipt, stage_together};
use laterbase_core::PreparedBatch;
use laterbase_core::reader::{Reader, Remembered};
use laterbase_core::replica::{Replica, WriteError};
use laterbase_core::store::StoreError;

use crate::app::App;
use crate::writer::{Task, Uncommitted};

/// Listens in the folder of the server's store. Where there can be no socket, the server goes
/// without.
pub(crate) fn listen(directory: &Path, app: &Arc<App>) -> Option<Listening> {
    let (reader, app) = (app.reader().clone(), Arc::downgrade(app));
    let listening = Listening::start(directory, Arc::new(Door { reader, app }));
    let failed = |error: &std::io::Error| {
        tracing::warn!(%error, "other processes on this machine cannot hand events over");
    };
    listening.inspect_err(failed).ok()
}

/// The way to the writer. It does not keep the server open.
struct Door {
    reader: Reader,
    app: Weak<App>,
}

impl Door {
    /// Has the writer do something, and waits until it is durable.
    fn write(&self, batches: Vec<PreparedBatch>, keep: Keep) -> Result<u64, NotTaken> {
        let (reply, answer) = mpsc::sync_channel(1);
        let handed = Handed { batches, keep, is_alone: false, staged: None, reply };
        {
            let app = self.app.upgrade().ok_or(NotTaken::Closing)?;
            app.writer.run(Box::new(handed)).map_err(|_turned_away| NotTaken::Closing)?;
        }
        let answer = answer.recv().map_err(|_writer_ended| NotTaken::Closing)?;
        answer.map_err(NotTaken::Refused)
    }
}

impl Holder for Door {
    fn reader(&self) -> &Reader {
        &self.reader
    }

    fn take(&self, batches: Vec<PreparedBatch>, receipt: Receipt) -> Result<u64, NotTaken> {
        self.write(batches, Keep::Receipt(receipt))
    }

    fn remember(&self, entries: Vec<Remembered>) -> Result<(), NotTaken> {
        self.write(Vec::new(), Keep::Entries(entries)).map(drop)
    }
}

/// What is remembered beside the events.
enum Keep {
    Receipt(Receipt),
    Entries(Vec<Remembered>),
}

/// What was handed over, on its way through the writer's queue.
struct Handed {
    batches: Vec<PreparedBatch>,
    keep: Keep,
    /// Whether it has asked to be staged with nothing before it.
    is_alone: bool,
    staged: Option<Result<u64, TogetherError>>,
    reply: mpsc::SyncSender<Result<u64, TogetherError>>,
}

impl Handed {
    fn stage_all(&self, replica: &mut Replica, now_nanos: i64) -> Result<u64, TogetherError> {
        let receipt = match &self.keep {
            Keep::Receipt(receipt) => Some(receipt),
            Keep::Entries(entries) => {
                for (key, value) in entries {
                    replica.remember(key, value);
                }
                None
            }
        };
        stage_together(replica, &self.batches, receipt, now_nanos)
    }
}

impl Task for Handed {
    fn size_bytes(&self) -> usize {
        self.batches.iter().map(PreparedBatch::size_bytes).sum()
    }

    fn stage(&mut self, replica: &mut Replica, now_nanos: i64) -> Result<(), Uncommitted> {
        // Batches of several roots are one: to drop the first ones where a later one is refused,
        // nothing of anybody else may be staged.
        if self.batches.len() > 1 && !self.is_alone {
            self.is_alone = true;
            return Err(Uncommitted);
        }
        match self.stage_all(replica, now_nanos) {
            Err(TogetherError { source: WriteError::Uncommitted, .. }) if !self.is_alone => {
                self.is_alone = true;
                return Err(Uncommitted);
            }
            Err(error) => {
                if self.batches.len() > 1 {
                    replica.abandon();
                }
                self.staged = Some(Err(error));
            }
            staged => self.staged = Some(staged),
        }
        Ok(())
    }

    fn answer(self: Box<Self>, failed: Option<&Arc<WriteError>>) {
        let outcome = match failed {
            Some(error) => {
                let source = StoreError::engine("commit", Arc::clone(error));
                Err(TogetherError::of_commit(WriteError::Store(source)))
            }
            None => self.staged.unwrap_or(Err(TogetherError::of_commit(WriteError::Uncommitted))),
        };
        // Whoever gave up waiting asks again with the same token.
        let _ = self.reply.send(outcome);
    }
}
