//! Event objects with the fields that a file of rejected events adds to them.
//!
//! They are added to the text and taken out of it as it stands, so that an object which is broken,
//! holds a field twice or has a number that no parser keeps comes back as it was, and is rejected
//! again until somebody has put it right.

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::cli::rows::marks;

/// What is added. The names are those of [`marks`].
#[derive(Serialize)]
struct Marks<'m> {
    rejected_row: Option<u64>,
    rejected_because: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected_text: Option<String>,
}

/// A rejected event as one line, with its number and the reason. What is no object is kept as a text
/// in one.
pub(super) fn marked(text: &[u8], row: Option<u64>, reason: &str) -> Vec<u8> {
    let unmarked = unmarked(text);
    let text = unmarked.as_deref().unwrap_or(text).trim_ascii();
    let mut marks = Marks { rejected_row: row, rejected_because: reason, rejected_text: None };
    let Some(object) = on_one_line(text).filter(|text| text.starts_with(b"{")) else {
        marks.rejected_text = Some(visible(text));
        return to_json(&marks);
    };
    let mut line = to_json(&marks);
    line.pop();
    let members = object[1..].trim_ascii_start();
    if !members.starts_with(b"}") {
        line.push(b',');
    }
    line.extend_from_slice(members);
    line
}

/// The text without what was added to it; `None` if nothing was.
pub(super) fn unmarked(text: &[u8]) -> Option<Vec<u8>> {
    let mut rest = text.trim_ascii_start().strip_prefix(b"{")?;
    let (mut kept, mut inner, mut is_marked) = (Vec::new(), None, false);
    let mut is_behind_comma = false;
    while let Some(member) = Member::at_start_of(rest) {
        if marks::is_mark(&member.name) {
            is_marked = true;
            if member.name == marks::TEXT {
                inner = serde_json::from_slice::<String>(member.value).ok();
            }
        } else {
            kept.push(member.whole);
        }
        (rest, is_behind_comma) = (member.rest, member.has_comma);
        if !is_behind_comma {
            break;
        }
    }
    match inner {
        _ if !is_marked => None,
        Some(inner) if kept.is_empty() => Some(inner.into_bytes()),
        _ => {
            let comma: &[u8] = if is_behind_comma && !kept.is_empty() { b"," } else { b"" };
            let kept = kept.join(&b',');
            Some([b"{", &kept[..], comma, rest].concat())
        }
    }
}

/// A member of an object.
struct Member<'t> {
    name: String,
    value: &'t [u8],
    /// Name and value.
    whole: &'t [u8],
    has_comma: bool,
    /// What follows, without the comma.
    rest: &'t [u8],
}

impl<'t> Member<'t> {
    /// `None` if there is none, or none that can be read.
    fn at_start_of(text: &'t [u8]) -> Option<Self> {
        let (name, behind) = take::<String>(text)?;
        let value = behind.trim_ascii_start().strip_prefix(b":")?;
        let (_, behind) = take::<IgnoredAny>(value)?;
        let (value, whole) = (value.strip_suffix(behind)?, text.strip_suffix(behind)?);
        let comma = behind.trim_ascii_start().strip_prefix(b",");
        let (has_comma, rest) = (comma.is_some(), comma.unwrap_or(behind));
        Some(Self { name, value, whole, has_comma, rest })
    }
}

/// Takes one value off the front of a text.
fn take<T: DeserializeOwned>(text: &[u8]) -> Option<(T, &[u8])> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((value, &text[values.byte_offset()..]))
}

/// The text as one line; `None` if there is more of it, and a line break may be what is wrong.
fn on_one_line(text: &[u8]) -> Option<Vec<u8>> {
    let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    if text.iter().any(is_break) && serde_json::from_slice::<IgnoredAny>(text).is_err() {
        return None;
    }
    // Between the parts of JSON they mean as little as spaces.
    Some(text.iter().map(|byte| if is_break(byte) { b' ' } else { *byte }).collect())
}

/// A text in which bytes that are none are written so that JSON refuses them.
fn visible(text: &[u8]) -> String {
    let mut out = String::new();
    for chunk in text.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

fn to_json(marks: &Marks<'_>) -> Vec<u8> {
    serde_json::to_vec(marks).expect("texts and numbers are JSON")
}

#[cfg(test)]
mod tests;
