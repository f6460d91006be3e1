//! Times as people say them on a command line: `monday`, `yesterday 18:00`, `2h ago`.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _, Zoned};
use laterbase_core::time::{TimeError, parse_time_bound};

use super::{WrittenTime, WrittenTimeError, nanos_of, offset_in, read_usual, system_zone, written};

/// What a text stands for: a moment, or a whole day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spoken {
    pub(crate) first: WrittenTime,
    /// The last nanosecond of a day, in nanoseconds since 1970 UTC; of a moment, the moment.
    pub(crate) last: i64,
}

/// Reads when something happened, by the clocks of this machine. A day stands for its beginning.
pub(crate) fn parse_moment(text: &str) -> Result<WrittenTime, String> {
    here(text).map(|spoken| spoken.first)
}

/// Reads since when something is asked for, by the clocks of this machine. A day stands for its
/// beginning; what lies before all times stands for the first one.
pub(crate) fn parse_since(text: &str) -> Result<i64, String> {
    parse_time_bound(text).or_else(|_spoken| parse_moment(text).map(|time| time.nanos))
}

/// Reads until when something is asked for, by the clocks of this machine. A day stands for its
/// end; what lies beyond all times stands for the last one.
pub(crate) fn parse_until(text: &str) -> Result<i64, String> {
    if let Ok(nanos) = parse_time_bound(text) {
        return Ok(nanos);
    }
    here(text).map(|spoken| spoken.last)
}

/// Reads a time as it is said now, by the clocks of this machine.
fn here(text: &str) -> Result<Spoken, String> {
    let zone = system_zone().map_err(|error| error.to_string())?;
    read(text, &Timestamp::now().to_zoned(zone)).map_err(|error| error.to_string())
}

/// Reads a time as it is said at a moment.
pub(crate) fn read(text: &str, now: &Zoned) -> Result<Spoken, WrittenTimeError> {
    let text = text.trim();
    let lower = text.to_lowercase();
    if lower == "now" {
        return moment(now, text);
    }
    if lower.ends_with("ago") {
        let span: Span = lower.parse().map_err(|_no_span| spoken_form(text))?;
        let then = now.checked_add(span).map_err(|_too_far| spoken_form(text))?;
        return moment(&then, text);
    }
    let (word, time) = match lower.split_once(' ') {
        Some((word, time)) => (word, Some(time.trim())),
        None => (lower.as_str(), None),
    };
    let Some(date) = day_of(word, now) else { return read_written(text, now) };
    match time {
        Some(time) => {
            let is_time = time.contains(':');
            let time: Option<Time> = time.parse().ok().filter(|_| is_time);
            let time = time.ok_or_else(|| spoken_form(text))?;
            let time = super::at_place(date.to_datetime(time), now.time_zone(), text)?;
            Ok(Spoken { first: time, last: time.nanos })
        }
        None => whole_day(date, now.time_zone(), text),
    }
}

/// What is written and not said: `2024-03-01 08:00`, RFC 3339, or a day.
fn read_written(text: &str, now: &Zoned) -> Result<Spoken, WrittenTimeError> {
    if let (10, Ok(date)) = (text.len(), text.parse()) {
        return whole_day(date, now.time_zone(), text);
    }
    match read_usual(text, now.time_zone()) {
        Ok(time) => Ok(Spoken { first: time, last: time.nanos }),
        Err(WrittenTimeError::Form(_)) => Err(spoken_form(text)),
        Err(error) => Err(error),
    }
}

/// The day that a word means: the last one of its name, today included.
fn day_of(word: &str, now: &Zoned) -> Option<jiff::civil::Date> {
    let today = now.date();
    let weekday = match word {
        "today" => return Some(today),
        "yesterday" => return today.yesterday().ok(),
        "tomorrow" => return today.tomorrow().ok(),
        "mon" | "monday" => Weekday::Monday,
        "tue" | "tuesday" => Weekday::Tuesday,
        "wed" | "wednesday" => Weekday::Wednesday,
        "thu" | "thursday" => Weekday::Thursday,
        "fri" | "friday" => Weekday::Friday,
        "sat" | "saturday" => Weekday::Saturday,
        "sun" | "sunday" => Weekday::Sunday,
        _ => return None,
    };
    let days = i64::from(weekday.until(today.weekday()));
    today.checked_sub(days.days()).ok()
}

/// From a day's first moment, which is not midnight where clocks are set forward then, to its last.
fn whole_day(
    date: jiff::civil::Date,
    zone: &TimeZone,
    text: &str,
) -> Result<Spoken, WrittenTimeError> {
    let beyond = |_: jiff::Error| super::no_time(text, &TimeError::Range.to_string());
    let start_of = |date: jiff::civil::Date| {
        let start = zone.to_zoned(date.into()).and_then(|midnight| midnight.start_of_day());
        start.map_err(beyond)
    };
    let tomorrow = date.tomorrow().map_err(beyond)?;
    let last = nanos_of(start_of(tomorrow)?.timestamp(), text)? - 1;
    Ok(Spoken { first: of_zoned(&start_of(date)?, text)?, last })
}

fn moment(time: &Zoned, text: &str) -> Result<Spoken, WrittenTimeError> {
    let first = of_zoned(time, text)?;
    Ok(Spoken { first, last: first.nanos })
}

fn of_zoned(time: &Zoned, text: &str) -> Result<WrittenTime, WrittenTimeError> {
    written(time.timestamp(), offset_in(time.time_zone(), time.offset()), text)
}

fn spoken_form(text: &str) -> WrittenTimeError {
    WrittenTimeError::Spoken(text.to_owned())
}

#[cfg(test)]
mod tests;
