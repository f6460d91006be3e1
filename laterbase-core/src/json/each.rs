//! Events of one body, each read for itself.

use std::fmt;
use std::ops::ControlFlow;

use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{JsonError, JsonEvent, utf8};

/// Takes one event after another, or what is wrong with it, and says whether to go on.
pub type VisitEach<'v, 'a> = dyn FnMut(Result<JsonEvent<'a>, JsonError>) -> ControlFlow<()> + 'v;

/// Visits the events of a JSON document as [`super::visit_document`] does, but one that is not what
/// it should be does not end it.
///
/// # Errors
/// [`JsonError`] if the document is not JSON as a whole: nobody can say where the next event begins.
pub fn visit_document_each<'a>(
    text: &'a [u8],
    visit: &mut VisitEach<'_, 'a>,
) -> Result<(), JsonError> {
    let text = utf8(text)?;
    if !text.trim_start().starts_with('[') {
        let _one = visit(JsonEvent::parse_text(text));
        return Ok(());
    }
    let mut elements = Elements { visit, index: 0, is_broken_off: false };
    let mut input = serde_json::Deserializer::from_str(text);
    let parsed = (&mut elements).deserialize(&mut input).and_then(|()| input.end());
    match parsed {
        Err(error) if !elements.is_broken_off => {
            let malformed = JsonError::malformed(None, error.to_string());
            Err(JsonError { index: elements.index, ..malformed })
        }
        _ => Ok(()),
    }
}

/// Visits the events of newline-delimited JSON as [`super::visit_lines`] does, but a line that is no
/// event does not end it.
pub fn visit_lines_each<'a>(text: &'a [u8], visit: &mut VisitEach<'_, 'a>) {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    for (index, line) in lines.enumerate() {
        let event = JsonEvent::parse(line).map_err(|error| JsonError { index, ..error });
        if visit(event).is_break() {
            return;
        }
    }
}

/// The elements of an array, visited as they are read.
struct Elements<'v, 'w, 'a> {
    visit: &'v mut VisitEach<'w, 'a>,
    index: usize,
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
        while let Some(element) = elements.next_element::<&'de RawValue>()? {
            let index = self.index;
            let event = JsonEvent::parse_text(element.get());
            if (self.visit)(event.map_err(|error| JsonError { index, ..error })).is_break() {
                self.is_broken_off = true;
                return Err(de::Error::custom("stopped"));
            }
            self.index += 1;
        }
        Ok(())
    }
}
