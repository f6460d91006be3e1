//! Text from anywhere, made harmless for a terminal and for a log.
//!
//! Ids, names, data and what a peer says may hold any character. Some of them steer a terminal
//! (ESC, and the C1 controls that it also obeys), some begin a line that nobody wrote, and some
//! turn the order of what follows (<https://www.unicode.org/reports/tr9/>), so that a reader sees
//! another text than the one that is there. They are shown by their numbers instead.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// Whether a character does something to a terminal instead of being seen.
///
/// These are the C0 and C1 controls with DEL, the line and paragraph separators, and the controls
/// for bidirectional text.
pub const fn is_control(c: char) -> bool {
    matches!(
        c,
        '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

/// Shows a value on one line: every control is escaped as in Rust (`\n`, `\u{9b}`).
#[derive(Clone, Copy, Debug)]
pub struct Printable<D>(pub D);

impl<D: fmt::Display> fmt::Display for Printable<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping { output: f, keeps_lines: false }, "{}", self.0)
    }
}

/// The same for text of several lines whose line breaks are our own.
#[derive(Clone, Copy, Debug)]
pub struct PrintableLines<D>(pub D);

impl<D: fmt::Display> fmt::Display for PrintableLines<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping { output: f, keeps_lines: true }, "{}", self.0)
    }
}

struct Escaping<'f, 'o> {
    output: &'f mut fmt::Formatter<'o>,
    keeps_lines: bool,
}

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut plain_from = 0;
        for (index, c) in text.char_indices().filter(|(_, c)| is_control(*c)) {
            if self.keeps_lines && c == '\n' {
                continue;
            }
            self.output.write_str(&text[plain_from..index])?;
            // `escape_default` knows `\n`, `\t` and `\r`, and gives all others by their number.
            write!(self.output, "{}", c.escape_default())?;
            plain_from = index + c.len_utf8();
        }
        self.output.write_str(&text[plain_from..])
    }
}

/// JSON text that says the same to a parser and is harmless to a terminal.
///
/// Controls within strings become `\uXXXX`. Between values JSON allows CR, LF and tab only; a CR
/// there, which would let a line be written over, becomes a space.
pub fn printable_json(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| !is_control(c) || c == '\n';
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut printable = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\r' | '\t' => printable.push(' '),
            c if is_plain(c) => printable.push(c),
            // All of them are in the basic plane, and a string can hold none of them unescaped but
            // those that JSON lets through: DEL, C1 and what turns the order.
            c => write!(printable, "\\u{:04x}", u32::from(c)).expect("a string takes all"),
        }
    }
    Cow::Owned(printable)
}

#[cfg(test)]
mod tests;
