//! Times as people write them: without an offset from UTC, as a clock on the wall shows them.

use anyhow::bail;
use clap::Args;
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Timestamp, Zoned};
use laterbase_core::time::{TimeError, parse_time_with_offset};

pub(crate) mod spoken;

/// How the times of a file are written.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Times in tables")]
pub(crate) struct WrittenTimeFlags {
    /// The form of the times, such as "%d.%m.%Y %H:%M" [default: 2024-03-01 08:00 and the like, and
    /// RFC 3339].
    #[arg(long, value_name = "FORMAT")]
    pub(crate) time_format: Option<String>,
    /// Where the clocks are that the times were read from, such as Europe/Berlin [default: here].
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
}

impl WrittenTimeFlags {
    /// The first flag that is given, for a complaint where there is no table.
    pub(crate) const fn given(&self) -> Option<&'static str> {
        match (&self.time_format, &self.timezone) {
            (Some(_), _) => Some("--time-format"),
            (None, Some(_)) => Some("--timezone"),
            (None, None) => None,
        }
    }
}

/// A moment, and what the clock said that it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrittenTime {
    /// Nanoseconds since 1970 UTC.
    pub(crate) nanos: i64,
    /// Minutes east of UTC, where that says something of the place: UTC itself does not.
    pub(crate) offset: Option<i16>,
}

/// Reads times.
pub(crate) struct WrittenTimes {
    zone: TimeZone,
    format: Option<String>,
}

/// Why a text is no time, or not a single one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WrittenTimeError {
    #[error("{0:?} is no time such as 2024-03-01 08:00; another form is said by --time-format")]
    Form(String),
    #[error(
        "{0:?} is no time; say 2024-03-01 08:00, 2024-03-01T08:00:00Z, monday, yesterday 18:00 or 2h ago"
    )]
    Spoken(String),
    #[error("{text:?} is no time of the form {format:?}")]
    Format { text: String, format: String },
    #[error("{text:?}: {reason}")]
    NoTime { text: String, reason: String },
    #[error(
        "{text:?} was twice in {zone}, as clocks were set back: {earlier} and {later}; write the one that is meant"
    )]
    Twice { text: String, zone: String, earlier: String, later: String },
    #[error(
        "{text:?} never was in {zone}, as clocks were set forward: by the old offset from UTC it is {by_old}, by the new one {by_new}; write the one that is meant"
    )]
    Never { text: String, zone: String, by_old: String, by_new: String },
    #[error(
        "TZ is {named:?}, and there is no such time zone; one is named like Europe/Berlin or UTC"
    )]
    NoZone { named: String },
}

impl WrittenTimes {
    pub(crate) fn new(flags: &WrittenTimeFlags) -> anyhow::Result<Self> {
        let zone = zone_of(flags.timezone.as_deref())?;
        if let Some(format) = &flags.time_format
            && !can_be_read(format)
        {
            bail!(
                "--time-format: by {format:?}, nobody tells what day it is; a form is written in \
                 the letters of strptime, such as \"%d.%m.%Y %H:%M\""
            );
        }
        Ok(Self { zone, format: flags.time_format.clone() })
    }

    /// Reads a time of the form that was said, or of the usual one.
    pub(crate) fn read(&self, text: &str) -> Result<WrittenTime, WrittenTimeError> {
        match &self.format {
            Some(format) => self.read_format(text, format),
            None => read_usual(text, &self.zone),
        }
    }

    /// Reads a time of the usual form, whatever form was said.
    pub(crate) fn read_usual(&self, text: &str) -> Result<WrittenTime, WrittenTimeError> {
        read_usual(text, &self.zone)
    }

    fn read_format(&self, text: &str, format: &str) -> Result<WrittenTime, WrittenTimeError> {
        let refuse = |_error: jiff::Error| WrittenTimeError::Format {
            text: text.to_owned(),
            format: format.to_owned(),
        };
        let parts = strtime::parse(format, text).map_err(refuse)?;
        match parts.to_timestamp() {
            // It says how far it is from UTC.
            Ok(time) => written(time, parts.offset().and_then(minutes_of), text),
            Err(_) => at_place(parts.to_datetime().map_err(refuse)?, &self.zone, text),
        }
    }
}

/// Whether what is written in a form can be read again.
fn can_be_read(format: &str) -> bool {
    let sample = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
    let written = strtime::format(format, &sample);
    let read = written.and_then(|text| strtime::parse(format, text));
    read.is_ok_and(|parts| parts.to_timestamp().is_ok() || parts.to_datetime().is_ok())
}

/// The zone of a name, or the system's.
pub(crate) fn zone_of(name: Option<&str>) -> anyhow::Result<TimeZone> {
    match name {
        Some(name) => TimeZone::get(name).map_err(|_unknown| {
            anyhow::anyhow!(
                "there is no time zone {name:?}; one is named like Europe/Berlin or UTC"
            )
        }),
        None => Ok(system_zone()?),
    }
}

/// The zone of this machine: what `TZ` says, or else what the system does; UTC if neither says any.
fn system_zone() -> Result<TimeZone, WrittenTimeError> {
    let named = std::env::var("TZ").unwrap_or_default();
    // Times by a zone that was mistyped would all be wrong, and nobody would see it.
    match TimeZone::try_system() {
        Err(_) if !named.is_empty() => Err(WrittenTimeError::NoZone { named }),
        found => Ok(found.unwrap_or(TimeZone::UTC)),
    }
}

/// Reads RFC 3339, or the same without an offset, seconds, or a time of day.
fn read_usual(text: &str, zone: &TimeZone) -> Result<WrittenTime, WrittenTimeError> {
    match parse_time_with_offset(text).or_else(|error| with_seconds(text).ok_or(error)?) {
        Ok((nanos, offset)) => Ok(WrittenTime { nanos, offset }),
        Err(TimeError::Form) => at_place(read_local(text)?, zone, text),
        Err(error) => Err(no_time(text, &error.to_string())),
    }
}

/// Reads RFC 3339 without seconds, such as `2024-03-01T08:00+01:00`. `None` if it is not that.
fn with_seconds(text: &str) -> Option<Result<(i64, Option<i16>), TimeError>> {
    let (minutes, offset) = text.split_at_checked(16)?;
    let has_offset = offset.starts_with(['+', '-', 'Z', 'z']);
    has_offset.then(|| parse_time_with_offset(&format!("{minutes}:00{offset}")))
}

/// Reads a time on the wall: `2024-03-01 08:00`, with seconds and their fraction or without, or
/// `2024-03-01`.
fn read_local(text: &str) -> Result<DateTime, WrittenTimeError> {
    let refuse = || WrittenTimeError::Form(text.to_owned());
    let (date, time) = match text.split_at_checked(10) {
        Some((date, "")) => (date, None),
        Some((date, rest)) => (date, Some(rest.strip_prefix([' ', 'T', 't']).ok_or_else(refuse)?)),
        None => return Err(refuse()),
    };
    let is_digit_or = |text: &str, others: &[char]| {
        text.chars().all(|c| c.is_ascii_digit() || others.contains(&c))
    };
    let is_formed = date.as_bytes()[4] == b'-'
        && date.as_bytes()[7] == b'-'
        && is_digit_or(date, &['-'])
        && time.is_none_or(|time| time.contains(':') && is_digit_or(time, &[':', '.', ',']));
    if !is_formed {
        return Err(refuse());
    }
    let refuse = |_error: jiff::Error| no_time(text, &TimeError::NoSuchTime.to_string());
    let date: Date = date.parse().map_err(refuse)?;
    match time {
        Some(time) => Ok(date.to_datetime(time.parse().map_err(refuse)?)),
        None => Ok(date.into()),
    }
}

/// The one moment at which clocks of a zone showed a time.
fn at_place(local: DateTime, zone: &TimeZone, text: &str) -> Result<WrittenTime, WrittenTimeError> {
    let said = |offset: Offset| match offset.to_timestamp(local) {
        Ok(time) => Zoned::new(time, zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string(),
        Err(_beyond) => TimeError::Range.to_string(),
    };
    let zone_name = || zone.iana_name().unwrap_or("this time zone").to_owned();
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => {
            let time = offset.to_timestamp(local);
            let time = time.map_err(|_beyond| no_time(text, &TimeError::Range.to_string()))?;
            written(time, offset_in(zone, offset), text)
        }
        AmbiguousOffset::Fold { before, after } => Err(WrittenTimeError::Twice {
            text: text.to_owned(),
            zone: zone_name(),
            earlier: said(before),
            later: said(after),
        }),
        AmbiguousOffset::Gap { before, after } => Err(WrittenTimeError::Never {
            text: text.to_owned(),
            zone: zone_name(),
            by_old: said(before),
            by_new: said(after),
        }),
    }
}

/// What an offset says of the place. That of UTC says nothing, nor does that of a machine which does
/// not know where it is.
fn offset_in(zone: &TimeZone, offset: Offset) -> Option<i16> {
    match zone.iana_name() {
        None | Some("UTC" | "Etc/UTC" | "Etc/Unknown") if offset == Offset::UTC => None,
        _ => minutes_of(offset),
    }
}

/// An offset in whole minutes, as all are since clocks go by zones.
fn minutes_of(offset: Offset) -> Option<i16> {
    let seconds = offset.seconds();
    (seconds % 60 == 0).then(|| i16::try_from(seconds / 60).ok())?
}

fn written(
    time: Timestamp,
    offset: Option<i16>,
    text: &str,
) -> Result<WrittenTime, WrittenTimeError> {
    Ok(WrittenTime { nanos: nanos_of(time, text)?, offset })
}

fn nanos_of(time: Timestamp, text: &str) -> Result<i64, WrittenTimeError> {
    i64::try_from(time.as_nanosecond())
        .map_err(|_too_far| no_time(text, &TimeError::Range.to_string()))
}

fn no_time(text: &str, reason: &str) -> WrittenTimeError {
    WrittenTimeError::NoTime { text: text.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
