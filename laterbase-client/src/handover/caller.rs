//! The side that hands over.

use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use laterbase_core::PreparedBatch;
use laterbase_core::reader::Remembered;

use super::message::{self, Answer, Greeting, VERSION};
use super::receipts::Token;
use super::{Refused, frame, socket};

/// How long a holder may take to greet. It has a thread for nothing else.
const GREETING_TIME_MAX: Duration = Duration::from_secs(5);

/// How long a request may take on its way, and its answer: a slow disk syncs, behind a page of a
/// sync that does the same.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// The process that has a store open.
#[derive(Debug)]
pub struct Neighbour {
    stream: UnixStream,
    process: u32,
}

/// Why a request was not done, or is not known to be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandoverError {
    /// The other process ended, or closed the store, before it answered. Ask again, with the same
    /// token: whoever has the store then knows what was done.
    #[error("the process that has the store open ended, or takes no more")]
    Lost,
    /// The other process does not answer at all: it may be stopped. Nothing was handed over.
    #[error("the process that has the store open does not answer; nothing was handed over to it")]
    Silent,
    /// The other process has taken the request and does not answer.
    #[error(
        "process {process} has the store open and does not answer; whether it stores what was handed over to it is not known"
    )]
    Unanswered {
        /// Its number.
        process: u32,
    },
    /// The other process is of another version of Laterbase.
    #[error(
        "process {process} has the store open and takes events over in version {found} of the protocol, not {VERSION}"
    )]
    OtherVersion {
        /// Its number.
        process: u32,
        /// What it speaks.
        found: u8,
    },
    /// Whoever listens there is no process of Laterbase.
    #[error("what listens in the store's folder is not Laterbase")]
    Foreign,
    /// Nothing of the request is stored, and it is the request's own fault or the store's: for the
    /// first of these, and the others would have been refused behind it.
    #[error("{}", in_words(.0))]
    Refused(Vec<Refused>),
    /// The system refused.
    #[error("the process that has the store open cannot be reached")]
    Io(#[source] io::Error),
}

impl Neighbour {
    /// Finds the process that has the store in a directory open; `None` if nobody listens there,
    /// or not yet.
    ///
    /// # Errors
    /// [`HandoverError`], other than [`HandoverError::Refused`].
    pub fn find(directory: &Path) -> Result<Option<Self>, HandoverError> {
        let Some(stream) = socket::connect(directory).map_err(HandoverError::Io)? else {
            return Ok(None);
        };
        let greeting = match frame::receive(&stream, GREETING_TIME_MAX) {
            Ok(Some(greeting)) => greeting,
            Ok(None) => return Ok(None),
            Err(error) if is_late(&error) => return Err(HandoverError::Silent),
            Err(error) if is_end(&error) => return Ok(None),
            Err(error) => return Err(HandoverError::Io(error)),
        };
        let greeting = Greeting::decode(&greeting).map_err(|_other| HandoverError::Foreign)?;
        let Greeting { version: found, process } = greeting;
        if found != VERSION {
            return Err(HandoverError::OtherVersion { process, found });
        }
        Ok(Some(Self { stream, process }))
    }

    /// Has batches recorded together. Gives the number of events that were new, which are durable.
    ///
    /// # Errors
    /// [`HandoverError`]. After [`HandoverError::Lost`], ask again with the same token.
    pub fn record(
        &mut self,
        token: &Token,
        batches: &[&PreparedBatch],
    ) -> Result<u64, HandoverError> {
        self.ask(&message::encode_record(token, batches))
    }

    /// Has something remembered, durably.
    ///
    /// # Errors
    /// [`HandoverError`]. To ask again does no harm.
    pub fn remember(&mut self, entries: &[Remembered]) -> Result<(), HandoverError> {
        self.ask(&message::encode_remember(entries)).map(drop)
    }

    fn ask(&mut self, request: &[u8]) -> Result<u64, HandoverError> {
        let process = self.process;
        let failed = |error: io::Error| match error {
            error if is_late(&error) => HandoverError::Unanswered { process },
            error if is_end(&error) => HandoverError::Lost,
            error => HandoverError::Io(error),
        };
        frame::send(&self.stream, request, ANSWER_TIME_MAX).map_err(failed)?;
        let answer = frame::receive(&self.stream, ANSWER_TIME_MAX).map_err(failed)?;
        let answer = answer.ok_or(HandoverError::Lost)?;
        match Answer::decode(&answer).map_err(|_other| HandoverError::Foreign)? {
            Answer::Done(stored) => Ok(stored),
            Answer::Refused(refused) => Err(HandoverError::Refused(refused)),
        }
    }
}

fn in_words(refused: &[Refused]) -> &str {
    refused.first().map_or("nothing of it is stored", |first| &first.detail)
}

fn is_late(error: &io::Error) -> bool {
    error.kind() == ErrorKind::TimedOut
}

fn is_end(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    let kinds = [BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof];
    kinds.contains(&error.kind())
}
