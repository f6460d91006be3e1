//! A timeline in the columns of a terminal.
//!
//! An event takes two lines: what it says of what happened, and below it the event's id, whole, and
//! a bar in the room beside it. On a narrow terminal, what it says has a line of its own.

use unicode_width::UnicodeWidthStr as _;

use super::row::Row;
use crate::cli::table::fitted;
use crate::cli::zone::Zone;

/// Columns of the drawing where there is no terminal. Narrower than the least it does not get.
pub(super) const WIDTH_DEFAULT: u16 = 80;
pub(super) const WIDTH_MIN: u16 = 40;

/// Most columns.
pub(super) const WIDTH_MAX: u16 = 500;

/// From here on, what an event says is on its first line.
const WIDE: usize = 64;

/// Least columns of a bar: as many as the two days over it take.
const BAR_MIN: usize = 22;

const TIME_COLUMNS: usize = 16;
const LAG_COLUMNS: usize = 5;

/// Most columns of the events' types, as long as there is something beside them.
const TYPE_COLUMNS_MAX: usize = 30;

/// Columns of those who recorded the events, where anybody is named: as many as the head needs, and
/// no more than this.
const WHO_COLUMNS_MIN: usize = 3;
const WHO_COLUMNS_MAX: usize = 12;

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const LATE: &str = "\x1b[33m";
const FAINT: &str = "\x1b[2m";
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
#[derive(Clone, Debug)]
pub(super) struct Drawing {
    pub(super) width: u16,
    /// What the bars show.
    pub(super) span: Span,
    /// How wide the longest id and the longest type are, and the longest name of who recorded an
    /// event; 0 if nobody is named.
    pub(super) id_columns: usize,
    pub(super) type_columns: usize,
    pub(super) who_columns: usize,
    pub(super) zone: Zone,
    pub(super) is_coloured: bool,
}

impl Drawing {
    /// Nothing if the ids leave too little room for bars.
    fn bar_columns(&self) -> Option<usize> {
        let taken = 1 + self.id_columns + 2;
        let left = usize::from(self.width).saturating_sub(taken);
        (left >= BAR_MIN).then_some(left)
    }

    fn is_wide(&self) -> bool {
        usize::from(self.width) >= WIDE
    }

    /// The lines above the rows: over the bars stand the days that they begin and end on.
    pub(super) fn head(&self) -> String {
        let days = self.bar_columns().map(|columns| {
            let [first, last] = [self.span.first, self.span.last].map(|time| self.zone.day(time));
            let gap = columns.saturating_sub(first.len());
            format!("{first}{last:>gap$}")
        });
        let first = self.first_line(&Told {
            mark: " ",
            occurred: "occurred",
            what: "type",
            lag: "lag",
            who: "who",
            says: "what it says",
        });
        first + "\n" + &self.last_line("id", days)
    }

    /// The lines of a row.
    pub(super) fn row(&self, row: &Row) -> String {
        let is_voided = !row.voided_by.is_empty();
        let mark = match (is_voided, row.is_late) {
            (true, _) => "x",
            (false, true) => "!",
            (false, false) => " ",
        };
        let (occurred, lag) = (self.zone.minute(row.occurred), lag(row.lag_nanos()));
        let first = self.first_line(&Told {
            mark,
            occurred: &occurred,
            what: &row.event_type,
            lag: &lag,
            who: row.who(),
            says: &row.says,
        });
        let bar = self.bar_columns().map(|columns| bar(row, self.span, columns));
        let last = self.last_line(&row.id, bar);
        if !self.is_coloured {
            return format!("{first}\n{last}");
        }
        let style = match mark {
            "x" => FAINT,
            "!" => LATE,
            _ => "",
        };
        let end = if style.is_empty() { "" } else { PLAIN };
        format!("{style}{first}{end}\n{FAINT}{last}{PLAIN}")
    }

    /// The line below the rows.
    pub(super) fn foot(&self, event_count: u64, late_count: u64, voided_count: u64) -> String {
        let noun = if event_count == 1 { "event" } else { "events" };
        let marks = self.bar_columns().map_or("", |_| "; o occurred, r recorded, a arrived here");
        let voided = match voided_count {
            0 => String::new(),
            count => format!(", {count} taken back (x)"),
        };
        format!("{event_count} {noun}, {late_count} late (!){voided}{marks}")
    }

    /// What an event says, and when: one line, or two on a narrow terminal.
    fn first_line(&self, told: &Told<'_>) -> String {
        let Told { mark, occurred, what, lag, who, says } = told;
        let width = usize::from(self.width);
        let fixed = 1 + TIME_COLUMNS + 2 + 2 + LAG_COLUMNS;
        let room = if self.is_wide() { TYPE_COLUMNS_MAX.min(width / 4) } else { width - fixed };
        let type_columns = room.min(self.type_columns);
        let what = fitted(what, type_columns);
        let line = format!("{mark}{occurred:<TIME_COLUMNS$}  {what}  {lag:>LAG_COLUMNS$}");
        let who = match self.who_columns {
            0 => String::new(),
            natural => fitted(who, natural.clamp(WHO_COLUMNS_MIN, WHO_COLUMNS_MAX)) + "  ",
        };
        let who_columns = who.width();
        let says = match self.is_wide() {
            true => {
                format!("  {who}{}", fitted(says, width - fixed - type_columns - 2 - who_columns))
            }
            false => format!("\n {who}{}", fitted(says, width - 1 - who_columns)),
        };
        (line + &says).trim_end().to_owned()
    }

    /// The id is never cut, so that it can be pasted.
    fn last_line(&self, id: &str, bar: Option<String>) -> String {
        let line =
            format!(" {id:<columns$}  {}", bar.unwrap_or_default(), columns = self.id_columns);
        line.trim_end().to_owned()
    }
}

/// What the first line of a row has in its columns.
struct Told<'t> {
    mark: &'t str,
    occurred: &'t str,
    what: &'t str,
    lag: &'t str,
    who: &'t str,
    says: &'t str,
}

/// A bar from when an event happened over when it was recorded to when it arrived. There is at
/// least one column.
fn bar(row: &Row, span: Span, columns: usize) -> String {
    let mut cells = vec![' '; columns];
    let [occurred, recorded, arrived] =
        [row.occurred, row.recorded_nanos(), row.arrived].map(|time| span.column(time, columns));
    fill(&mut cells, recorded, arrived, '-');
    fill(&mut cells, occurred, recorded, '=');
    // Where marks fall together, the one that came first stays.
    for (column, mark) in [(arrived, 'a'), (recorded, 'r'), (occurred, 'o')] {
        cells[column] = mark;
    }
    cells.into_iter().collect()
}

fn fill(cells: &mut [char], from: usize, to: usize, with: char) {
    cells[from.min(to)..=from.max(to)].fill(with);
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
