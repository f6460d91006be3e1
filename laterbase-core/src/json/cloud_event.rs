//! Events as CloudEvents 1.0, in the JSON format, for programs that already speak that.

use super::output::{write_data, write_display, write_text};
use crate::event::Event;
use crate::id::{Dot, RootName};
use crate::time::{write_time, write_time_nanoseconds};

/// Metadata by convention, and the attributes that it goes out as: the names that the standard's
/// extensions have for it, where there are any.
const ATTRIBUTES: [(&str, &str); 6] = [
    ("actor", "actor"),
    ("device", "device"),
    ("principal", "principal"),
    ("correlation_id", "correlationid"),
    ("causation_id", "causationid"),
    ("traceparent", "traceparent"),
];

/// Appends an event as one CloudEvents 1.0 object. Its data is the same bytes as it came in: any
/// JSON value as `data`, anything else as `data_base64`.
///
/// `source` and `id` are the same at every replica, as the standard asks of what is one event.
/// `dataversion` is text, as the standard's numbers are too short for it, and so are lists of ids,
/// with commas between them. Metadata by other names than those of the convention is left out, as
/// attributes have no such names.
pub fn write_cloud_event(out: &mut Vec<u8>, root: &RootName, event: &Event<'_>) {
    let record = &event.record;
    out.extend_from_slice(b"{\"specversion\":\"1.0\",\"id\":\"");
    write_display(out, root);
    out.push(b':');
    write_display(out, &event.dot);
    out.extend_from_slice(b"\",\"source\":\"urn:laterbase:root:");
    write_display(out, root);
    out.extend_from_slice(b"\",\"type\":");
    write_text(out, record.event_type);
    out.extend_from_slice(b",\"subject\":");
    write_text(out, record.aggregate_id);
    out.extend_from_slice(b",\"time\":\"");
    write_time(out, event.occurred());
    out.extend_from_slice(b"\",\"recordedtime\":\"");
    write_time_nanoseconds(out, event.recorded.to_unix_nanos());
    out.extend_from_slice(b"\",\"laterbasehlc\":\"");
    write_display(out, &event.recorded);
    out.extend_from_slice(b"\",\"dataversion\":\"");
    write_display(out, &record.version);
    out.push(b'"');
    if let Some(key) = record.idempotency_key {
        out.extend_from_slice(b",\"idempotencykey\":");
        write_text(out, key);
    }
    for (name, attribute) in ATTRIBUTES {
        if let Some(value) = record.metadata.get(name) {
            write_display(out, &format_args!(",\"{attribute}\":"));
            write_text(out, value);
        }
    }
    write_ids(out, "laterbasevoids", root, record.voids.iter().map(|void| void.dot));
    write_ids(out, "laterbasevoidedby", root, event.voided_by.iter().copied());
    let is_text = write_data(out, record.is_json, record.data);
    let media_type = if is_text { "application/json" } else { "application/octet-stream" };
    out.extend_from_slice(b",\"datacontenttype\":\"");
    out.extend_from_slice(media_type.as_bytes());
    out.extend_from_slice(b"\"}");
}

/// Writes an attribute that lists events, unless there are none.
fn write_ids(out: &mut Vec<u8>, attribute: &str, root: &RootName, dots: impl Iterator<Item = Dot>) {
    let ids: Vec<String> = dots.map(|dot| format!("{root}:{dot}")).collect();
    if !ids.is_empty() {
        write_display(out, &format_args!(",\"{attribute}\":\"{}\"", ids.join(",")));
    }
}

#[cfg(test)]
mod tests;
