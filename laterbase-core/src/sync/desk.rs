//! How a session's course, which is written as one piece of code that waits, becomes something that
//! is polled.
//!
//! The course ([`super::course::Course`]) leaves the step that it waits for in a [`Desk`], which it shares with the
//! [`Session`] that is polled, and finds there what came of it. Nothing wakes it: it is run when something was
//! handed in, and at no other time.
//!
//! [`Session`]: super::Session

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use super::SessionError;
use super::incoming::{Incoming, Taken};
use super::message::{Answer, Arrivals, Heads, Pushed, Question, Refusal, Wanted};
use super::report::SyncProgress;
use super::session::Step;
use crate::fork::Keep;
use crate::id::{ReplicaId, RootName};
use crate::reader::Remembered;
use crate::replica::{Resolved, WriteError};

/// What came of a step.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The question is on its way.
    Begun,
    Answer(Answer),
    Refused(Refusal),
    Stored(Result<Taken, WriteError>),
    Remembered(Result<(), WriteError>),
    Resolved(Result<Resolved, WriteError>),
    Waited,
}

/// What lies between a session and its course.
#[derive(Clone, Debug, Default)]
pub(super) struct Desk(Arc<Mutex<Papers>>);

#[derive(Debug, Default)]
struct Papers {
    step: Option<Step>,
    outcome: Option<Outcome>,
    now: Duration,
    progress: SyncProgress,
}

impl Desk {
    fn papers(&self) -> MutexGuard<'_, Papers> {
        // Each is written as a whole, so what a panic left is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the session: hands in what came of a step.
    pub(super) fn hand_in(&self, outcome: Outcome) {
        self.papers().outcome = Some(outcome);
    }

    /// For the session: says how late it is.
    pub(super) fn set_now(&self, now: Duration) {
        self.papers().now = now;
    }

    /// For the session: the step that the course waits for.
    pub(super) fn step(&self) -> Option<Step> {
        self.papers().step.take()
    }

    pub(super) fn progress(&self) -> SyncProgress {
        self.papers().progress
    }

    pub(super) fn set_progress(&self, progress: SyncProgress) {
        self.papers().progress = progress;
    }

    /// How late it is.
    pub(super) fn now(&self) -> Duration {
        self.papers().now
    }

    /// Has a step done, and waits for what comes of it.
    async fn call(&self, step: Step) -> Outcome {
        self.papers().step = Some(step);
        poll_fn(|_context| match self.papers().outcome.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => Poll::Pending,
        })
        .await
    }

    /// Has a question put without waiting for the answer, for which it is to be put again.
    pub(super) async fn begin(&self, question: Question) {
        match self.call(Step::Begin(question)).await {
            Outcome::Begun => {}
            other => mismatched(&other),
        }
    }

    async fn ask(&self, question: Question) -> Result<Answer, Refusal> {
        match self.call(Step::Ask(question)).await {
            Outcome::Answer(answer) => Ok(answer),
            Outcome::Refused(refusal) => Err(refusal),
            other => mismatched(&other),
        }
    }

    pub(super) async fn heads(&self, question: Question) -> Result<Heads, Refusal> {
        match self.ask(question).await? {
            Answer::Heads(heads) => Ok(heads),
            _ => Err(Refusal::Final),
        }
    }

    pub(super) async fn arrivals(&self, question: Question) -> Result<Arrivals, Refusal> {
        match self.ask(question).await? {
            Answer::Arrivals(arrivals) => Ok(arrivals),
            _ => Err(Refusal::Final),
        }
    }

    pub(super) async fn wanted(&self, question: Question) -> Result<Wanted, Refusal> {
        match self.ask(question).await? {
            Answer::Wanted(wanted) => Ok(wanted),
            _ => Err(Refusal::Final),
        }
    }

    pub(super) async fn push(&self, question: Question) -> Result<Pushed, Refusal> {
        match self.ask(question).await? {
            Answer::Pushed(pushed) => Ok(pushed),
            _ => Err(Refusal::Final),
        }
    }

    pub(super) async fn store(&self, page: Incoming) -> Result<Taken, WriteError> {
        match self.call(Step::Store(page)).await {
            Outcome::Stored(stored) => stored,
            other => mismatched(&other),
        }
    }

    pub(super) async fn remember(&self, entries: Vec<Remembered>) -> Result<(), SessionError> {
        match self.call(Step::Remember(entries)).await {
            Outcome::Remembered(remembered) => Ok(remembered?),
            other => mismatched(&other),
        }
    }

    pub(super) async fn resolve(
        &self,
        root: RootName,
        origin: ReplicaId,
        keep: Keep,
    ) -> Result<Resolved, SessionError> {
        match self.call(Step::Resolve { root, origin, keep }).await {
            Outcome::Resolved(resolved) => Ok(resolved?),
            other => mismatched(&other),
        }
    }

    pub(super) async fn wait(&self, pause: super::Pause) {
        match self.call(Step::Wait(pause)).await {
            Outcome::Waited => {}
            other => mismatched(&other),
        }
    }
}

fn mismatched(outcome: &Outcome) -> ! {
    panic!("what was handed in is of another step than was asked for: {outcome:?}")
}
