//! What a spreadsheet's cell says, as text.

use calamine::{Data, ExcelDateTime};
use jiff::civil::DateTime;

use crate::cli::rows::row::{Kind, Row};

/// The day after the last one that spreadsheets know, at the end of the year 9999.
const SERIAL_END: f64 = 2_958_466.0;

/// Adds a cell to a row.
pub(super) fn write_cell(row: &mut Row, value: &Data) {
    match value {
        Data::Empty => row.push("", Kind::Text),
        Data::String(text) | Data::DurationIso(text) => row.push(text, Kind::Text),
        Data::DateTimeIso(text) => row.push(text, Kind::Time),
        Data::Bool(truth) => row.push(if *truth { "true" } else { "false" }, Kind::Truth),
        Data::Int(number) => row.push(&number.to_string(), Kind::Number),
        Data::Float(number) => write_number(row, *number),
        Data::DateTime(time) => match written(time) {
            Some(text) => row.push(&text, Kind::Time),
            None => push_fault(row, time.as_f64()),
        },
        Data::Error(error) => row.push(&error.to_string(), Kind::Fault),
    }
}

/// Every number of a spreadsheet is a floating-point one; what is whole is written so.
fn write_number(row: &mut Row, number: f64) {
    match serde_json::Number::from_f64(number) {
        Some(_) if number == 0.0 => row.push("0", Kind::Number),
        // The shortest digits that read back as the number, and no exponent.
        Some(_) => row.push(&number.to_string(), Kind::Number),
        None => push_fault(row, number),
    }
}

/// A number that is no value, as spreadsheets show those: no text that is one begins so.
fn push_fault(row: &mut Row, number: f64) {
    row.push(&format!("#{number}"), Kind::Fault);
}

/// A date and a time of day, a time of day alone, or a duration, as a spreadsheet keeps them in
/// days. `None` for what no calendar has.
fn written(time: &ExcelDateTime) -> Option<String> {
    let serial = time.as_f64();
    if !(0.0..SERIAL_END).contains(&serial) {
        return None;
    }
    let (year, month, day, hour, minute, second, milli) = time.to_ymd_hms_milli();
    if time.is_duration() {
        let hours = serial.floor() * 24.0 + f64::from(hour);
        return Some(format!("{hours:.0}:{minute:02}:{second:02}"));
    }
    if serial < 1.0 {
        return Some(format!("{hour:02}:{minute:02}:{second:02}"));
    }
    let [month, day, hour, minute, second] =
        [month, day, hour, minute, second].map(|part| i8::try_from(part).ok());
    let nanos = i32::from(milli) * 1_000_000;
    let year = i16::try_from(year).ok()?;
    let time = DateTime::new(year, month?, day?, hour?, minute?, second?, nanos).ok()?;
    Some(time.to_string())
}
