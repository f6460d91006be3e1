//! How an input's events and their parts are called in messages.

use laterbase_core::printable::Printable;

use super::gather::BadEvent;

/// The words of one input.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Wording {
    /// What the input is called.
    pub(super) name: String,
    /// What the numbers of events count: lines, rows.
    pub(super) unit: &'static str,
    /// What a part of an event is called: a field, a column.
    pub(super) part: &'static str,
    /// Fields of events and the columns that they come from.
    pub(super) columns: Vec<(&'static str, String)>,
    /// The names of a table's columns.
    pub(super) header: Option<Vec<String>>,
}

impl Wording {
    /// Where an event is that is at fault.
    pub(super) fn place(&self, bad: &BadEvent) -> String {
        let Self { name, unit, .. } = self;
        let part = self.part_of(bad);
        let part = part.map(|part| format!(", {} {}", self.part, Printable(part)));
        match bad.number {
            Some(number) => format!("{name}, {unit} {number}{}", part.unwrap_or_default()),
            None => name.clone(),
        }
    }

    /// The field or column that is at fault, as the input calls it.
    pub(super) fn part_of<'w>(&'w self, bad: &'w BadEvent) -> Option<&'w str> {
        let field = bad.field.as_deref()?;
        if !bad.is_core_field || self.header.is_none() {
            return Some(field);
        }
        let column = self.columns.iter().find(|(known, _)| *known == field);
        column.map(|(_, column)| column.as_str())
    }
}
