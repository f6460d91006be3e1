//! Aggregates as CSV (RFC 4180), for spreadsheets.
//!
//! A spreadsheet takes what begins with `=`, `+`, `-` or `@` for a formula and runs it. What others
//! wrote is not to run, so such a text gets an apostrophe before it; a number is left as it is.

use std::collections::BTreeMap;

use laterbase_core::reader::{AggregateState, FoldFailure};
use serde_json::value::RawValue;

use super::json::{self, Shape};
use crate::problem::Problem;

/// The last columns: members of the state that have no column, as JSON, and why there is no state.
const LAST: [&str; 2] = ["(others)", "(problem)"];

/// The line with the names of the columns.
pub(super) fn head(columns: &[String]) -> Vec<u8> {
    // By a byte order mark, spreadsheets know that it is UTF-8.
    let mut out = "\u{feff}".as_bytes().to_vec();
    let names = columns.iter().map(String::as_str).chain(LAST);
    write_line(&mut out, std::iter::once("id").chain(names).map(guarded));
    out
}

/// The line of an aggregate.
pub(super) fn write(
    out: &mut Vec<u8>,
    columns: &[String],
    id: &str,
    folded: &Result<AggregateState, FoldFailure>,
) {
    let mut cells = vec![guarded(id)];
    match folded {
        Ok(aggregate) => {
            let mut members = members(&aggregate.state);
            let column = |name: &String| members.remove(name).map_or_else(String::new, cell);
            cells.extend(columns.iter().map(column));
            let others: BTreeMap<_, _> = members;
            cells.push(if others.is_empty() {
                String::new()
            } else {
                serde_json::to_string(&others).expect("JSON is written as it was read")
            });
            cells.push(String::new());
        }
        Err(failure) => {
            let problem = Problem::from(failure);
            let (title, detail) = problem.told();
            cells.resize(columns.len() + 2, String::new());
            cells.push(guarded(detail.unwrap_or(title)));
        }
    }
    write_line(out, cells.into_iter());
}

fn members(state: &[u8]) -> BTreeMap<String, &RawValue> {
    let Some(value) = json::parse(state) else { return BTreeMap::new() };
    match Shape::of(value) {
        Some(Shape::Object(members)) => members.into_iter().collect(),
        _ => BTreeMap::from([(super::row::WHOLE.to_owned(), value)]),
    }
}

fn cell(value: &RawValue) -> String {
    match Shape::of(value) {
        Some(Shape::String(text)) => guarded(&text),
        _ => value.get().to_owned(),
    }
}

/// A text that no spreadsheet runs.
fn guarded(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn write_line(out: &mut Vec<u8>, cells: impl Iterator<Item = String>) {
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if cell.contains(['"', ',', '\n', '\r', '\0']) {
            out.extend_from_slice(format!("\"{}\"", cell.replace('"', "\"\"")).as_bytes());
        } else {
            out.extend_from_slice(cell.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
