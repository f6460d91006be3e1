//! HTTP dates (RFC 9110, section 5.6.7), for any wall clock.
//!
//! `hyper` formats the time of day on its way through every request, with the crate whose name and
//! functions this one has. That crate panics for a clock before 1970 or beyond 9999, and a server
//! whose battery is flat answered nothing. This one gives the nearest date that can be written.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::SignedDuration;
use jiff::civil::{DateTime, date};
use jiff::fmt::strtime;

/// 9999-12-31T23:59:59Z, the last second that has a year of four digits.
const SECONDS_MAX: u64 = 253_402_300_799;

const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);

/// The form that is written: `Sun, 06 Nov 1994 08:49:37 GMT`.
const FIXED: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// The forms that are read: the one that is written, that of RFC 850, and that of `asctime`.
const READ: [&str; 3] = [FIXED, "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// A date as HTTP writes it, in whole seconds from 1970 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpDate(
    /// Invariant: at most [`SECONDS_MAX`].
    u64,
);

impl From<SystemTime> for HttpDate {
    /// A time out of bounds becomes the nearest one within.
    fn from(time: SystemTime) -> Self {
        let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(since_1970.as_secs().min(SECONDS_MAX))
    }
}

impl From<HttpDate> for SystemTime {
    fn from(date: HttpDate) -> Self {
        UNIX_EPOCH + Duration::from_secs(date.0)
    }
}

impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0).map_err(|_beyond| fmt::Error)?;
        let time = EPOCH.checked_add(SignedDuration::from_secs(seconds));
        let text = strtime::format(FIXED, time.map_err(|_beyond| fmt::Error)?);
        f.write_str(&text.map_err(|_unwritable| fmt::Error)?)
    }
}

impl FromStr for HttpDate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = READ.iter().find_map(|form| DateTime::strptime(form, text).ok());
        let parsed = parsed.ok_or(Error(()))?;
        let seconds = parsed.duration_since(EPOCH).as_secs();
        u64::try_from(seconds).map(Self).map_err(|_before| Error(()))
    }
}

/// A text that is no HTTP date.
#[derive(Debug)]
pub struct Error(());

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an HTTP date between 1970 and 9999")
    }
}

impl std::error::Error for Error {}

/// The text of a time; of one out of bounds, that of the nearest one within.
pub fn fmt_http_date(time: SystemTime) -> String {
    HttpDate::from(time).to_string()
}

/// The time that a text stands for.
///
/// # Errors
/// [`Error`] if it is in none of the three forms, or before 1970.
pub fn parse_http_date(text: &str) -> Result<SystemTime, Error> {
    text.parse::<HttpDate>().map(SystemTime::from)
}

#[cfg(test)]
mod tests;
