//! Whether a sync gets anywhere: a peer may answer for ever, and bring nothing.

use std::time::Duration;

use super::{SessionError, SessionOptions};

/// Counts the answers that bring nothing.
#[derive(Debug)]
pub(super) struct Headway {
    idle_answers_max: u32,
    idle_max: Duration,
    idle_answers: u32,
    since: Option<Duration>,
}

impl Headway {
    pub(super) const fn new(options: &SessionOptions) -> Self {
        let SessionOptions { idle_answers_max, idle_max, .. } = *options;
        Self { idle_answers_max, idle_max, idle_answers: 0, since: None }
    }

    /// Something new has come, or gone.
    pub(super) const fn made(&mut self) {
        (self.idle_answers, self.since) = (0, None);
    }

    /// Another answer has brought nothing. What was reached so far is kept, so where it was honest
    /// after all, the next sync goes on from there.
    pub(super) fn idle(&mut self, now: Duration) -> Result<(), SessionError> {
        self.idle_answers += 1;
        let since = *self.since.get_or_insert(now);
        if self.idle_answers > self.idle_answers_max || now - since > self.idle_max {
            let detail = "the server goes on answering, and brings nothing new";
            return Err(SessionError::Stuck { detail });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
