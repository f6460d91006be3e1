//! The side of a sync that asks, as something that is polled.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::course::Course;
use super::desk::{Desk, Outcome};
use super::incoming::{Incoming, Taken};
use super::message::{Answer, Question, Refusal};
use super::{Pause, SessionError, SessionOptions, SyncProgress, SyncReport};
use crate::fork::Keep;
use crate::id::{ReplicaId, RootName};
use crate::reader::{Reader, Remembered};
use crate::replica::{Resolved, WriteError};

/// What is to be done next for a session. What comes of it is handed in before the next poll.
#[derive(Debug)]
pub enum Step {
    /// Put a question to the peer, and go on without waiting for the answer
    /// ([`Session::handle_begun`]). The same question comes again as [`Self::Ask`], or one that it
    /// answers ([`Question::is_answered_with`]); if another comes, the answer is of no use any more.
    /// Whoever cannot do two things at once may leave the question for then.
    Begin(Question),
    /// Put a question to the peer: [`Session::handle_answer`] or [`Session::handle_refusal`].
    Ask(Question),
    /// Store a page, with what is to be remembered, in one durable commit
    /// ([`Session::handle_stored`]).
    Store(Incoming),
    /// Remember something, in one durable commit ([`Session::handle_remembered`]).
    Remember(Vec<Remembered>),
    /// Resolve a fork, durably, by letting one branch give up its ids
    /// ([`Session::handle_resolved`]).
    Resolve {
        /// In this root.
        root: RootName,
        /// Of this origin.
        origin: ReplicaId,
        /// Which branch keeps them.
        keep: Keep,
    },
    /// Wait ([`Session::handle_waited`]).
    Wait(Pause),
    /// It is over. Nothing is handed in any more, and nothing is polled.
    Done(Result<SyncReport, SessionError>),
}

type Running = Pin<Box<dyn Future<Output = Result<SyncReport, SessionError>> + Send>>;

/// One sync with one peer: pushes, then pulls, until the peer holds everything that the store held,
/// and the store everything that the peer held, when it began.
///
/// Reads the store while it is polled, which may take as long as the disk does. May be dropped at any
/// time: what was transferred is kept.
pub struct Session {
    desk: Desk,
    running: Running,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("progress", &self.progress()).finish_non_exhaustive()
    }
}

impl Session {
    /// Begins. `peer` is the name under which the store remembers the peer, such as its URL: with
    /// whom the session is, it finds out.
    pub fn new(reader: Reader, peer: String, options: SessionOptions) -> Self {
        let desk = Desk::default();
        let at_desk = desk.clone();
        let running = Box::pin(async move {
            let mut course = Course::begin(reader, peer, options, at_desk)?;
            course.run().await?;
            course.finish().await
        });
        Self { desk, running }
    }

    /// Goes on to the next thing that is to be done. `now` is how late it is by a clock that never
    /// goes back, whatever it counts from.
    ///
    /// # Panics
    /// If nothing was handed in since the last poll, or what belongs to another step, or if the
    /// session is over.
    pub fn poll(&mut self, now: Duration) -> Step {
        self.desk.set_now(now);
        let polled = self.running.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        match polled {
            Poll::Ready(result) => Step::Done(result),
            Poll::Pending => self.desk.step().expect("what was to be done came to something"),
        }
    }

    /// How far it has come.
    pub fn progress(&self) -> SyncProgress {
        self.desk.progress()
    }

    /// The question is on its way.
    pub fn handle_begun(&mut self) {
        self.desk.hand_in(Outcome::Begun);
    }

    /// The peer has answered.
    pub fn handle_answer(&mut self, answer: Answer) {
        self.desk.hand_in(Outcome::Answer(answer));
    }

    /// There is no answer.
    pub fn handle_refusal(&mut self, refusal: Refusal) {
        self.desk.hand_in(Outcome::Refused(refusal));
    }

    /// A page is stored, or could not be.
    pub fn handle_stored(&mut self, stored: Result<Taken, WriteError>) {
        self.desk.hand_in(Outcome::Stored(stored));
    }

    /// Something is remembered, or could not be.
    pub fn handle_remembered(&mut self, remembered: Result<(), WriteError>) {
        self.desk.hand_in(Outcome::Remembered(remembered));
    }

    /// A fork is resolved, or could not be.
    pub fn handle_resolved(&mut self, resolved: Result<Resolved, WriteError>) {
        self.desk.hand_in(Outcome::Resolved(resolved));
    }

    /// The wait is over.
    pub fn handle_waited(&mut self) {
        self.desk.hand_in(Outcome::Waited);
    }
}
