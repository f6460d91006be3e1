//! Fields of an event's JSON that are more than one value.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use super::{JsonError, JsonErrorKind, Text};
use crate::event::{MetadataBuf, VoidsBuf};
use crate::id::{EventId, RootName};

/// An object of texts, in the order in which they stand.
pub(super) struct Texts<'a>(Vec<(Text<'a>, Text<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct TextsVisitor;
        impl<'de> Visitor<'de> for TextsVisitor {
            type Value = Texts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object whose values are strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut texts: Vec<(Text<'de>, Text<'de>)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<Text<'de>, Text<'de>>()? {
                    if texts.iter().any(|(known, _)| known.0 == name.0) {
                        return Err(de::Error::custom("a name is given twice"));
                    }
                    // Those beyond the bound are told from a name that is given twice.
                    if texts.len() <= crate::limits::METADATA_ENTRIES_MAX {
                        texts.push((name, value));
                    }
                }
                Ok(Texts(texts))
            }
        }
        input.deserialize_map(TextsVisitor)
    }
}

/// The metadata that the texts are.
pub(super) fn metadata_of(texts: &Texts<'_>) -> Result<MetadataBuf, JsonError> {
    let mut metadata = MetadataBuf::default();
    for (name, value) in &texts.0 {
        metadata.set(&name.0, &value.0).map_err(|error| invalid("metadata", error.to_string()))?;
    }
    Ok(metadata)
}

/// The events that ids name, which are all of one root: it and their dots.
pub(super) fn voids_of(ids: &[Text<'_>]) -> Result<(Option<RootName>, VoidsBuf), JsonError> {
    if ids.len() > crate::limits::VOIDS_MAX {
        let detail = format!("an event takes back at most {}", crate::limits::VOIDS_MAX);
        return Err(invalid("voids", detail));
    }
    let (mut root, mut dots) = (None, Vec::with_capacity(ids.len()));
    for id in ids {
        let id: EventId = id.0.parse().map_err(|error| invalid("voids", format!("{error}")))?;
        match &root {
            Some(root) if *root != id.root => {
                let detail = "an event takes back events of its own root".to_owned();
                return Err(invalid("voids", detail));
            }
            _ => root = Some(id.root),
        }
        dots.push(id.dot);
    }
    Ok((root, dots.into_iter().collect()))
}

pub(super) fn invalid(field: &str, detail: String) -> JsonError {
    let field = Some(field.to_owned());
    JsonError { index: 0, field, kind: JsonErrorKind::Invalid, detail }
}
