//! JSON as people read it: folded out, in cells, and as the fields in which two states differ.
//!
//! Numbers and strings stand as they were written: nothing here goes through a number of ours, which
//! would round some.

use std::fmt;

use maud::{Markup, html};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::text::{Cut, Text, size};

/// Longer texts are not folded out.
pub(super) const TREE_BYTES_MAX: usize = 256 * 1024;

/// Most values of a text that are shown.
const TREE_VALUES_MAX: usize = 2_000;

/// Objects and arrays down to this depth are open.
const OPEN_DEPTH: usize = 2;

/// Most characters of a string or number.
const SCALAR_CHARS_MAX: usize = 2_000;

/// A JSON value, one level deep.
pub(super) enum Shape<'j> {
    /// The members in their order, each as often as it is there.
    Object(Vec<(String, &'j RawValue)>),
    Array(Vec<&'j RawValue>),
    /// A string, as it reads.
    String(String),
    /// A number, `true`, `false` or `null`.
    Plain,
}

/// Looks at a text; `None` if it is no JSON that can be read.
pub(super) fn parse(text: &[u8]) -> Option<&RawValue> {
    serde_json::from_slice(text).ok()
}

impl<'j> Shape<'j> {
    pub(super) fn of(value: &'j RawValue) -> Option<Self> {
        let text = value.get();
        match text.as_bytes().first()? {
            b'{' => serde_json::from_str(text).ok().map(|Members(members)| Self::Object(members)),
            b'[' => serde_json::from_str(text).ok().map(Self::Array),
            b'"' => serde_json::from_str(text).ok().map(Self::String),
            _ => Some(Self::Plain),
        }
    }
}

struct Members<'j>(Vec<(String, &'j RawValue)>);

impl<'j> Deserialize<'j> for Members<'j> {
    fn deserialize<D: Deserializer<'j>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collecting;

        impl<'j> Visitor<'j> for Collecting {
            type Value = Members<'j>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'j>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collecting)
    }
}

/// Whether a text is JSON at all.
fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// A text folded out. What is too long, or cannot be read, is shown as it is, cut.
pub(super) fn tree(text: &[u8]) -> Markup {
    let whole = parse(text).filter(|_| text.len() <= TREE_BYTES_MAX);
    let mut left = TREE_VALUES_MAX;
    let shown = whole.map(|value| html! { div.tree { (node(value, 0, &mut left)) } });
    shown.unwrap_or_else(|| {
        let plain = String::from_utf8_lossy(&text[..text.len().min(TREE_BYTES_MAX / 16)]);
        html! {
            @if text.len() > TREE_BYTES_MAX {
                p.quiet { "It has " (size(text.len() as u64)) "; this is how it begins." }
            } @else if !is_json(text) {
                p.quiet { "This is no JSON that can be read." }
            }
            pre tabindex="0" { (Text(&plain)) }
        }
    })
}

fn node(value: &RawValue, depth: usize, left: &mut usize) -> Markup {
    if *left == 0 {
        return html! { span.quiet { "…" } };
    }
    *left -= 1;
    match Shape::of(value) {
        Some(Shape::Object(members)) if !members.is_empty() => {
            let shown: Vec<Markup> = members
                .iter()
                .take(*left)
                .map(|(name, value)| {
                    html! { li { span.name { (Cut(name, SCALAR_CHARS_MAX)) } ": " (node(value, depth + 1, left)) } }
                })
                .collect();
            nest(depth, &format!("{{{}}}", members.len()), members.len(), &shown)
        }
        Some(Shape::Array(elements)) if !elements.is_empty() => {
            let shown: Vec<Markup> = elements
                .iter()
                .take(*left)
                .map(|value| html! { li { (node(value, depth + 1, left)) } })
                .collect();
            nest(depth, &format!("[{}]", elements.len()), elements.len(), &shown)
        }
        Some(Shape::String(text)) => {
            html! { span.string { (Cut(&text, SCALAR_CHARS_MAX)) } }
        }
        _ => html! { span.plain { (Cut(value.get(), SCALAR_CHARS_MAX)) } },
    }
}

fn nest(depth: usize, summary: &str, count: usize, shown: &[Markup]) -> Markup {
    html! {
        details open[depth < OPEN_DEPTH] {
            summary { (summary) }
            ul {
                @for item in shown { (item) }
                @if shown.len() < count { li.quiet { "and " (count - shown.len()) " more" } }
            }
        }
    }
}

/// A value on one line: a string as it reads, all else as it was written.
pub(super) fn line(value: &RawValue) -> String {
    match Shape::of(value) {
        Some(Shape::String(text)) => text,
        _ => value.get().to_owned(),
    }
}

/// A text on one line, cut to about so many bytes.
pub(super) fn excerpt(text: &[u8], bytes_max: usize) -> String {
    let cut = &text[..text.len().min(bytes_max)];
    let mut line: String =
        String::from_utf8_lossy(cut).split_whitespace().collect::<Vec<_>>().join(" ");
    if text.len() > bytes_max {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests;
