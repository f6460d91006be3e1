//! The JSON form of events: the one place that knows it.
//!
//! An event comes in as `{"aggregate_id", "type", "version"?, "occurred_at"?, "data" or
//! "data_base64", "metadata"?, "voids"?, "idempotency_key"?, "root"?}` and nothing else, and goes out
//! with `"id"`, `"occurred_offset"`, `"recorded_at"`, `"hlc"` and `"voided_by"` beside that. `null` is
//! data where it stands for data, and an absent field where it stands for another one that may be
//! absent. A byte order mark before it is passed over.
//!
//! Data is never interpreted: its JSON text is borrowed, stored and given back as it came.

use std::borrow::Cow;
use std::fmt;
use std::ops::ControlFlow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, SeqAccess, Unexpected, Visitor};
use serde_json::value::RawValue;

use crate::event::{MetadataBuf, Record, VoidsBuf};
use crate::id::RootName;
use crate::time::parse_time_with_offset;
use fields::{Texts, invalid, metadata_of, voids_of};

pub use cloud_event::write_cloud_event;
pub use each::{VisitEach, visit_document_each, visit_lines_each};
pub use output::{write_event, write_event_verbatim};
pub use text::{DataError, check_data};
pub(crate) use text::{Nest, Sink, walk};

mod cloud_event;
mod diagnosis;
mod each;
mod fields;
mod output;
mod text;

/// An event as a writer sent it, borrowed from its text where that is possible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonEvent<'a> {
    root: Option<Cow<'a, str>>,
    aggregate_id: Cow<'a, str>,
    event_type: Cow<'a, str>,
    version: u32,
    occurred: Option<i64>,
    occurred_offset: Option<i16>,
    idempotency_key: Option<Cow<'a, str>>,
    metadata: MetadataBuf,
    voids: VoidsBuf,
    /// The root that the voids' ids name.
    voids_root: Option<RootName>,
    data: Data<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Data<'a> {
    Json(&'a str),
    Bytes(Vec<u8>),
}

impl<'a> JsonEvent<'a> {
    /// Reads one event object.
    ///
    /// # Errors
    /// [`JsonError`] naming the field at fault, where it is one field's.
    pub fn parse(text: &'a [u8]) -> Result<Self, JsonError> {
        Self::parse_text(utf8(text)?)
    }

    fn parse_text(text: &'a str) -> Result<Self, JsonError> {
        match serde_json::from_str::<Fields<'a>>(text) {
            Ok(fields) => fields.check(),
            Err(error) => Err(diagnosis::of_event(text, &error)),
        }
    }

    /// What the event says, for a replica to take into a root that it is for: see
    /// [`Self::check_root`].
    pub fn record(&self) -> Record<'_> {
        let (is_json, data) = match &self.data {
            Data::Json(text) => (true, text.as_bytes()),
            Data::Bytes(bytes) => (false, bytes.as_slice()),
        };
        Record {
            event_type: &self.event_type,
            version: self.version,
            aggregate_id: &self.aggregate_id,
            occurred: self.occurred,
            is_occurred_defaulted: false,
            occurred_offset: self.occurred_offset,
            idempotency_key: self.idempotency_key.as_deref(),
            metadata: self.metadata.as_metadata(),
            voids: self.voids.as_voids(),
            is_json,
            extension: &[],
            data,
        }
    }

    /// The root that the event says it belongs to.
    pub fn root(&self) -> Option<&str> {
        self.root.as_deref()
    }

    /// Checks that the event is for this root: that it names no other, and takes back none of
    /// another's events.
    ///
    /// # Errors
    /// [`JsonError`] of the field that does.
    pub fn check_root(&self, root: &RootName) -> Result<(), JsonError> {
        if self.root().is_some_and(|named| named != root.as_str()) {
            return Err(JsonError::malformed(Some("root"), "the event is sent to another root"));
        }
        match &self.voids_root {
            Some(other) if other != root => {
                Err(invalid("voids", format!("an event of {root} takes back none of {other}")))
            }
            _ => Ok(()),
        }
    }
}

/// Takes one event after another and says whether to go on.
pub type Visit<'v, 'a> = dyn FnMut(JsonEvent<'a>) -> ControlFlow<()> + 'v;

/// Visits the events of a JSON document: one object, or an array of them.
///
/// # Errors
/// [`JsonError`] for the first event, or the document, that is not what it should be. Events
/// before it have been visited.
pub fn visit_document<'a>(text: &'a [u8], visit: &mut Visit<'_, 'a>) -> Result<(), JsonError> {
    let text = utf8(text)?;
    if !text.trim_start().starts_with('[') {
        let _one = visit(JsonEvent::parse_text(text)?);
        return Ok(());
    }
    let mut elements = Elements { visit, index: 0, refused: None, is_broken_off: false };
    let mut input = serde_json::Deserializer::from_str(text);
    let parsed = (&mut elements).deserialize(&mut input).and_then(|()| input.end());
    match (parsed, elements.refused) {
        (_, Some(error)) => Err(JsonError { index: elements.index, ..error }),
        (Err(error), None) if !elements.is_broken_off => {
            Err(diagnosis::of_array(text, elements.index, &error))
        }
        _ => Ok(()),
    }
}

/// Visits the events of newline-delimited JSON: one object a line. Blank lines are skipped.
///
/// # Errors
/// As for [`visit_document`].
pub fn visit_lines<'a>(text: &'a [u8], visit: &mut Visit<'_, 'a>) -> Result<(), JsonError> {
    let lines = utf8(text)?.split('\n').map(without_mark);
    let lines = lines.filter(|line| !line.trim_ascii().is_empty());
    for (index, line) in lines.enumerate() {
        let event = JsonEvent::parse_text(line).map_err(|error| JsonError { index, ..error })?;
        if visit(event).is_break() {
            break;
        }
    }
    Ok(())
}

/// The text without the byte order mark that it may begin with (RFC 8259, section 8.1).
fn utf8(text: &[u8]) -> Result<&str, JsonError> {
    let found = std::str::from_utf8(text).map(without_mark);
    found.map_err(|error| {
        let utf16 = matches!(text, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
        let what = if utf16 { " but UTF-16, by its byte order mark" } else { "" };
        JsonError::malformed(None, format!("not UTF-8{what}: {error}"))
    })
}

/// Each file of several that were put one behind the other may begin with a mark.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The fields as they stand in the text.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an event object")]
struct Fields<'a> {
    #[serde(borrow, default)]
    root: Option<Text<'a>>,
    #[serde(borrow)]
    aggregate_id: Text<'a>,
    #[serde(borrow, rename = "type")]
    event_type: Text<'a>,
    #[serde(default)]
    version: Option<Whole>,
    #[serde(borrow, default)]
    occurred_at: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data_base64: Option<Text<'a>>,
    #[serde(borrow, default)]
    idempotency_key: Option<Text<'a>>,
    #[serde(borrow, default)]
    metadata: Option<Texts<'a>>,
    #[serde(borrow, default)]
    voids: Option<Vec<Text<'a>>>,
}

impl<'a> Fields<'a> {
    fn check(self) -> Result<JsonEvent<'a>, JsonError> {
        let data = match (self.data, self.data_base64) {
            (Some(json), None) => Data::Json(json.get()),
            (None, Some(text)) => Data::Bytes(decode_base64(&text.0)?),
            // Writers that give every field say so that it is the other one.
            (Some(json), Some(text)) if json.get() == "null" => {
                Data::Bytes(decode_base64(&text.0)?)
            }
            (Some(_), Some(_)) => {
                return Err(JsonError::malformed(
                    Some("data_base64"),
                    "an event has data or data_base64, not both",
                ));
            }
            (None, None) => {
                return Err(JsonError::malformed(Some("data"), "data or data_base64 is missing"));
            }
        };
        let occurred = self.occurred_at.map(|text| parse_time_with_offset(&text.0)).transpose();
        let occurred = occurred.map_err(|error| invalid("occurred_at", error.to_string()))?;
        let metadata = self.metadata.as_ref().map(metadata_of).transpose()?.unwrap_or_default();
        let (voids_root, voids) = match &self.voids {
            Some(ids) => voids_of(ids)?,
            None => (None, VoidsBuf::default()),
        };
        Ok(JsonEvent {
            root: self.root.map(|text| text.0),
            aggregate_id: self.aggregate_id.0,
            event_type: self.event_type.0,
            version: self.version.map_or(1, |Whole(version)| version),
            occurred: occurred.map(|(occurred, _)| occurred),
            occurred_offset: occurred.and_then(|(_, offset)| offset),
            idempotency_key: self.idempotency_key.map(|text| text.0),
            metadata,
            voids,
            voids_root,
            data,
        })
    }
}

fn decode_base64(text: &str) -> Result<Vec<u8>, JsonError> {
    STANDARD.decode(text).map_err(|error| {
        JsonError::malformed(Some("data_base64"), format!("not base64 with padding: {error}"))
    })
}

/// Reads data that is there. `null` is a value like any other.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    input: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(input).map(Some)
}

/// A whole number, however it is written: `1`, `1.0` and `1e0` are one.
struct Whole(u32);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct WholeVisitor;
        impl Visitor<'_> for WholeVisitor {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 0 to 4294967295")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Whole, E> {
                let whole = u32::try_from(number).map(Whole);
                whole.map_err(|_too_large| E::invalid_value(Unexpected::Unsigned(number), &self))
            }

            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Whole, E> {
                let whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
                let error = || E::invalid_value(Unexpected::Float(number), &self);
                if whole { Ok(Whole(number as u32)) } else { Err(error()) }
            }
        }
        input.deserialize_u32(WholeVisitor)
    }
}

/// A string, borrowed unless it holds escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_str(TextVisitor).map(Text)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// The elements of an array, visited as they are read.
struct Elements<'v, 'w, 'a> {
    visit: &'v mut Visit<'w, 'a>,
    index: usize,
    refused: Option<JsonError>,
    is_broken_off: bool,
}

impl<'de> DeserializeSeed<'de> for &mut Elements<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for &mut Elements<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of event objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(fields) = elements.next_element::<Fields<'de>>()? {
            match fields.check() {
                Ok(event) => self.is_broken_off = (self.visit)(event).is_break(),
                Err(error) => self.refused = Some(error),
            }
            if self.is_broken_off || self.refused.is_some() {
                return Err(de::Error::custom("stopped"));
            }
            self.index += 1;
        }
        Ok(())
    }
}

/// Text that is no event. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{detail}", .field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default())]
pub struct JsonError {
    /// Which event of an array or of several lines, from 0.
    pub index: usize,
    /// The field at fault, where it is one field's.
    pub field: Option<String>,
    /// What kind of fault.
    pub kind: JsonErrorKind,
    /// What is wrong, for whoever wrote it.
    pub detail: String,
}

/// What is wrong with a [`JsonEvent`]'s text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// Not JSON, or not of the form: a field is missing, unknown or of the wrong type.
    Malformed,
    /// Of the form, but a value means nothing: a time that there is not.
    Invalid,
}

impl JsonError {
    fn malformed(field: Option<&str>, detail: impl Into<String>) -> Self {
        let field = field.map(str::to_owned);
        Self { index: 0, field, kind: JsonErrorKind::Malformed, detail: detail.into() }
    }
}

#[cfg(test)]
mod tests;
