//! A list as a table.

use std::borrow::Cow;

use super::column::ListColumn;
use super::member::State;
use super::row::{Row, Tally};
use super::survey::{MEMBERS_MAX, Survey, Surveyed};
use super::{ListArgs, Listed, Rows};
use crate::cli::output::Output;
use crate::cli::table::{Column, Table, width};
use crate::cli::zone::Zone;

/// Most columns of a terminal that a member gets, even where there is room.
const MEMBER_WIDTH_MAX: usize = 60;

/// What a column has at least of a narrow terminal; times are never cut.
const WIDTH_FLOOR: usize = 10;
const TIME_WIDTH: usize = 16;

/// Prints the table, after a walk over all rows for what is in them.
pub(super) fn print(
    rows: &Rows<'_>,
    args: &ListArgs,
    zone: &Zone,
    output: &mut Output,
) -> anyhow::Result<Tally> {
    let survey =
        Survey::new(rows, args, &|column, row, state| width(&column.text(row, state, zone)))?;
    if survey.listed.count == 0 {
        output.line("no aggregates")?;
        return Ok(rows.walk(true, &mut |_row| Ok(()))?.tally);
    }
    let drawing = Drawing::new(&survey, output.columns());
    output.heading(drawing.head())?;
    let listed = rows.walk(true, &mut |row| output.line(drawing.row(row, zone)))?;
    for line in drawing.foot(&survey, &listed) {
        output.line(line)?;
    }
    Ok(listed.tally)
}

/// How rows are drawn.
struct Drawing<'s> {
    columns: Vec<&'s ListColumn>,
    table: Table,
}

impl<'s> Drawing<'s> {
    fn new(survey: &'s Survey, room: Option<usize>) -> Self {
        let columns: Vec<&ListColumn> = survey.columns.iter().map(|it| &it.column).collect();
        let sizes: Vec<Column> = survey.columns.iter().map(size).collect();
        let id = columns.iter().position(|column| **column == ListColumn::Id).unwrap_or(0);
        let table = Table::fit(&sizes, &expendable(&survey.columns), id, room);
        Self { columns, table }
    }

    fn head(&self) -> String {
        self.line(|column| Cow::Owned(column.to_string()))
    }

    fn row(&self, row: &Row, zone: &Zone) -> String {
        let state = State::read(&row.state);
        self.line(|column| column.text(row, &state, zone))
    }

    fn line<'c>(&self, cell: impl Fn(&ListColumn) -> Cow<'c, str>) -> String {
        let shown = self.table.shown().iter();
        self.table.line(&shown.map(|&index| cell(self.columns[index])).collect::<Vec<_>>())
    }

    /// What stands below the rows: how many they are, and what is not shown.
    fn foot(&self, survey: &Survey, listed: &Listed) -> Vec<String> {
        let more = if listed.more { ", and there are more" } else { "" };
        let noun = if listed.count == 1 { "aggregate" } else { "aggregates" };
        let mut lines = vec![format!("{} {noun}{more}", listed.count)];
        let is_left_out = |index: &usize| !self.table.shown().contains(index);
        let left_out = (0..self.columns.len()).filter(is_left_out);
        let left_out: Vec<_> = left_out.map(|index| self.columns[index].to_string()).collect();
        if !left_out.is_empty() {
            lines.push(format!("no room for {}: choose with --columns", left_out.join(", ")));
        }
        if survey.is_cut {
            lines.push(format!("more than {MEMBERS_MAX} members: choose with --columns"));
        }
        lines
    }
}

fn size(surveyed: &Surveyed) -> Column {
    let Surveyed { column, width: measured, .. } = surveyed;
    let widest = if column.is_of_state() { MEMBER_WIDTH_MAX.min(*measured) } else { *measured };
    let floor = if *column == ListColumn::LastAt { TIME_WIDTH } else { WIDTH_FLOOR };
    Column { natural: widest.max(width(&column.to_string())), floor }
}

/// The numbers of the columns that can be left out, the first to go first: members, those that
/// the fewest rows have, from the right, but for one; then what else is there, and never the id.
fn expendable(columns: &[Surveyed]) -> Vec<usize> {
    let of = |wanted: &dyn Fn(&ListColumn) -> bool| {
        let indexes = (0..columns.len()).rev();
        indexes.filter(|&index| wanted(&columns[index].column)).collect::<Vec<_>>()
    };
    let mut members = of(&ListColumn::is_of_state);
    members.sort_by_key(|&index| columns[index].row_count);
    let last = members.pop();
    let own = [ListColumn::LastType, ListColumn::LastAt, ListColumn::Root];
    let own = own.iter().flat_map(|wanted| of(&|column| column == wanted));
    members.into_iter().chain(own).chain(last).collect()
}
