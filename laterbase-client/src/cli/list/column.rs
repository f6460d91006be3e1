//! The columns of a list, by their names.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use super::decimal::Decimal;
use super::member::{Key, State};
use super::row::Row;
use crate::cli::zone::Zone;

/// What a column shows of each aggregate, in the order in which they stand without `--columns`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ListColumn {
    /// The root that it is in.
    Root,
    Id,
    /// A member of the state, by its path; the empty one is the whole state.
    Member(String),
    /// The state where it is no object, and so has no members. Nobody names this one.
    Memberless,
    /// The type of the last event, in the order of events.
    LastType,
    /// When that happened.
    LastAt,
}

/// What a dot before it makes a member's name: one of ours, or of that form, could not be told
/// apart without.
const MEMBER: char = '.';

impl ListColumn {
    /// Whether it shows something of the state.
    pub(super) const fn is_of_state(&self) -> bool {
        matches!(self, Self::Member(_) | Self::Memberless)
    }

    /// The column of a member of the state.
    pub(super) fn member(name: &str) -> Self {
        Self::Member(name.to_owned())
    }

    /// The text of a cell for a person; empty for what is not there.
    pub(super) fn text<'r>(&self, row: &'r Row, state: &State<'r>, zone: &Zone) -> Cow<'r, str> {
        match self {
            Self::LastAt => Cow::Owned(zone.minute(row.last_at)),
            other => other.value(row, state).unwrap_or_default(),
        }
    }

    /// The text of a cell for a program; nothing for what is not there.
    pub(super) fn value<'r>(&self, row: &'r Row, state: &State<'r>) -> Option<Cow<'r, str>> {
        Some(match self {
            Self::Root => Cow::Borrowed(row.root.as_str()),
            Self::Id => Cow::Borrowed(&row.id),
            Self::Member(path) => return state.find(path).map(|value| value.text()),
            Self::Memberless => {
                return state.names().is_none().then(|| state.whole().text());
            }
            Self::LastType => Cow::Borrowed(&row.last_type),
            Self::LastAt => Cow::Owned(laterbase_core::time::format_time(row.last_at)),
        })
    }

    /// What a row is sorted by; nothing for what is not there.
    pub(super) fn key(&self, row: &Row) -> Option<Key> {
        let state = State::read(&row.state);
        match self {
            Self::Member(path) => state.find(path).map(|value| value.key()),
            Self::LastAt => Decimal::parse(&row.last_at.to_string()).map(Key::Number),
            other => other.value(row, &state).map(|text| Key::Text(text.into_owned())),
        }
    }
}

impl FromStr for ListColumn {
    type Err = Infallible;

    fn from_str(name: &str) -> Result<Self, Infallible> {
        Ok(match name {
            "root" => Self::Root,
            "id" => Self::Id,
            "last_type" => Self::LastType,
            "last_at" => Self::LastAt,
            name => Self::member(name.strip_prefix(MEMBER).unwrap_or(name)),
        })
    }
}

/// The name from which the column can be read back.
impl fmt::Display for ListColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("root"),
            Self::Id => f.write_str("id"),
            Self::Memberless => f.write_str("."),
            Self::LastType => f.write_str("last_type"),
            Self::LastAt => f.write_str("last_at"),
            Self::Member(path) => {
                let is_plain = matches!(path.parse(), Ok(Self::Member(read)) if read == *path);
                if is_plain && !path.is_empty() { f.write_str(path) } else { write!(f, ".{path}") }
            }
        }
    }
}
