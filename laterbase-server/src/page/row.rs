//! An aggregate as a row: the members of its state, each as a short text.

use laterbase_core::limits::NAME_BYTES_MAX;
use laterbase_core::reader::{AggregateState, FoldFailure};

use super::json::{self, Shape};
use crate::problem::Problem;

/// Members of a state that are looked at.
const MEMBERS_MAX: usize = 200;

/// Bytes of a member that are kept: more than a cell shows.
const CELL_BYTES_MAX: usize = 1_024;

/// Columns that are shown where none were chosen.
const COLUMNS_DEFAULT: usize = 8;

/// Columns that can be chosen.
const COLUMNS_MAX: usize = 200;

/// What a state that is no object is called.
pub(super) const WHOLE: &str = "state";

/// An aggregate.
pub(super) struct Row {
    pub id: String,
    /// Names and texts, in the order in which they stand.
    pub cells: Vec<(String, String)>,
    pub refused_count: u64,
    /// Why there is no state.
    pub problem: Option<String>,
    /// When the last event that changed it arrived, where that is asked for.
    pub changed: Option<i64>,
}

impl Row {
    pub(super) fn of(id: &str, folded: &Result<AggregateState, FoldFailure>) -> Self {
        let mut row = Self {
            id: id.to_owned(),
            cells: Vec::new(),
            refused_count: 0,
            problem: None,
            changed: None,
        };
        match folded {
            Ok(aggregate) => {
                row.refused_count = aggregate.refused_count;
                row.cells = cells(&aggregate.state);
            }
            Err(failure) => {
                let problem = Problem::from(failure);
                let (title, detail) = problem.told();
                row.problem = Some(detail.unwrap_or(title).to_owned());
            }
        }
        row
    }

    pub(super) fn cell(&self, name: &str) -> Option<&str> {
        // Of a name that stands twice, readers go by the last one.
        self.cells.iter().rev().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }
}

fn cells(state: &[u8]) -> Vec<(String, String)> {
    let Some(value) = json::parse(state) else { return Vec::new() };
    let cut = |text: String| {
        let end = text.floor_char_boundary(CELL_BYTES_MAX);
        if end < text.len() { format!("{}…", &text[..end]) } else { text }
    };
    match Shape::of(value) {
        Some(Shape::Object(members)) => members
            .into_iter()
            .filter(|(name, _)| name.len() <= NAME_BYTES_MAX)
            .take(MEMBERS_MAX)
            .map(|(name, value)| (name, cut(json::line(value))))
            .collect(),
        _ => vec![(WHOLE.to_owned(), cut(json::line(value)))],
    }
}

/// The columns of a page.
pub(super) struct Columns {
    /// Those that were chosen, and those that the rows have.
    pub known: Vec<String>,
    pub shown: Vec<String>,
}

impl Columns {
    pub(super) fn of(chosen: &[String], rows: &[Row]) -> Self {
        let mut known: Vec<String> = Vec::new();
        let in_rows = rows.iter().flat_map(|row| row.cells.iter().map(|(name, _)| name));
        for name in chosen.iter().chain(in_rows) {
            if known.len() < COLUMNS_MAX && !known.contains(name) {
                known.push(name.clone());
            }
        }
        let shown_count = if chosen.is_empty() { COLUMNS_DEFAULT } else { chosen.len() };
        let shown = known.iter().take(shown_count).cloned().collect();
        Self { known, shown }
    }
}
