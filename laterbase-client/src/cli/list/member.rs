//! What stands where in a state.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::decimal::Decimal;

/// A state that was read as far as its members' names.
pub(in crate::cli) struct State<'s> {
    whole: &'s str,
    /// `None` if it is no object.
    members: Option<Members<'s>>,
}

impl<'s> State<'s> {
    pub(in crate::cli) fn read(text: &'s str) -> Self {
        Self { whole: text, members: serde_json::from_str(text).ok() }
    }

    pub(in crate::cli) fn whole(&self) -> Value<'s> {
        Value(self.whole)
    }

    /// The names of the members; nothing if the state is no object.
    pub(super) fn names(&self) -> Option<impl Iterator<Item = &str>> {
        Some(self.members()?.map(|(name, _)| name))
    }

    /// The members; nothing if the state is no object.
    pub(in crate::cli) fn members(&self) -> Option<impl Iterator<Item = (&str, Value<'s>)>> {
        let members = self.members.as_ref()?.0.iter();
        Some(members.map(|(name, value)| (name.as_ref(), Value(value.get()))))
    }

    /// What a path leads to: a member, or `a.b` for a member of a member. The empty path leads to
    /// the whole state. Of members of one name, the last one counts.
    pub(super) fn find(&self, path: &str) -> Option<Value<'s>> {
        let found = if path.is_empty() { Some(self.whole) } else { find(&self.members, path) };
        found.map(|text| Value(text.trim()))
    }
}

fn find<'s>(members: &Option<Members<'s>>, path: &str) -> Option<&'s str> {
    let members = members.as_ref()?;
    if let Some(found) = members.get(path) {
        return Some(found);
    }
    path.match_indices('.').find_map(|(index, dot)| {
        let inner = members.get(&path[..index])?;
        find(&serde_json::from_str(inner).ok(), &path[index + dot.len()..])
    })
}

/// The members of an object, in the order in which they stand there.
struct Members<'s>(Vec<(Cow<'s, str>, &'s RawValue)>);

impl<'s> Members<'s> {
    fn get(&self, name: &str) -> Option<&'s str> {
        self.0.iter().rev().find(|(other, _)| other == name).map(|(_, value)| value.get())
    }
}

impl<'de: 's, 's> Deserialize<'de> for Members<'s> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members<'de>, M::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        input.deserialize_map(MembersVisitor)
    }
}

/// A name, borrowed unless it holds escapes.
#[derive(serde::Deserialize)]
struct Name<'s>(#[serde(borrow)] Cow<'s, str>);

/// A value in a state, as JSON text.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Value<'s>(&'s str);

impl<'s> Value<'s> {
    /// A state as a whole.
    pub(super) const fn of_state(text: &'s str) -> Self {
        Self(text)
    }

    /// The JSON, on one line.
    pub(super) fn json(self) -> Cow<'s, str> {
        // Line breaks stand between tokens only, where they mean as little as spaces.
        match self.0.contains(['\n', '\r']) {
            true => Cow::Owned(self.0.replace(['\n', '\r'], " ")),
            false => Cow::Borrowed(self.0),
        }
    }

    /// A string's characters, and the JSON of anything else.
    pub(in crate::cli) fn text(self) -> Cow<'s, str> {
        let string = self.0.starts_with('"').then(|| serde_json::from_str::<Name<'s>>(self.0));
        match string {
            Some(Ok(Name(text))) => text,
            _ => self.json(),
        }
    }

    /// Whether it is a single value, and no list or object.
    pub(super) fn is_scalar(self) -> bool {
        !self.0.starts_with(['{', '['])
    }

    /// What it is worth, if it is a number.
    pub(super) fn number(self) -> Option<Decimal> {
        Decimal::parse(self.0)
    }

    /// What it is sorted by.
    pub(super) fn key(self) -> Key {
        match self.number() {
            Some(number) => Key::Number(number),
            None if matches!(self.0, "null" | "true" | "false") => Key::Word(self.0.to_owned()),
            None if self.is_scalar() => Key::Text(self.text().into_owned()),
            None => Key::Nested(self.json().into_owned()),
        }
    }
}

/// What rows are sorted by: `false`, `null` and `true`, then numbers by what they are worth, then
/// strings by their bytes, then all else by its JSON.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Word(String),
    Number(Decimal),
    Text(String),
    Nested(String),
}

#[cfg(test)]
mod tests;
