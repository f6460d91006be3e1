//! Times as people read them: by the clocks around them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The zone that times are printed in.
#[derive(Clone, Debug)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// UTC, or the zone of this machine: what `TZ` says, or else what the system does.
    pub(crate) fn new(is_utc: bool) -> Self {
        Self(if is_utc { TimeZone::UTC } else { TimeZone::system() })
    }

    /// A time to the minute, such as `2024-05-03 18:05`.
    pub(crate) fn minute(&self, nanos: i64) -> String {
        self.format(nanos, "%Y-%m-%d %H:%M")
    }

    /// The day of a time, such as `2024-05-03`.
    pub(crate) fn day(&self, nanos: i64) -> String {
        self.format(nanos, "%Y-%m-%d")
    }

    fn format(&self, nanos: i64, form: &str) -> String {
        // 64 bits of nanoseconds are times that every zone has.
        let time = Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::UNIX_EPOCH);
        time.to_zoned(self.0.clone()).strftime(form).to_string()
    }
}
