//! When a read leaves a snapshot.

use std::fmt;
use std::sync::Arc;

/// Events since the last snapshot from which on a read leaves a new one, by default.
pub const SNAPSHOT_EVENTS_DEFAULT: u64 = 100;

/// What a policy is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotContext<'a> {
    /// Events folded since the snapshot before, or since the start.
    pub events_since: u64,
    /// Events folded in all.
    pub event_count: u64,
    /// The state as JSON text.
    pub state: &'a [u8],
}

/// When a read leaves a snapshot behind.
#[derive(Clone)]
pub enum SnapshotPolicy {
    /// Never.
    Never,
    /// Once so many events were folded since the last one.
    Events(u64),
    /// As `events`, but only while the state's JSON text is no longer than `state_bytes_max`.
    Length {
        /// Events since the last snapshot.
        events: u64,
        /// Longest state that is kept, in bytes.
        state_bytes_max: usize,
    },
    /// Where the user's own code says so. It is asked once `events` were folded since the last
    /// snapshot.
    Custom {
        /// Events since the last snapshot; at least 1.
        events: u64,
        /// Says whether to keep this state.
        keep: Arc<dyn Fn(&SnapshotContext<'_>) -> bool + Send + Sync>,
    },
}

impl SnapshotPolicy {
    /// How many events must have been folded since the last snapshot; `None` for never.
    pub(crate) fn events(&self) -> Option<u64> {
        match self {
            Self::Never => None,
            Self::Events(events) | Self::Length { events, .. } | Self::Custom { events, .. } => {
                Some((*events).max(1))
            }
        }
    }

    /// Whether this state is kept.
    ///
    /// # Errors
    /// What the user's own code panicked with.
    pub(crate) fn keeps(&self, context: &SnapshotContext<'_>) -> Result<bool, String> {
        if self.events().is_none_or(|events| context.events_since < events) {
            return Ok(false);
        }
        match self {
            Self::Length { state_bytes_max, .. } => Ok(context.state.len() <= *state_bytes_max),
            Self::Custom { keep, .. } => crate::fold::contain(|| keep(context)),
            Self::Never | Self::Events(_) => Ok(true),
        }
    }
}

impl Default for SnapshotPolicy {
    fn default() -> Self {
        Self::Events(SNAPSHOT_EVENTS_DEFAULT)
    }
}

impl fmt::Debug for SnapshotPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("Never"),
            Self::Events(events) => f.debug_tuple("Events").field(events).finish(),
            Self::Length { events, state_bytes_max } => f
                .debug_struct("Length")
                .field("events", events)
                .field("state_bytes_max", state_bytes_max)
                .finish(),
            Self::Custom { events, .. } => {
                f.debug_struct("Custom").field("events", events).finish_non_exhaustive()
            }
        }
    }
}
