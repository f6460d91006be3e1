//! Events on their way out.

use std::io::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::check_data;
use crate::event::{Event, Metadata};
use crate::id::{Dot, RootName};
use crate::time::{write_time, write_time_nanoseconds};

/// Appends an event as one JSON object on one line, without a line break behind it.
///
/// Data that came in as JSON is the same text, except that line breaks in it are now spaces. In
/// JSON they can only stand between tokens, where both mean nothing; a stream of one event a line
/// could not be told apart with them. [`write_event_verbatim`] leaves them as they are.
pub fn write_event(out: &mut Vec<u8>, root: &RootName, event: &Event<'_>) {
    let data_start = write(out, root, event);
    for byte in &mut out[data_start..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

/// Appends an event as one JSON object, its data byte for byte as it came in. Where that is
/// spread over several lines, so is the object.
pub fn write_event_verbatim(out: &mut Vec<u8>, root: &RootName, event: &Event<'_>) {
    write(out, root, event);
}

/// Writes the object and gives the offset at which the data begins.
fn write(out: &mut Vec<u8>, root: &RootName, event: &Event<'_>) -> usize {
    let record = &event.record;
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(root.as_str().as_bytes());
    out.push(b':');
    write_display(out, &event.dot);
    out.extend_from_slice(b"\",\"root\":\"");
    out.extend_from_slice(root.as_str().as_bytes());
    out.extend_from_slice(b"\",\"aggregate_id\":");
    write_text(out, record.aggregate_id);
    out.extend_from_slice(b",\"type\":");
    write_text(out, record.event_type);
    out.extend_from_slice(b",\"version\":");
    write_display(out, &record.version);
    out.extend_from_slice(b",\"occurred_at\":\"");
    write_time(out, event.occurred());
    if let Some(minutes) = record.occurred_offset {
        out.extend_from_slice(b"\",\"occurred_offset\":\"");
        write_offset(out, minutes);
    }
    out.extend_from_slice(b"\",\"recorded_at\":\"");
    write_time_nanoseconds(out, event.recorded.to_unix_nanos());
    out.extend_from_slice(b"\",\"hlc\":\"");
    write_display(out, &event.recorded);
    out.push(b'"');
    if let Some(key) = record.idempotency_key {
        out.extend_from_slice(b",\"idempotency_key\":");
        write_text(out, key);
    }
    write_metadata(out, record.metadata);
    write_ids(out, "voids", root, record.voids.iter().map(|void| void.dot));
    write_ids(out, "voided_by", root, event.voided_by.iter().copied());
    let data_start = out.len();
    write_data(out, record.is_json, record.data);
    out.push(b'}');
    data_start
}

/// Hours and minutes, as RFC 3339 has them behind a time.
fn write_offset(out: &mut Vec<u8>, minutes: i16) {
    let sign = if minutes < 0 { '-' } else { '+' };
    let (hours, minutes) = (minutes.unsigned_abs() / 60, minutes.unsigned_abs() % 60);
    write_display(out, &format_args!("{sign}{hours:02}:{minutes:02}"));
}

fn write_metadata(out: &mut Vec<u8>, metadata: Metadata<'_>) {
    for (index, (name, value)) in metadata.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b",\"metadata\":{" } else { b"," });
        write_text(out, name);
        out.push(b':');
        write_text(out, value);
    }
    if !metadata.is_empty() {
        out.push(b'}');
    }
}

/// Writes a member that lists events, unless there are none.
fn write_ids(out: &mut Vec<u8>, member: &str, root: &RootName, dots: impl Iterator<Item = Dot>) {
    let mut count = 0;
    for dot in dots {
        if count == 0 {
            write_display(out, &format_args!(",\"{member}\":["));
        } else {
            out.push(b',');
        }
        count += 1;
        write_display(out, &format_args!("\"{root}:{dot}\""));
    }
    if count > 0 {
        out.push(b']');
    }
}

/// A peer may call anything JSON, so the flag alone does not make it part of our text: whoever
/// cannot read one event could not read what follows it either. Says whether it did.
pub(super) fn write_data(out: &mut Vec<u8>, is_json: bool, data: &[u8]) -> bool {
    let is_text = is_json && check_data(data).is_ok();
    if is_text {
        out.extend_from_slice(b",\"data\":");
        out.extend_from_slice(data);
    } else {
        out.extend_from_slice(b",\"data_base64\":\"");
        out.extend_from_slice(STANDARD.encode(data).as_bytes());
        out.push(b'"');
    }
    is_text
}

pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("writing into memory does not fail");
}

pub(super) fn write_display(out: &mut Vec<u8>, value: &dyn std::fmt::Display) {
    write!(out, "{value}").expect("writing into memory does not fail");
}
