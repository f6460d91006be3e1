//! Times as text: RFC 3339 on the outside, nanoseconds since 1970 UTC inside.

use jiff::civil::DateTime;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::{Span, SpanRelativeTo, Timestamp};

const SHORTEST: DateTimePrinter = DateTimePrinter::new();
const NANOSECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(9));
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Reads an RFC 3339 time, whatever its offset, as nanoseconds since 1970 UTC.
///
/// Digits of a second beyond the ninth are cut. A leap second is the last nanosecond before it,
/// so it sorts behind all of its minute.
///
/// # Errors
/// [`TimeError`]; [`TimeError::Range`] if it lies outside the years 1677 to 2262 that 64 bits of
/// nanoseconds reach.
pub fn parse_time(text: &str) -> Result<i64, TimeError> {
    parse_time_with_offset(text).map(|(nanos, _)| nanos)
}

/// The same with the minutes east of UTC that the text gives. `Z` and `-00:00` give none: they say
/// nothing of the place (RFC 9557, section 2).
///
/// # Errors
/// As [`parse_time`].
pub fn parse_time_with_offset(text: &str) -> Result<(i64, Option<i16>), TimeError> {
    let parts = Parts::read(text.as_bytes()).ok_or(TimeError::Form)?;
    let offset = parts.offset.said();
    let nanos = i64::try_from(parts.nanos()?).map_err(|_too_far| TimeError::Range)?;
    Ok((nanos, offset))
}

/// Reads the end of a span of time: as [`parse_time`], but a time that 64 bits do not reach is the
/// nearest one that they do. `9999-12-31T23:59:59Z`, which many systems say for "no end", is none.
///
/// # Errors
/// [`TimeError`], other than [`TimeError::Range`].
pub fn parse_time_bound(text: &str) -> Result<i64, TimeError> {
    let nanos = nanos_of(text)?;
    let nearest = if nanos < 0 { i64::MIN } else { i64::MAX };
    Ok(i64::try_from(nanos).unwrap_or(nearest))
}

/// Reads how far ahead something may be, in nanoseconds: a duration such as `90s`, `2h 30m`, `5 days`
/// or `PT1H`, or `none` for as far as can be said.
///
/// # Errors
/// [`TimeError::Duration`].
pub fn parse_bound_ahead(text: &str) -> Result<i64, TimeError> {
    if text == "none" {
        return Ok(i64::MAX);
    }
    let span: Span = text.parse().map_err(|_no_span| TimeError::Duration)?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours());
    let nanos = duration.map_err(|_no_fixed_length| TimeError::Duration)?.as_nanos();
    let nanos = i64::try_from(nanos).map_err(|_too_long| TimeError::Duration)?;
    if nanos < 0 { Err(TimeError::Duration) } else { Ok(nanos) }
}

/// Writes nanoseconds since 1970 UTC as RFC 3339 in UTC, with as many digits as it takes.
pub fn format_time(nanos: i64) -> String {
    let mut out = Vec::with_capacity(30);
    write_time(&mut out, nanos);
    String::from_utf8(out).expect("a printed time is ASCII")
}

/// Writes the same moment as RFC 3339 with an offset from UTC, in minutes east: what a clock showed
/// that stood there.
///
/// # Panics
/// If the offset is a day or more.
pub fn format_time_at(nanos: i64, offset_minutes: i16) -> String {
    let offset = jiff::tz::Offset::from_seconds(i32::from(offset_minutes) * 60)
        .expect("an offset is less than a day");
    let time = Timestamp::from_nanosecond(i128::from(nanos))
        .expect("64 bits of nanoseconds lie within the years that can be printed");
    let mut out = Vec::with_capacity(35);
    SHORTEST
        .print_timestamp_with_offset(&time, offset, &mut out)
        .expect("writing into memory does not fail");
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

/// Nanoseconds since 1970 UTC of any year from 0 to 9999.
fn nanos_of(text: &str) -> Result<i128, TimeError> {
    Parts::read(text.as_bytes()).ok_or(TimeError::Form)?.nanos()
}

/// The numbers of a text that has the form of RFC 3339.
struct Parts {
    date: [u16; 3],
    time: [u16; 3],
    /// Nanoseconds.
    fraction: i32,
    offset: Offset,
}

struct Offset {
    is_zulu: bool,
    is_west: bool,
    hours: u16,
    minutes: u16,
}

impl Offset {
    fn nanos(&self) -> i128 {
        let minutes = i128::from(self.hours * 60 + self.minutes);
        let east = minutes * 60 * NANOS_PER_SECOND;
        if self.is_west { -east } else { east }
    }

    /// Minutes east of UTC, if the text says where its clock stood.
    fn said(&self) -> Option<i16> {
        let east = i16::try_from(self.hours * 60 + self.minutes).ok()?;
        let is_unknown = self.is_zulu || (self.is_west && east == 0);
        (!is_unknown).then_some(if self.is_west { -east } else { east })
    }
}

impl Parts {
    /// The grammar of RFC 3339, section 5.6. `T` and `Z` may be in lower case, and a space may
    /// stand for the `T`, as its notes allow.
    fn read(text: &[u8]) -> Option<Self> {
        let (head, tail) = text.split_at_checked(19)?;
        let is_punctuated = head[4] == b'-'
            && head[7] == b'-'
            && matches!(head[10], b'T' | b't' | b' ')
            && head[13] == b':'
            && head[16] == b':';
        if !is_punctuated {
            return None;
        }
        let number = |from: usize, to: usize| digits(&head[from..to]);
        let (fraction, tail) = take_fraction(tail);
        Some(Self {
            date: [number(0, 4)?, number(5, 7)?, number(8, 10)?],
            time: [number(11, 13)?, number(14, 16)?, number(17, 19)?],
            fraction,
            offset: read_offset(tail)?,
        })
    }

    /// Nanoseconds since 1970 UTC of any year from 0 to 9999.
    fn nanos(self) -> Result<i128, TimeError> {
        let Self { date: [year, month, day], time: [hour, minute, second], fraction, offset } =
            self;
        if offset.hours > 23 || offset.minutes > 59 {
            return Err(TimeError::Offset);
        }
        let is_leap = second == 60;
        let (second, fraction) = if is_leap { (59, 999_999_999) } else { (second, fraction) };
        let small = |number: u16| i8::try_from(number).map_err(|_too_large| TimeError::NoSuchTime);
        let year = i16::try_from(year).map_err(|_too_large| TimeError::NoSuchTime)?;
        let (month, day) = (small(month)?, small(day)?);
        let (hour, minute, second) = (small(hour)?, small(minute)?, small(second)?);
        let local = DateTime::new(year, month, day, hour, minute, second, fraction)
            .map_err(|_no_such_time| TimeError::NoSuchTime)?;
        let seconds = local.duration_since(EPOCH).as_nanos() - offset.nanos();
        // Seconds are only ever put in where a day ends in UTC.
        let ends_a_day = seconds.div_euclid(NANOS_PER_SECOND).rem_euclid(86_400) == 86_399;
        if is_leap && !ends_a_day { Err(TimeError::NoSuchTime) } else { Ok(seconds) }
    }
}

/// Reads digits and nothing else. Four of them fit.
fn digits(text: &[u8]) -> Option<u16> {
    text.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + u16::from(byte - b'0'))
    })
}

/// Reads a fraction of a second, if there is one, as nanoseconds. Gives what follows it.
fn take_fraction(tail: &[u8]) -> (i32, &[u8]) {
    let [b'.', digits @ ..] = tail else { return (0, tail) };
    let count = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    if count == 0 {
        return (0, tail);
    }
    let (digits, rest) = digits.split_at(count);
    let padded = digits.iter().copied().chain(std::iter::repeat(b'0'));
    let nanos = padded.take(9).fold(0, |nanos, digit| nanos * 10 + i32::from(digit - b'0'));
    (nanos, rest)
}

fn read_offset(text: &[u8]) -> Option<Offset> {
    match text {
        [b'Z' | b'z'] => Some(Offset { is_zulu: true, is_west: false, hours: 0, minutes: 0 }),
        [sign @ (b'+' | b'-'), hour_tens, hours, b':', minute_tens, minutes] => Some(Offset {
            is_zulu: false,
            is_west: *sign == b'-',
            hours: digits(&[*hour_tens, *hours])?,
            minutes: digits(&[*minute_tens, *minutes])?,
        }),
        _ => None,
    }
}

/// Why a text is no time. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeError {
    /// Not of the form.
    #[error("a time is RFC 3339 text such as 2013-01-01T10:15:00Z or 2013-01-01T11:15:00.5+01:00")]
    Form,
    /// Of the form, but no calendar or clock has it.
    #[error("there is no such day, or no such time of day")]
    NoSuchTime,
    /// Of the form, but no place on earth is that far from UTC.
    #[error("an offset from UTC lies between -23:59 and +23:59")]
    Offset,
    /// Further from 1970 than 64 bits of nanoseconds reach.
    #[error("a time lies between the years 1677 and 2262")]
    Range,
    /// Not a duration.
    #[error("a bound is a duration such as 90s, 2h 30m or 5 days, or none")]
    Duration,
}

#[cfg(test)]
mod tests;
