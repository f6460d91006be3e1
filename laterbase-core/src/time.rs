//! Times as text: RFC 3339 on the outside, nanoseconds since 1970 UTC inside.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

const SHORTEST: DateTimePrinter = DateTimePrinter::new();
const NANOSECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(9));

/// Reads an RFC 3339 time, whatever its offset, as nanoseconds since 1970 UTC.
///
/// # Errors
/// [`TimeError::Form`] if it is not of that form, [`TimeError::Range`] if it lies outside the
/// years 1677 to 2262 that 64 bits of nanoseconds reach.
pub fn parse_time(text: &str) -> Result<i64, TimeError> {
    if !is_rfc3339(text.as_bytes()) {
        return Err(TimeError::Form);
    }
    let time: Timestamp = text.parse().map_err(|_no_such_time| TimeError::Form)?;
    i64::try_from(time.as_nanosecond()).map_err(|_too_far| TimeError::Range)
}

/// Writes nanoseconds since 1970 UTC as RFC 3339 in UTC, with as many digits as it takes.
pub fn format_time(nanos: i64) -> String {
    let mut out = Vec::with_capacity(30);
    write_time(&mut out, nanos);
    String::from_utf8(out).expect("a printed time is ASCII")
}

/// Appends what [`format_time`] gives.
pub(crate) fn write_time(out: &mut Vec<u8>, nanos: i64) {
    print(&SHORTEST, out, nanos);
}

/// Appends the time with all nine digits of its nanoseconds.
pub(crate) fn write_time_nanoseconds(out: &mut Vec<u8>, nanos: i64) {
    print(&NANOSECONDS, out, nanos);
}

fn print(printer: &DateTimePrinter, out: &mut Vec<u8>, nanos: i64) {
    let time = Timestamp::from_nanosecond(i128::from(nanos))
        .expect("64 bits of nanoseconds lie within the years that can be printed");
    printer.print_timestamp(&time, out).expect("writing into memory does not fail");
}

/// Whether the text has the form of RFC 3339. The parser behind takes more, such as a date alone
/// or a time zone in brackets, which other implementations would not read back.
fn is_rfc3339(text: &[u8]) -> bool {
    let Some((head, tail)) = text.split_at_checked(19) else { return false };
    let punctuated = head[4] == b'-'
        && head[7] == b'-'
        && matches!(head[10], b'T' | b't' | b' ')
        && head[13] == b':'
        && head[16] == b':';
    punctuated && is_offset(skip_fraction(tail))
}

fn skip_fraction(tail: &[u8]) -> &[u8] {
    match tail {
        [b'.', digit, rest @ ..] if digit.is_ascii_digit() => {
            let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
            &rest[end..]
        }
        _ => tail,
    }
}

fn is_offset(text: &[u8]) -> bool {
    match text {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', hours @ .., b':', minute_tens, minutes] => {
            hours.len() == 2 && hours.iter().chain([minute_tens, minutes]).all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

/// Why a text is no time. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeError {
    /// Not of the form.
    #[error("a time is RFC 3339 text such as 2013-01-01T10:15:00Z or 2013-01-01T11:15:00.5+01:00")]
    Form,
    /// Further from 1970 than 64 bits of nanoseconds reach.
    #[error("a time lies between the years 1677 and 2262")]
    Range,
}

#[cfg(test)]
mod tests;
