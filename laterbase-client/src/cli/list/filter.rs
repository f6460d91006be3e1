//! `--where`: which aggregates a list is of.

use std::str::FromStr;

use super::decimal::Decimal;
use super::member::{State, Value};

/// A condition on a member of a state.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    path: String,
    wanted: String,
    /// What `wanted` is worth, if it can be read as a number.
    number: Option<Decimal>,
    is_negated: bool,
}

impl Condition {
    pub(super) fn admits(&self, state: &State<'_>) -> bool {
        state.find(&self.path).is_some_and(|value| self.fits(value)) != self.is_negated
    }

    fn fits(&self, value: Value<'_>) -> bool {
        match (value.number(), &self.number) {
            (Some(number), Some(wanted)) => number == *wanted,
            _ => value.is_scalar() && value.text() == self.wanted,
        }
    }
}

/// Not of the form.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a condition is NAME=VALUE or NAME!=VALUE")]
pub(super) struct ConditionError;

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        let (name, wanted) = text.split_once('=').ok_or(ConditionError)?;
        let (name, is_negated) = match name.strip_suffix('!') {
            Some(name) => (name, true),
            None => (name, false),
        };
        if name.is_empty() {
            return Err(ConditionError);
        }
        // A dot before it, as columns may have one; alone it is the whole state.
        let path = name.strip_prefix('.').unwrap_or(name).to_owned();
        let number = Decimal::parse(wanted);
        Ok(Self { path, wanted: wanted.to_owned(), number, is_negated })
    }
}
