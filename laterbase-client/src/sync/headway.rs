//! Whether a sync gets anywhere: a server may answer for ever, and bring nothing.

use std::time::Duration;

use tokio::time::Instant;

use super::SyncError;
use crate::client::Patience;

/// How long a sync goes on where nothing comes of it. None of these bounds how long it takes where
/// something does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadwayOptions {
    /// How slow a single answer may come.
    pub patience: Patience,
    /// Answers in a row that bring nothing new, where the server says that there is more.
    pub idle_answers_max: u32,
    /// How long such answers may go on.
    pub idle_max: Duration,
}

impl Default for HeadwayOptions {
    fn default() -> Self {
        Self {
            patience: Patience::default(),
            // Of a server's log, each looks at up to 100,000 events.
            idle_answers_max: 1_000,
            idle_max: Duration::from_secs(300),
        }
    }
}

/// Counts the answers that bring nothing.
#[derive(Debug)]
pub(super) struct Headway {
    options: HeadwayOptions,
    idle_answers: u32,
    since: Option<Instant>,
}

impl Headway {
    pub(super) const fn new(options: HeadwayOptions) -> Self {
        Self { options, idle_answers: 0, since: None }
    }

    /// Something new has come, or gone.
    pub(super) const fn made(&mut self) {
        (self.idle_answers, self.since) = (0, None);
    }

    /// Another answer has brought nothing. What was reached so far is kept, so where it was honest
    /// after all, the next sync goes on from there.
    pub(super) fn idle(&mut self) -> Result<(), SyncError> {
        self.idle_answers += 1;
        let since = *self.since.get_or_insert_with(Instant::now);
        let HeadwayOptions { idle_answers_max, idle_max, .. } = self.options;
        if self.idle_answers > idle_answers_max || since.elapsed() > idle_max {
            let detail = "the server goes on answering, and brings nothing new";
            return Err(SyncError::Stuck { detail });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
