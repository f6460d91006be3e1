//! A timeline in the columns of a terminal.

use std::iter;

use laterbase_core::printable::is_control;
use laterbase_core::time::format_time;

use super::row::Row;

/// Columns of the drawing, unless the user says otherwise. It needs that many.
pub(super) const WIDTH_DEFAULT: u16 = 80;

/// Most columns.
pub(super) const WIDTH_MAX: u16 = 500;

/// Columns of the events' types.
const TYPE_COLUMNS: usize = 14;

/// Everything of a row but its bar.
const FIXED_COLUMNS: usize = 58;

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const LATE: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// The time from one moment to another, in nanoseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    first: i64,
    last: i64,
}

impl Span {
    pub(super) fn of(times: [i64; 3]) -> Self {
        let [a, b, c] = times;
        Self { first: a.min(b).min(c), last: a.max(b).max(c) }
    }

    pub(super) fn join(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }

    /// The column of a time among `columns` that show the span.
    fn column(self, time: i64, columns: usize) -> usize {
        let length = (i128::from(self.last) - i128::from(self.first)).max(1);
        let offset = i128::from(time.clamp(self.first, self.last)) - i128::from(self.first);
        let steps = columns.saturating_sub(1) as i128;
        usize::try_from(offset * steps / length).unwrap_or(0)
    }
}

/// How rows are drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drawing {
    pub(super) width: u16,
    /// What the bars show.
    pub(super) span: Span,
    pub(super) is_coloured: bool,
}

impl Drawing {
    fn bar_columns(&self) -> usize {
        usize::from(self.width) - FIXED_COLUMNS
    }

    /// The line above the rows: over the bars stand the days that they begin and end on.
    pub(super) fn head(&self) -> String {
        let [first, last] = [self.span.first, self.span.last].map(|time| day(&format_time(time)));
        let gap = self.bar_columns() - first.len();
        let bar = format!("{first}{last:>gap$}");
        line(" ", "occurred", "type", &bar, "lag", "origin", "seq")
    }

    pub(super) fn row(&self, row: &Row) -> String {
        let mark = if row.is_late { "!" } else { " " };
        let text = line(
            mark,
            &seconds(row.occurred),
            &fit(&row.event_type),
            &self.bar(row),
            &lag(row.lag_nanos()),
            &row.dot.origin.to_string()[..6],
            &row.dot.seq.to_string(),
        );
        if self.is_coloured && row.is_late { format!("{LATE}{text}{PLAIN}") } else { text }
    }

    /// The line below the rows.
    pub(super) fn foot(&self, event_count: u64, late_count: u64) -> String {
        format!(
            "{event_count} events, {late_count} late (!); o occurred, r recorded, a arrived here"
        )
    }

    fn bar(&self, row: &Row) -> String {
        let mut cells = vec![' '; self.bar_columns()];
        let [occurred, recorded, arrived] = [row.occurred, row.recorded_nanos(), row.arrived]
            .map(|time| self.span.column(time, cells.len()));
        fill(&mut cells, recorded, arrived, '-');
        fill(&mut cells, occurred, recorded, '=');
        // Where marks fall together, the one that came first stays.
        for (column, mark) in [(arrived, 'a'), (recorded, 'r'), (occurred, 'o')] {
            cells[column] = mark;
        }
        cells.into_iter().collect()
    }
}

/// One line in columns; together with the bar they are as wide as the drawing.
fn line(
    mark: &str,
    occurred: &str,
    event_type: &str,
    bar: &str,
    lag: &str,
    origin: &str,
    seq: &str,
) -> String {
    format!("{mark}{occurred:<20} {event_type:<TYPE_COLUMNS$} {bar} {lag:>5} {origin:<6} {seq:>7}")
}

fn fill(cells: &mut [char], from: usize, to: usize, with: char) {
    cells[from.min(to)..=from.max(to)].fill(with);
}

/// The date of a printed time.
fn day(time: &str) -> String {
    time.get(..10).unwrap_or(time).to_owned()
}

/// A time without the fraction of its second.
fn seconds(nanos: i64) -> String {
    format_time(nanos.saturating_sub(nanos.rem_euclid(NANOS_PER_SECOND)))
}

/// A name in its columns. Names come from anywhere, so what would steer the terminal is replaced.
fn fit(name: &str) -> String {
    let shown = |c: char| if is_control(c) { char::REPLACEMENT_CHARACTER } else { c };
    if name.chars().nth(TYPE_COLUMNS).is_none() {
        return name.chars().map(shown).collect();
    }
    name.chars().map(shown).take(TYPE_COLUMNS - 1).chain(iter::once('…')).collect()
}

/// A length of time in its greatest unit, in at most five characters: `+45s`, `+3h`, `-12m`.
fn lag(nanos: i64) -> String {
    let seconds = (nanos / NANOS_PER_SECOND).unsigned_abs();
    let sign = match nanos / NANOS_PER_SECOND {
        0 => "",
        1.. => "+",
        _ => "-",
    };
    let (minute, hour, day, year) = (60, 3_600, 86_400, 31_556_952);
    let (count, unit) = match seconds {
        0..60 => (seconds, 's'),
        60..3_600 => (seconds / minute, 'm'),
        3_600..172_800 => (seconds / hour, 'h'),
        172_800..63_113_904 => (seconds / day, 'd'),
        _ => (seconds / year, 'y'),
    };
    format!("{sign}{count}{unit}")
}

#[cfg(test)]
mod tests;
