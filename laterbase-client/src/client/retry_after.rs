//! How long a server asks to be left alone (RFC 9110, 10.2.3).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};
use laterbase_directory::environment::wall_clock_nanos;

/// The header as a duration, whether it is a number of seconds or a date. A number too large to be
/// read is a long time; a date is told by the server's own clock, as ours may be wrong.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let now = date(headers, &DATE).or_else(wall_clock)?;
    // A date that has passed asks for nothing.
    Some(date(headers, &RETRY_AFTER)?.duration_since(now).unwrap_or_default())
}

/// The date in a header; `None` if it has none.
pub(super) fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?.trim()).ok()
}

fn wall_clock() -> Option<SystemTime> {
    let nanos = u64::try_from(wall_clock_nanos()).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests;
