//! What the data of a root's events may be, by their types.

use std::collections::BTreeMap;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Validator, draft202012};
use laterbase_core::event::Record;
use laterbase_core::fold::Refusal;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use crate::strict::Strict;

/// Members that a file may have beside `events`.
const KNOWN: [&str; 8] =
    ["$schema", "$id", "$comment", "$defs", "title", "description", "events", "additionalEvents"];

/// The draft that a file is of, if it says.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The type of events that take others back, as the command `laterbase void` records them.
const VOIDED: &str = "Voided";

/// Where an event's schema stands in what the library is given.
const WITHIN: &str = "/allOf/0";

/// Faults of one event that a refusal lists.
const FAULTS_MAX: usize = 3;

/// Most characters of a fault: it may repeat the data.
const FAULT_CHARS_MAX: usize = 300;

/// Schemas of data by event type.
#[derive(Debug)]
pub struct EventSchemas {
    /// `None` takes any JSON.
    events: BTreeMap<String, Option<Validator>>,
    takes_others: bool,
    version: u32,
    text: String,
}

/// Why a text is no file of schemas.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// It is not JSON, or has a member twice.
    #[error("it cannot be read")]
    Json(#[source] serde_json::Error),
    /// It has a member that means nothing here, or one of the wrong kind.
    #[error("{0}")]
    Form(String),
    /// The schema of an event type is no schema, or refers to something that is not in the file.
    #[error("the schema of the event type {event_type:?}: {detail}")]
    Schema {
        /// The type.
        event_type: String,
        /// What is wrong, with the place in the schema.
        detail: String,
    },
}

impl EventSchemas {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`SchemaError`].
    pub fn parse(text: &[u8]) -> Result<Self, SchemaError> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let Strict(document) = serde_json::from_slice(text).map_err(SchemaError::Json)?;
        let Value::Object(document) = document else {
            return Err(form("it is an object with the member \"events\""));
        };
        if let Some(name) = document.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(form(format!("it has no member {name:?}, but {}", KNOWN.join(", "))));
        }
        if document.get("$schema").is_some_and(|draft| draft != DRAFT) {
            return Err(form(format!("its \"$schema\" is {DRAFT}, or nothing")));
        }
        let takes_others = match document.get("additionalEvents") {
            None => true,
            Some(Value::Bool(takes)) => *takes,
            Some(_) => return Err(form("\"additionalEvents\" is true or false")),
        };
        let Some(Value::Object(events)) = document.get("events") else {
            return Err(form(
                "\"events\" is an object: of each event type, the schema of its data",
            ));
        };
        let validator = |(name, schema): (&String, &Value)| {
            if matches!(schema, Value::Bool(true)) {
                return Ok((name.clone(), None));
            }
            let validator = validator(&document, schema)
                .map_err(|detail| SchemaError::Schema { event_type: name.clone(), detail })?;
            Ok((name.clone(), Some(validator)))
        };
        let events = events.iter().map(validator).collect::<Result<_, _>>()?;
        let version = version(&document);
        let text = Value::Object(document).to_string();
        Ok(Self { events, takes_others, version, text })
    }

    /// Says whether an event's data is as the schema of its type wants it.
    ///
    /// # Errors
    /// [`Refusal`] with the first few faults and where in the data they are.
    pub fn check(&self, record: &Record<'_>) -> Result<(), Refusal> {
        let event_type = record.event_type;
        let Some(validator) = self.events.get(event_type) else {
            let is_void = event_type == VOIDED && !record.voids.is_empty();
            if self.takes_others || is_void {
                return Ok(());
            }
            let known: Vec<&str> = self.events.keys().map(String::as_str).collect();
            let known = known.join(", ");
            return Err(Refusal(format!("the root has no events of this type, but {known}")));
        };
        if !record.is_json {
            return Err("the schema of its type wants JSON".into());
        }
        let Some(validator) = validator else { return Ok(()) };
        let data = read(record.data)
            .map_err(|error| Refusal(format!("no schema can judge its data: {error}")))?;
        let mut faults = validator.iter_errors(&data).map(|fault| {
            let place = fault.instance_path().to_string();
            let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
            let told: String = fault.to_string().chars().take(FAULT_CHARS_MAX).collect();
            format!("data{place}{}{told}", if place.is_empty() { ": " } else { "" })
        });
        let told: Vec<String> = faults.by_ref().take(FAULTS_MAX).collect();
        if told.is_empty() {
            return Ok(());
        }
        let more = if faults.next().is_some() { ", and more" } else { "" };
        Err(Refusal(told.join("; ") + more))
    }

    /// The file, without what plays no part.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// A number that is another one for schemas that mean something else.
    pub(crate) const fn version(&self) -> u32 {
        self.version
    }
}

/// Reads data that is no deeper than events may be, which is deeper than the library reads unasked.
fn read(data: &[u8]) -> Result<Value, serde_json::Error> {
    let mut input = serde_json::Deserializer::from_slice(data);
    input.disable_recursion_limit();
    let value = Value::deserialize(&mut input)?;
    input.end()?;
    Ok(value)
}

fn form(detail: impl Into<String>) -> SchemaError {
    SchemaError::Form(detail.into())
}

/// The schema of one event type within its file, so that references into the file lead somewhere.
fn validator(document: &Map<String, Value>, schema: &Value) -> Result<Validator, String> {
    let told = |error: &jsonschema::ValidationError<'_>| {
        let place = error.instance_path().to_string();
        let place = place.strip_prefix(WITHIN).unwrap_or(&place);
        let colon = if place.is_empty() { "" } else { ": " };
        format!("{place}{colon}{error}")
    };
    draft202012::meta::validate(schema).map_err(|error| told(&error))?;
    let mut whole = document.clone();
    whole.insert("$schema".to_owned(), json!(DRAFT));
    whole.insert("allOf".to_owned(), json!([schema]));
    draft202012::new(&Value::Object(whole)).map_err(|error| match error.kind() {
        ValidationErrorKind::Referencing(_) => {
            "it refers to something that is not in the file".to_owned()
        }
        _ => told(&error),
    })
}

/// Of the members in the order of their names, so that spaces and order play no part.
fn version(document: &Map<String, Value>) -> u32 {
    let hash = blake3::hash(Value::Object(document.clone()).to_string().as_bytes());
    let [a, b, c, d, ..] = *hash.as_bytes();
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests;
