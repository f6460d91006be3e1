//! The slow second look at an event that could not be read: which field is at fault?

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::Texts;
use super::{JsonError, Text, Whole};

const FIELDS: [&str; 10] = [
    "root",
    "aggregate_id",
    "type",
    "version",
    "occurred_at",
    "data",
    "data_base64",
    "idempotency_key",
    "metadata",
    "voids",
];
const REQUIRED: [&str; 2] = ["aggregate_id", "type"];

/// Says what is wrong with one object that failed with `error`.
pub(super) fn of_event(text: &str, error: &serde_json::Error) -> JsonError {
    let members = match serde_json::from_str::<Members<'_>>(text) {
        Ok(Members(members)) => members,
        Err(error) => return JsonError::malformed(None, error.to_string()),
    };
    let mut seen: Vec<&str> = Vec::new();
    for (name, value) in &members {
        if let Some(detail) = fault(name, value.get(), &seen) {
            return JsonError::malformed(Some(name), detail);
        }
        seen.push(name);
    }
    match REQUIRED.iter().find(|field| !seen.contains(field)) {
        Some(field) => JsonError::malformed(Some(field), "missing"),
        None => JsonError::malformed(None, error.to_string()),
    }
}

/// Says what is wrong with an array whose element `index` failed with `error`.
pub(super) fn of_array(text: &str, index: usize, error: &serde_json::Error) -> JsonError {
    let found = serde_json::from_str::<Vec<&RawValue>>(text)
        .ok()
        .and_then(|elements| elements.get(index).map(|element| of_event(element.get(), error)));
    let error = found.unwrap_or_else(|| JsonError::malformed(None, error.to_string()));
    JsonError { index, ..error }
}

fn fault(name: &str, value: &str, seen: &[&str]) -> Option<&'static str> {
    if !FIELDS.contains(&name) {
        return Some("unknown field");
    }
    if seen.contains(&name) {
        return Some("given twice");
    }
    match name {
        "data" => None,
        _ if value == "null" && !REQUIRED.contains(&name) => None,
        "version" => serde_json::from_str::<Whole>(value)
            .is_err()
            .then_some("must be a whole number from 0 to 4294967295"),
        "metadata" => serde_json::from_str::<Texts<'_>>(value)
            .is_err()
            .then_some("must be an object whose values are strings, each name given once"),
        "voids" => serde_json::from_str::<Vec<Text<'_>>>(value)
            .is_err()
            .then_some("must be an array of event ids"),
        _ => serde_json::from_str::<Text<'_>>(value).is_err().then_some("must be a string"),
    }
}

/// The members of an object in the order in which they stand.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((Text(name), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
            members.push((name, value));
        }
        Ok(Members(members))
    }
}
