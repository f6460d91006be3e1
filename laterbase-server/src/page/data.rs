//! An event's data as people look at it: JSON folded out, a picture, or bytes in hex.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use laterbase_core::event::Record;
use maud::{Markup, html};

use super::json;
use super::text::size;

/// Larger images are not shown: they stand in the page.
const IMAGE_BYTES_MAX: usize = 512 * 1024;

/// Bytes that are shown in hex.
const HEX_BYTES_MAX: usize = 1_024;
const HEX_LINE_BYTES: usize = 16;

/// The data of an event, with the URL of the route that gives it whole.
pub(super) fn show(record: &Record<'_>, url: &str) -> Markup {
    if record.is_json {
        return json::tree(record.data);
    }
    let bytes = record.data;
    html! {
        p.quiet { (size(bytes.len() as u64)) " that are not JSON." }
        @match image_type(bytes).filter(|_| bytes.len() <= IMAGE_BYTES_MAX) {
            Some(media_type) => {
                img.data alt=(format!("The event's data, as {media_type}"))
                    src=(format!("data:{media_type};base64,{}", STANDARD.encode(bytes)));
            }
            None => {
                pre.hex tabindex="0" { (hex(bytes)) }
                @if bytes.len() > HEX_BYTES_MAX {
                    p { "This is how they begin; " a href=(url) { "all of them" } " are in base64." }
                }
            }
        }
    }
}

/// The media type of an image of a kind that browsers show and nothing runs in, by how it begins.
fn image_type(bytes: &[u8]) -> Option<&'static str> {
    let begins = |magic: &[u8]| bytes.starts_with(magic);
    if begins(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else if begins(b"\xff\xd8\xff") {
        Some("image/jpeg")
    } else if begins(b"GIF87a") || begins(b"GIF89a") {
        Some("image/gif")
    } else if begins(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        Some("image/webp")
    } else {
        None
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    let shown = &bytes[..bytes.len().min(HEX_BYTES_MAX)];
    for (number, line) in shown.chunks(HEX_LINE_BYTES).enumerate() {
        write!(out, "{:06x} ", number * HEX_LINE_BYTES).expect("a text takes all");
        for byte in line {
            write!(out, " {byte:02x}").expect("a text takes all");
        }
        out.push_str(&"   ".repeat(HEX_LINE_BYTES - line.len()));
        out.push_str("  ");
        let plain = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '·' };
        out.extend(line.iter().map(plain));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests;
