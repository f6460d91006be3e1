//! A list as comma-separated values (RFC 4180), for spreadsheets and scripts.

use std::borrow::Cow;

use anyhow::bail;
use csv::WriterBuilder;

use super::member::State;
use super::row::Tally;
use super::survey::{MEMBERS_MAX, Survey};
use super::{ListArgs, Rows};
use crate::cli::output::Output;

/// Prints a line of names, and one for each row, whole.
///
/// Unless the columns were named, a walk over all rows comes first, for what is in them.
pub(super) fn print(
    rows: &Rows<'_>,
    args: &ListArgs,
    output: &mut Output,
) -> anyhow::Result<Tally> {
    let columns = match Survey::named(rows, args) {
        Some(named) => named,
        None => {
            let survey = Survey::new(rows, args, &|_, _, _| 0)?;
            if survey.is_cut {
                bail!("the states have more than {MEMBERS_MAX} members: choose with --columns");
            }
            survey.columns.into_iter().map(|surveyed| surveyed.column).collect()
        }
    };
    if columns.is_empty() {
        // There are no rows, and so no names.
        return Ok(rows.walk(true, &mut |_row| Ok(()))?.tally);
    }
    output.text(&record(columns.iter().map(ToString::to_string))?)?;
    let listed = rows.walk(true, &mut |row| {
        let state = State::read(&row.state);
        let cell = |value: Option<Cow<'_, str>>| value.unwrap_or_default().into_owned();
        let cells = columns.iter().map(|column| cell(column.value(row, &state)));
        output.text(&record(cells)?)
    })?;
    Ok(listed.tally)
}

/// One line, with quotation marks where it takes them.
fn record(cells: impl Iterator<Item = String>) -> anyhow::Result<Vec<u8>> {
    let mut writer = WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(cells.map(String::into_bytes))?;
    Ok(writer.into_inner().map_err(csv::IntoInnerError::into_error)?)
}
