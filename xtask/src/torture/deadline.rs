//! How long a row may take.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(2);

/// When a row must be through. Whatever waits, waits for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    at: Instant,
    allowed: Duration,
}

impl Deadline {
    pub(super) fn within(allowed: Duration) -> Self {
        Self { at: Instant::now() + allowed, allowed }
    }

    /// What is left; an error if nothing is.
    pub(super) fn left(&self, what: &str) -> Result<Duration> {
        let left = self.at.saturating_duration_since(Instant::now());
        ensure!(!left.is_zero(), "{what} hangs: the row has had its {:?}", self.allowed);
        Ok(left)
    }

    /// Waits until `look` finds something; an error if it does not in time.
    pub(super) fn wait_for<T>(
        &self,
        what: &str,
        mut look: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            std::thread::sleep(self.left(what)?.min(LOOK));
        }
    }
}
