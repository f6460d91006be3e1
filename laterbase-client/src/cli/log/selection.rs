//! Which events a log is of.

use laterbase_core::event::Event;
use laterbase_core::reader::{Query, Reader};

use super::LogArgs;

/// What the flags let through.
pub(super) struct Selection<'a> {
    args: &'a LogArgs,
    /// The last arrival that counts.
    position_max: u64,
}

impl<'a> Selection<'a> {
    pub(super) fn new(args: &'a LogArgs, reader: &Reader) -> anyhow::Result<Self> {
        Ok(Self { args, position_max: args.times.known_until(reader)? })
    }

    /// What the flags let through of events that are yet to arrive.
    pub(super) const fn of_arrivals(args: &'a LogArgs) -> Self {
        Self { args, position_max: u64::MAX }
    }

    /// The same, without what arrives behind a position.
    pub(super) fn arrived_until(self, position: u64) -> Self {
        Self { position_max: self.position_max.min(position), ..self }
    }

    /// Whether an event is let through; its aggregate is not asked for.
    pub(super) fn admits(&self, event: &Event<'_>) -> bool {
        let LogArgs { types, since, until, recorded_since, times, .. } = self.args;
        let (occurred, recorded) = (event.occurred(), event.recorded.to_unix_nanos());
        let is_of_type = types.is_empty() || types.iter().any(|it| it == event.record.event_type);
        is_of_type
            && since.is_none_or(|since| occurred >= since)
            && until.is_none_or(|until| occurred <= until)
            && recorded_since.is_none_or(|since| recorded >= since)
            && times.admit(event, self.position_max)
    }

    /// Whether it asks for what was known at a time, and so not for all that is known now.
    pub(super) const fn looks_back(&self) -> bool {
        self.args.times.look_back()
    }

    /// Whether an event was known then.
    pub(super) fn knows(&self, event: &Event<'_>) -> bool {
        event.position <= self.position_max && !self.args.times.ends_before(event)
    }

    /// Whether all events behind this one in feed order are recorded too late.
    pub(super) fn ends_before(&self, event: &Event<'_>) -> bool {
        self.args.times.ends_before(event)
    }

    /// The times of it that a read of an aggregate goes by.
    pub(super) fn query(&self) -> Query {
        self.args.times.query(None)
    }
}
