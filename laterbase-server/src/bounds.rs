//! Every time and size that bounds what others may do to a server, in one place.

use std::time::Duration;

/// How long others may take, and how much of the server they may take up.
///
/// Connections count where the server listens itself ([`crate::Server::serve`] and what calls
/// it); [`crate::Server::router`] alone has no part in them.
///
/// Times are kept between [`TIME_MIN`] and [`TIME_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at once. By default as many as there are file descriptors for, with some kept
    /// back for the store, and at most 16,384. Over it the connection that was idle longest is
    /// closed; where none is, the new one is answered 503.
    pub connections_max: Option<usize>,
    /// Connections at once from one address, in the same way. By default half of the others, as
    /// all the clients of a proxy have one address.
    pub connections_per_address_max: Option<usize>,
    /// How long the head of a request may take, from its first byte: 30 s. Over it the connection
    /// is closed.
    pub head_time_max: Duration,
    /// How long a connection may be without a request: 60 s.
    pub idle_time_max: Duration,
    /// How long a body that comes in, or an answer that goes out, may be slower than
    /// [`Self::bytes_per_second_min`]: 30 s. So this is also the longest pause, and a whole body
    /// takes no longer than this and its bytes at that rate. Over it a body is answered 408; a
    /// reader's connection is closed.
    pub lag_time_max: Duration,
    /// Bytes a second that a body or an answer must come to: 2,048.
    pub bytes_per_second_min: u64,
    /// Bytes of request bodies that may be in the server at once: 256 MiB. They count as they
    /// come in. Where there is no room, slow senders give way; if that does not help, the request
    /// is answered 503.
    pub body_bytes_max: usize,
    /// Bytes of answers that may be in the server at once: 64 MiB. Where they get scarce, pages
    /// get smaller, and then readers wait for their turn.
    pub answer_bytes_max: usize,
    /// How long requests under way may take to end once the server stops: 10 s. What was accepted
    /// is committed in any case; after this, connections are cut.
    pub stop_time_max: Duration,
}

/// Where others wait for room, a body or an answer may be slower than
/// [`PRESSED_BYTES_PER_SECOND_MIN`] for so long.
pub(crate) const PRESSED_LAG_TIME_MAX: Duration = Duration::from_secs(2);

/// What a body or an answer must come to where others wait for room.
pub(crate) const PRESSED_BYTES_PER_SECOND_MIN: u64 = 64 * 1024;

/// The shortest time that a setting can say.
pub const TIME_MIN: Duration = Duration::from_millis(1);

/// The longest time that a setting can say: a day.
pub const TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Connections that are too many for the default, however many descriptors there are.
const CONNECTIONS_MAX: usize = 16_384;

/// Descriptors kept back for the store, its background work, and peers.
const DESCRIPTORS_KEPT_MIN: usize = 32;
const DESCRIPTORS_KEPT_MAX: usize = 1_024;

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections_max: None,
            connections_per_address_max: None,
            head_time_max: Duration::from_secs(30),
            idle_time_max: Duration::from_secs(60),
            lag_time_max: Duration::from_secs(30),
            bytes_per_second_min: 2_048,
            body_bytes_max: 256 * 1024 * 1024,
            answer_bytes_max: 64 * 1024 * 1024,
            stop_time_max: Duration::from_secs(10),
        }
    }
}

impl Bounds {
    /// The same with every time between [`TIME_MIN`] and [`TIME_MAX`].
    ///
    /// # Errors
    /// The name of a size that is zero: nothing would get through.
    pub(crate) fn checked(mut self) -> Result<Self, &'static str> {
        let times = [
            &mut self.head_time_max,
            &mut self.idle_time_max,
            &mut self.lag_time_max,
            &mut self.stop_time_max,
        ];
        for time in times {
            *time = bounded(*time);
        }
        let is_zero = |size: Option<usize>| size == Some(0);
        let zeros = [
            ("connections_max", is_zero(self.connections_max)),
            ("connections_per_address_max", is_zero(self.connections_per_address_max)),
            ("bytes_per_second_min", self.bytes_per_second_min == 0),
            ("body_bytes_max", self.body_bytes_max == 0),
            ("answer_bytes_max", self.answer_bytes_max == 0),
        ];
        match zeros.into_iter().find(|(_, is_zero)| *is_zero) {
            Some((name, _)) => Err(name),
            None => Ok(self),
        }
    }

    /// Connections at once, in all and from one address.
    pub(crate) fn connections(&self) -> (usize, usize) {
        let all = self.connections_max.unwrap_or_else(|| connections_for(descriptors_max()));
        (all, self.connections_per_address_max.unwrap_or(all.div_ceil(2)).min(all))
    }
}

/// A time that can be added to a clock and waited for.
fn bounded(time: Duration) -> Duration {
    time.clamp(TIME_MIN, TIME_MAX)
}

/// Connections that leave enough descriptors for the rest of the server.
fn connections_for(descriptors: usize) -> usize {
    let kept = (descriptors / 4).clamp(DESCRIPTORS_KEPT_MIN, DESCRIPTORS_KEPT_MAX);
    descriptors.saturating_sub(kept).clamp(1, CONNECTIONS_MAX)
}

/// File descriptors that this process may have.
#[cfg(unix)]
fn descriptors_max() -> usize {
    use rustix::process::{Resource, getrlimit};
    match getrlimit(Resource::Nofile).current {
        Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
        None => usize::MAX,
    }
}

#[cfg(not(unix))]
fn descriptors_max() -> usize {
    1_024
}

#[cfg(test)]
mod tests;
