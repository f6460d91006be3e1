//! The flags that choose which of the events a command looks at.

use clap::Args;
use laterbase_core::event::Event;
use laterbase_core::reader::{Query, Reader};

use super::written_time::spoken::parse_until;

/// The three time axes. Bounds are inclusive; given together, all of them hold.
#[derive(Clone, Copy, Debug, Args)]
#[command(
    next_help_heading = "Times, inclusive: 2024-03-04 18:00, monday (to its end), 2h ago, or RFC 3339"
)]
pub(crate) struct TimeFlags {
    /// Only what had happened by then.
    #[arg(long, value_name = "TIME", value_parser = parse_until)]
    occurred_until: Option<i64>,
    /// Only what had been recorded by then, wherever that was.
    #[arg(long, value_name = "TIME", value_parser = parse_until)]
    recorded_until: Option<i64>,
    /// Only what this store knew by then.
    #[arg(long, value_name = "TIME", value_parser = parse_until)]
    known_at: Option<i64>,
}

impl TimeFlags {
    /// The query for these times, by a fold or by the root's default.
    pub(crate) fn query(&self, fold: Option<String>) -> Query {
        let Self { occurred_until, recorded_until, known_at } = *self;
        Query { fold, occurred_until, recorded_until, known_at }
    }

    /// The last arrival that was known at the time that is asked for.
    pub(crate) fn known_until(&self, reader: &Reader) -> anyhow::Result<u64> {
        Ok(self.known_at.map_or(Ok(u64::MAX), |time| reader.known_until(time))?)
    }

    /// Whether the times let an event through. `known` is of [`Self::known_until`].
    pub(crate) fn admit(&self, event: &Event<'_>, known: u64) -> bool {
        let within = |bound: Option<i64>, time: i64| bound.is_none_or(|bound| time <= bound);
        within(self.occurred_until, event.occurred())
            && event.position <= known
            && !self.ends_before(event)
    }

    /// Whether an event was recorded too late. In feed order, so were all events behind it.
    pub(crate) fn ends_before(&self, event: &Event<'_>) -> bool {
        self.recorded_until.is_some_and(|bound| event.recorded.to_unix_nanos() > bound)
    }

    /// Whether they ask for what was known at a time.
    pub(crate) const fn look_back(&self) -> bool {
        self.recorded_until.is_some() || self.known_at.is_some()
    }

    /// What to add to a complaint that nothing is there.
    pub(crate) const fn remark(&self) -> &'static str {
        let Self { occurred_until, recorded_until, known_at } = self;
        if occurred_until.is_some() || recorded_until.is_some() || known_at.is_some() {
            " within these times"
        } else {
            ""
        }
    }
}
