//! A first idea of which column is what, from a table's first rows.

use std::collections::BTreeSet;

use super::columns::ColumnFlags;
use super::header::Header;
use super::row::{Kind, Row};
use crate::cli::written_time::{WrittenTimeFlags, WrittenTimes};

/// What columns with ids, types and times are often called, the likeliest first.
const ID_NAMES: [&str; 14] = [
    "aggregate_id",
    "asn",
    "shipment",
    "order",
    "container",
    "vehicle",
    "truck",
    "pallet",
    "parcel",
    "booking",
    "id",
    "number",
    "no",
    "nr",
];
const TYPE_NAMES: [&str; 9] =
    ["type", "event", "what", "status", "action", "activity", "state", "step", "kind"];

/// Forms of times, those that differ in the order of day and month one behind the other.
const TIME_FORMATS: [&str; 14] = [
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%d.%m.%y %H:%M",
    "%d.%m.%y",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%Y/%m/%d %H:%M",
    "%d-%m-%Y %H:%M",
    "%d-%m-%Y",
];

/// Most different values that a column of types has.
const TYPES_MAX: usize = 30;

/// What the columns may be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Guess {
    pub(crate) id: Option<String>,
    pub(crate) event_type: Option<String>,
    pub(crate) time: Option<TimeGuess>,
}

/// A column whose cells are times.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TimeGuess {
    pub(crate) column: String,
    /// `None` for the usual ones.
    pub(crate) format: Option<&'static str>,
    /// Another form that all of them have as well.
    pub(crate) or_format: Option<&'static str>,
}

/// Looks at a table's names and some of its rows. A column that was said to be something is nothing
/// else.
pub(crate) fn guess(header: &Header, rows: &[Row], said: &ColumnFlags) -> Guess {
    let is = |column: usize, name: &Option<String>| {
        name.as_ref().is_some_and(|name| name.trim() == header.name(column))
    };
    let is_said = |column: &usize| is(*column, &said.id_column) || is(*column, &said.type_column);
    let could_be_time = |column: &usize| match &said.time_column {
        Some(_) => is(*column, &said.time_column),
        None => !is_said(column),
    };
    let times: Vec<(usize, TimeGuess)> = header
        .named()
        .filter(could_be_time)
        .filter_map(|column| Some((column, time_of(header, rows, column)?)))
        .collect();
    let is_time = |column: usize| {
        is(column, &said.time_column) || times.iter().any(|(time, _)| *time == column)
    };
    let free = header.named().filter(|column| !is_time(*column) && !is_said(column));
    let free: Vec<usize> = free.collect();
    let id = named_like(header, &free, &ID_NAMES).or_else(|| free.first().copied());
    let free: Vec<usize> = free.into_iter().filter(|column| Some(*column) != id).collect();
    let types: Vec<usize> =
        free.into_iter().filter(|column| could_be_types(rows, *column)).collect();
    let event_type = named_like(header, &types, &TYPE_NAMES);
    let name = |column: usize| header.name(column).to_owned();
    Guess {
        id: id.map(name),
        event_type: event_type.map(name),
        time: times.into_iter().next().map(|(_, time)| time),
    }
}

/// The column whose name is one of some words, or has one in it.
fn named_like(header: &Header, columns: &[usize], words: &[&str]) -> Option<usize> {
    let words_of = |column: usize| {
        let name = header.name(column).to_lowercase();
        let words = name.split(|c: char| !c.is_alphanumeric()).map(str::to_owned);
        [name.clone()].into_iter().chain(words).collect::<Vec<String>>()
    };
    words.iter().find_map(|word| {
        columns.iter().copied().find(|column| words_of(*column).iter().any(|part| part == word))
    })
}

fn could_be_types(rows: &[Row], column: usize) -> bool {
    let values: BTreeSet<&str> = rows.iter().map(|row| row.cell(column).text.trim()).collect();
    let is_text = |text: &&str| text.chars().any(char::is_alphabetic);
    values.len() <= TYPES_MAX && values.iter().all(is_text)
}

/// How the times of a column are written, if that is what all its cells are.
fn time_of(header: &Header, rows: &[Row], column: usize) -> Option<TimeGuess> {
    let cells: Vec<_> =
        rows.iter().map(|row| row.cell(column)).filter(|cell| !cell.is_empty()).collect();
    if cells.is_empty() {
        return None;
    }
    let texts = || cells.iter().filter(|cell| cell.kind != Kind::Time).map(|cell| cell.text.trim());
    let fits = |format: Option<&'static str>| {
        let flags = WrittenTimeFlags {
            time_format: format.map(str::to_owned),
            // One without any change of clocks, so that no time is doubtful.
            timezone: Some("UTC".to_owned()),
        };
        let times = WrittenTimes::new(&flags).ok();
        times.is_some_and(|times| texts().all(|text| times.read(text).is_ok()))
    };
    let guess =
        |format, or_format| TimeGuess { column: header.name(column).to_owned(), format, or_format };
    if fits(None) {
        return Some(guess(None, None));
    }
    let mut fitting = TIME_FORMATS.into_iter().filter(|format| fits(Some(format)));
    let first = fitting.next()?;
    Some(guess(Some(first), fitting.next()))
}

#[cfg(test)]
mod tests;
