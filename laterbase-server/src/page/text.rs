//! How what others wrote gets into a page: escaped, cut, and with what cannot be seen made visible.

use std::fmt::Write as _;

use laterbase_core::time::format_time;
use maud::{Escaper, Markup, Render, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for itself in a segment of a path and in a query (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text of others, apart from the direction of what stands around it. Characters that cannot be
/// seen, or that turn the direction of others, are shown by their numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'t>(pub &'t str);

impl Render for Text<'_> {
    fn render_to(&self, out: &mut String) {
        out.push_str("<bdi>");
        write_visibly(out, self.0);
        out.push_str("</bdi>");
    }
}

/// The same, cut to so many characters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut<'t>(pub &'t str, pub usize);

impl Render for Cut<'_> {
    fn render_to(&self, out: &mut String) {
        let end = self.0.char_indices().nth(self.1).map(|(at, _)| at);
        Text(&self.0[..end.unwrap_or(self.0.len())]).render_to(out);
        if end.is_some() {
            out.push('…');
        }
    }
}

fn write_visibly(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(is_odd) {
        let (plain, odd) = rest.split_at(at);
        escape(out, plain);
        let mut characters = odd.chars();
        let number = characters.next().map_or(0, u32::from);
        write!(out, "<span class=\"odd\">U+{number:04X}</span>").expect("a text takes all");
        rest = characters.as_str();
    }
    escape(out, rest);
}

fn escape(out: &mut String, text: &str) {
    Escaper::new(out).write_str(text).expect("a text takes all");
}

/// Whether a character is to be shown by its number.
fn is_odd(character: char) -> bool {
    let turns = matches!(
        character,
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{2028}' | '\u{2029}'
    );
    // Hyphens, joiners, fillers, annotations and tags that leave no mark.
    let unseen = matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{2060}'..='\u{2065}'
            | '\u{3164}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    turns || unseen || (character.is_control() && !matches!(character, '\n' | '\t'))
}

/// A text as one segment of a path, or as a value in a query.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// A moment: RFC 3339, which the script shows in the reader's zone.
pub(super) fn moment(nanos: i64) -> Markup {
    let text = format_time(nanos);
    html! { time datetime=(text) { (text) } }
}

/// A number with its thousands apart.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// A number of things: `1 event`, `2 events`.
pub(super) fn count(count: u64, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{}\u{a0}{thing}{plural}", number(count))
}

/// A size as people read it.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut tenths = u128::from(bytes) * 10;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths = tenths.div_ceil(1_024);
        unit += 1;
    }
    let fraction =
        if unit == 0 || tenths >= 1_000 { String::new() } else { format!(".{}", tenths % 10) };
    format!("{}{fraction} {}", tenths / 10, UNITS[unit])
}

#[cfg(test)]
mod tests;
