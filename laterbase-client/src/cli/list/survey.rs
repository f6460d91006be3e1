//! What must be known of all rows before the first one is printed: which columns there are.

use std::collections::BTreeMap;

use super::column::ListColumn;
use super::member::State;
use super::row::Row;
use super::{ListArgs, Listed, Rows};

/// Most members that become columns without being named.
pub(super) const MEMBERS_MAX: usize = 1_000;

/// The columns of a list.
pub(super) struct Survey {
    pub(super) columns: Vec<Surveyed>,
    /// Whether there are members beyond [`MEMBERS_MAX`].
    pub(super) is_cut: bool,
    pub(super) listed: Listed,
}

/// A column, and what is in it.
pub(super) struct Surveyed {
    pub(super) column: ListColumn,
    /// The greatest width that was measured of its cells.
    pub(super) width: usize,
    /// How many rows have it.
    pub(super) row_count: usize,
}

impl Survey {
    /// The columns that were named, or all that the rows have. `measure` gives a cell's width.
    pub(super) fn new(
        rows: &Rows<'_>,
        args: &ListArgs,
        measure: &dyn Fn(&ListColumn, &Row, &State<'_>) -> usize,
    ) -> anyhow::Result<Self> {
        let named = Self::named(rows, args);
        let mut found = Found::default();
        let listed = rows.walk(false, &mut |row| {
            let state = State::read(&row.state);
            let columns = match &named {
                Some(named) => named.clone(),
                None => columns_of(rows, &state),
            };
            for column in columns {
                let width = measure(&column, row, &state);
                found.add(column, width, named.is_some());
            }
            Ok(())
        })?;
        let Found { mut columns, is_cut, .. } = found;
        let columns = match named {
            // Without a row there is nothing in them.
            Some(named) => named
                .into_iter()
                .map(|column| columns.remove(&column).unwrap_or(Surveyed::new(column)))
                .collect(),
            None => columns.into_values().collect(),
        };
        Ok(Self { columns, is_cut, listed })
    }

    /// The columns if they were named. What a row is of stands before them unless it is among them.
    pub(super) fn named(rows: &Rows<'_>, args: &ListArgs) -> Option<Vec<ListColumn>> {
        if args.columns.is_empty() {
            return None;
        }
        let mut named = subjects(rows);
        named.retain(|subject| !args.columns.contains(subject));
        named.extend(args.columns.iter().cloned());
        Some(named)
    }
}

impl Surveyed {
    const fn new(column: ListColumn) -> Self {
        Self { column, width: 0, row_count: 0 }
    }
}

/// What was found so far, in the order in which it is shown.
#[derive(Default)]
struct Found {
    columns: BTreeMap<ListColumn, Surveyed>,
    member_count: usize,
    is_cut: bool,
}

impl Found {
    fn add(&mut self, column: ListColumn, width: usize, is_named: bool) {
        if !self.columns.contains_key(&column) {
            if column.is_of_state() && !is_named {
                if self.member_count == MEMBERS_MAX {
                    self.is_cut = true;
                    return;
                }
                self.member_count += 1;
            }
            self.columns.insert(column.clone(), Surveyed::new(column.clone()));
        }
        if let Some(known) = self.columns.get_mut(&column) {
            known.width = width.max(known.width);
            known.row_count += 1;
        }
    }
}

/// The columns that say what a row is of.
fn subjects(rows: &Rows<'_>) -> Vec<ListColumn> {
    match rows.are_of_one_root() {
        true => vec![ListColumn::Id],
        false => vec![ListColumn::Root, ListColumn::Id],
    }
}

/// All columns that a row has something in.
fn columns_of(rows: &Rows<'_>, state: &State<'_>) -> Vec<ListColumn> {
    let mut columns = subjects(rows);
    match state.names() {
        Some(names) => columns.extend(names.map(ListColumn::member)),
        None => columns.push(ListColumn::Memberless),
    }
    columns.extend([ListColumn::LastType, ListColumn::LastAt]);
    columns
}
