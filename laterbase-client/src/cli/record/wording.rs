//! How an input's events and their parts are called in messages.

use laterbase_core::printable::Printable;

use super::gather::BadEvent;
use crate::cli::rows::Separator;
use crate::cli::rows::mapping::shorten;

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
    /// How a table is written.
    pub(super) layout: Option<Layout>,
}

/// How a table is written.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// The names of its columns, without those that are marks.
    pub(super) names: Vec<String>,
    /// `None` where the cells are no text.
    pub(super) separator: Option<Separator>,
    /// Whether its cells have kinds beside their texts.
    pub(super) has_kinds: bool,
}

impl Wording {
    /// Where an event is that is at fault.
    pub(super) fn place(&self, bad: &BadEvent) -> String {
        let Self { name, unit, .. } = self;
        let part = self.part_of(bad);
        let part = part.map(|part| format!(", {} {}", self.part, Printable(shorten(part))));
        match bad.number {
            Some(number) => format!("{name}, {unit} {number}{}", part.unwrap_or_default()),
            None => name.clone(),
        }
    }

    /// What is to be typed, where a person does.
    pub(super) const fn terminal_hint(&self) -> &'static str {
        match self.layout {
            Some(_) => "a row a line, the names of the columns first",
            None => "one JSON object a line",
        }
    }

    /// The field or column that is at fault, as the input calls it.
    pub(super) fn part_of<'w>(&'w self, bad: &'w BadEvent) -> Option<&'w str> {
        let field = bad.field.as_deref()?;
        if !bad.is_core_field || self.layout.is_none() {
            return Some(field);
        }
        let column = self.columns.iter().find(|(known, _)| *known == field);
        column.map(|(_, column)| column.as_str())
    }
}
