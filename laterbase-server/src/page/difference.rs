//! How two states of an aggregate differ, field by field.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::value::RawValue;

use super::json::{self, Shape};
use super::text::Cut;

/// Most fields that are listed.
const FIELDS_MAX: usize = 200;

/// States beyond this size are not compared.
const STATE_BYTES_MAX: usize = 256 * 1024;

const VALUE_CHARS_MAX: usize = 300;

/// A field that differs: where it is, and what stands there in each.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub path: String,
    pub here: Option<String>,
    pub there: Option<String>,
}

/// What differs between two states, as a table.
pub(super) fn table(here: Option<&[u8]>, there: Option<&[u8]>) -> Markup {
    if [here, there].into_iter().flatten().any(|state| state.len() > STATE_BYTES_MAX) {
        return html! { p.quiet { "The states are too long to be compared here." } };
    }
    let fields = between(here, there);
    let value = |value: &Option<String>| {
        html! {
            @match value {
                Some(text) => { (Cut(text, VALUE_CHARS_MAX)) }
                None => { span.quiet { "–" } }
            }
        }
    };
    html! {
        @if fields.is_empty() {
            p.quiet { "The states are the same." }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Difference" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Field" }
                            th scope="col" { "At this point" }
                            th scope="col" { "At the other" }
                        }
                    }
                    tbody {
                        @for field in fields.iter().take(FIELDS_MAX) {
                            tr {
                                th scope="row" { (Cut(&field.path, VALUE_CHARS_MAX)) }
                                td.here { (value(&field.here)) }
                                td.there { (value(&field.there)) }
                            }
                        }
                    }
                }
            }
            @if fields.len() > FIELDS_MAX { p.quiet { "And more than these." } }
        }
    }
}

/// The fields that differ, at most one more than are listed.
fn between(here: Option<&[u8]>, there: Option<&[u8]>) -> Vec<Field> {
    let mut fields = Vec::new();
    compare("", here.and_then(json::parse), there.and_then(json::parse), &mut fields);
    fields
}

fn compare(path: &str, here: Option<&RawValue>, there: Option<&RawValue>, fields: &mut Vec<Field>) {
    if fields.len() > FIELDS_MAX || here.map(RawValue::get) == there.map(RawValue::get) {
        return;
    }
    match (here.and_then(Shape::of), there.and_then(Shape::of)) {
        (Some(Shape::Object(here)), Some(Shape::Object(there))) => {
            members(path, &here, &there, fields);
        }
        (Some(Shape::Object(here)), None) if path.is_empty() => members(path, &here, &[], fields),
        (None, Some(Shape::Object(there))) if path.is_empty() => members(path, &[], &there, fields),
        (Some(Shape::Array(here)), Some(Shape::Array(there))) => {
            for index in 0..here.len().max(there.len()) {
                let at = format!("{path}[{index}]");
                compare(&at, here.get(index).copied(), there.get(index).copied(), fields);
            }
        }
        _ => {
            let line = |value: Option<&RawValue>| value.map(json::line);
            let path = if path.is_empty() { "(all)".to_owned() } else { path.to_owned() };
            fields.push(Field { path, here: line(here), there: line(there) });
        }
    }
}

fn members(
    path: &str,
    here: &[(String, &RawValue)],
    there: &[(String, &RawValue)],
    fields: &mut Vec<Field>,
) {
    // Of a name that stands twice, readers go by the last one.
    let mut both: BTreeMap<&str, [Option<&RawValue>; 2]> = BTreeMap::new();
    for (side, members) in [here, there].into_iter().enumerate() {
        for (name, value) in members {
            both.entry(name).or_default()[side] = Some(value);
        }
    }
    for (name, [here, there]) in both {
        let dot = if path.is_empty() { "" } else { "." };
        compare(&format!("{path}{dot}{name}"), here, there, fields);
    }
}

#[cfg(test)]
mod tests;
