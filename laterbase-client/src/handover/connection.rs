//! One connection, on the holder's side.

use std::io::{ErrorKind, Read as _};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use laterbase_core::PreparedBatch;
use laterbase_core::event::Record;

use super::message::{Answer, Greeting, HandedBatch, Request, VERSION};
use super::receipts::{Receipts, Token};
use super::{Holder, NotTaken, Refused, frame};

/// How long a message may take on its way.
const MESSAGE_TIME_MAX: Duration = Duration::from_secs(10);

/// How long a connection may be idle: a command that reads from a pipe hands over what it gets
/// whenever it comes.
const IDLE_TIME_MAX: Duration = Duration::from_secs(60 * 60);

/// Answers requests until the other side ends, or something is wrong.
pub(super) fn serve(stream: &UnixStream, holder: &dyn Holder, receipts: &Mutex<Receipts>) {
    let greeting = Greeting { version: VERSION, process: std::process::id() };
    if frame::send(stream, &greeting.encode(), MESSAGE_TIME_MAX).is_err() {
        return;
    }
    while let Ok(Some(message)) = frame::receive(stream, IDLE_TIME_MAX) {
        let Ok(request) = Request::decode(&message) else { return };
        // Whoever gave up waiting will not hear of it, and has been told that it is not done.
        if has_left(stream) {
            return;
        }
        let answer = match request {
            Request::Record { token, batches } => record(holder, receipts, token, &batches),
            Request::Remember(entries) => answer(holder.remember(entries).map(|()| 0)),
        };
        // No answer says that somebody else is to be asked.
        let Some(answer) = answer else { return };
        if frame::send(stream, &answer.encode(), MESSAGE_TIME_MAX).is_err() {
            return;
        }
    }
}

/// Whether the other side is gone. It says nothing while it waits for an answer.
fn has_left(mut stream: &UnixStream) -> bool {
    if stream.set_nonblocking(true).is_err() {
        return true;
    }
    let looked = stream.read(&mut [0]);
    let is_waiting = matches!(&looked, Err(error) if error.kind() == ErrorKind::WouldBlock);
    stream.set_nonblocking(false).is_err() || !is_waiting
}

fn record(
    holder: &dyn Holder,
    receipts: &Mutex<Receipts>,
    token: Token,
    handed: &[HandedBatch<'_>],
) -> Option<Answer> {
    let batches = match prepare(holder, handed) {
        Ok(batches) => batches,
        Err(refused) => return Some(refused),
    };
    // One at a time: a request that comes again must not pass itself.
    let mut receipts = receipts.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(stored) = receipts.find(&token) {
        return Some(Answer::Done(stored));
    }
    let receipt = receipts.prepare(token);
    let taken = holder.take(batches, receipt);
    if let Ok(stored) = taken {
        receipts.keep(receipt, stored);
    }
    answer(taken)
}

fn answer(taken: Result<u64, NotTaken>) -> Option<Answer> {
    match taken {
        Ok(stored) => Some(Answer::Done(stored)),
        Err(NotTaken::Refused(error)) => Some(Answer::Refused(error.refused())),
        Err(NotTaken::Closing) => None,
    }
}

/// Checks the events as if they had been recorded here.
fn prepare(holder: &dyn Holder, handed: &[HandedBatch<'_>]) -> Result<Vec<PreparedBatch>, Answer> {
    let mut batches = Vec::with_capacity(handed.len());
    for (number, HandedBatch { root, records }) in handed.iter().enumerate() {
        let folds = std::sync::Arc::clone(holder.reader().folds());
        // Whoever hands events over has said when each of them happened.
        let mut batch = PreparedBatch::new(root.clone(), folds, 0);
        for (index, bytes) in records.iter().enumerate() {
            let refused = |field: Option<&str>, detail| {
                let (batch, index) = (Some(number), Some(index));
                Answer::Refused(vec![Refused {
                    batch,
                    index,
                    field: field.map(str::to_owned),
                    detail,
                    holder: None,
                }])
            };
            let record = Record::decode(bytes).map_err(|error| refused(None, error.to_string()))?;
            batch.push(&record).map_err(|error| refused(error.field(), error.to_string()))?;
        }
        batches.push(batch);
    }
    Ok(batches)
}
