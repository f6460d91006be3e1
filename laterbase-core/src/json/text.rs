//! What counts as JSON data: one rule for writers, folds and feeds.
//!
//! Data is **readable** if it is JSON as RFC 8259 has it, nests no deeper than
//! [`DATA_DEPTH_MAX`], and if each of its strings is text: half of a surrogate pair (`"\ud83d"`)
//! is none. Numbers may be of any size, as they are kept as they are written, and a name may
//! stand in an object twice, where the last one counts. A local write of anything else is
//! refused. What others wrote is kept all the same; no fold reads it, and it goes out as base64,
//! so that it stops nobody's parser.
//!
//! The walk is iterative, so no text can exhaust the stack.

use crate::limits::DATA_DEPTH_MAX;

/// Takes the pieces of a JSON text, one after the other.
pub(crate) trait Sink<'a> {
    /// An array or an object begins.
    fn open(&mut self, nest: Nest);
    /// The name of a member, with its quotation marks and escapes.
    fn name(&mut self, raw: &'a str);
    /// A string, a number, `true`, `false` or `null`, as it stands in the text.
    fn scalar(&mut self, raw: &'a str);
    /// The innermost array or object ends.
    fn close(&mut self);
}

/// What holds other values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nest {
    Array,
    Object,
}

/// Why data that is said to be JSON cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// It is no JSON text.
    #[error("the data is no JSON from byte {at} on")]
    NotJson {
        /// The first byte at fault, from 0.
        at: usize,
    },
    /// It nests too deep.
    #[error("the data nests deeper than {DATA_DEPTH_MAX} arrays and objects")]
    TooDeep,
    /// A string has half of a surrogate pair, so it is no text: a character was cut in two.
    #[error("the data has half of a surrogate pair at byte {at}, which is no character")]
    HalfCharacter {
        /// Where the escape begins, from 0.
        at: usize,
    },
}

/// Says whether data can be read.
///
/// # Errors
/// [`DataError`] with the first thing that is wrong.
pub fn check_data(data: &[u8]) -> Result<(), DataError> {
    struct Nothing;
    impl<'a> Sink<'a> for Nothing {
        fn open(&mut self, _: Nest) {}
        fn name(&mut self, _: &'a str) {}
        fn scalar(&mut self, _: &'a str) {}
        fn close(&mut self) {}
    }
    walk(data, &mut Nothing)
}

/// Gives a sink the pieces of a text.
///
/// # Errors
/// [`DataError`]; the sink has then seen what stands before the fault.
pub(crate) fn walk<'a>(data: &'a [u8], sink: &mut impl Sink<'a>) -> Result<(), DataError> {
    let text = std::str::from_utf8(data)
        .map_err(|error| DataError::NotJson { at: error.valid_up_to() })?;
    let mut lexer = Lexer { text, bytes: data, at: 0 };
    let mut nests = Nests::default();
    loop {
        if lexer.value(&mut nests, sink)? {
            continue;
        }
        loop {
            let Some(nest) = nests.innermost() else { return lexer.end() };
            match (lexer.token()?, nest) {
                (b',', Nest::Array) => break,
                (b',', Nest::Object) => {
                    lexer.name(sink)?;
                    break;
                }
                (b']', Nest::Array) | (b'}', Nest::Object) => {
                    nests.pop();
                    sink.close();
                }
                _ => return Err(lexer.fault_before()),
            }
        }
    }
}

/// The arrays and objects that are open: one bit each, the innermost last.
#[derive(Default)]
struct Nests {
    objects: u128,
    depth: usize,
}

const _: () = assert!(DATA_DEPTH_MAX <= u128::BITS as usize, "one bit for each nest");

impl Nests {
    fn push(&mut self, nest: Nest) -> Result<(), DataError> {
        if self.depth == DATA_DEPTH_MAX {
            return Err(DataError::TooDeep);
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(nest == Nest::Object);
        Ok(())
    }

    const fn pop(&mut self) {
        self.depth -= 1;
        self.objects >>= 1;
    }

    const fn innermost(&self) -> Option<Nest> {
        match (self.depth, self.objects & 1) {
            (0, _) => None,
            (_, 0) => Some(Nest::Array),
            _ => Some(Nest::Object),
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    const fn fault(&self) -> DataError {
        DataError::NotJson { at: self.at }
    }

    /// The byte that was just taken is at fault.
    const fn fault_before(&self) -> DataError {
        DataError::NotJson { at: self.at - 1 }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// The next byte that is no space.
    fn token(&mut self) -> Result<u8, DataError> {
        self.skip_space();
        let byte = self.peek().ok_or_else(|| self.fault())?;
        self.at += 1;
        Ok(byte)
    }

    fn end(&mut self) -> Result<(), DataError> {
        self.skip_space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.fault()) }
    }

    /// Takes a value, or the beginning of one that holds others. Says whether the next thing is
    /// a value again.
    fn value(&mut self, nests: &mut Nests, sink: &mut impl Sink<'a>) -> Result<bool, DataError> {
        let start = self.token().map(|_first| self.at - 1)?;
        let (nest, end) = match self.bytes[start] {
            b'[' => (Nest::Array, b']'),
            b'{' => (Nest::Object, b'}'),
            first => {
                match first {
                    b'"' => self.string()?,
                    b'-' | b'0'..=b'9' => self.number(start)?,
                    _ => self.word(start)?,
                }
                sink.scalar(&self.text[start..self.at]);
                return Ok(false);
            }
        };
        nests.push(nest)?;
        sink.open(nest);
        self.skip_space();
        if self.peek() == Some(end) {
            self.at += 1;
            nests.pop();
            sink.close();
            return Ok(false);
        }
        if nest == Nest::Object {
            self.name(sink)?;
        }
        Ok(true)
    }

    /// Takes a member's name and the colon behind it.
    fn name(&mut self, sink: &mut impl Sink<'a>) -> Result<(), DataError> {
        if self.token()? != b'"' {
            return Err(self.fault_before());
        }
        let start = self.at - 1;
        self.string()?;
        sink.name(&self.text[start..self.at]);
        if self.token()? == b':' { Ok(()) } else { Err(self.fault_before()) }
    }

    fn word(&mut self, start: usize) -> Result<(), DataError> {
        let word = ["true", "false", "null"]
            .into_iter()
            .find(|word| self.bytes[start..].starts_with(word.as_bytes()));
        self.at = start + word.ok_or(DataError::NotJson { at: start })?.len();
        Ok(())
    }

    fn number(&mut self, start: usize) -> Result<(), DataError> {
        self.at = start + usize::from(self.bytes[start] == b'-');
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    /// At least one digit.
    fn digits(&mut self) -> Result<(), DataError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.fault()) } else { Ok(()) }
    }

    /// The rest of a string, behind its first quotation mark.
    fn string(&mut self) -> Result<(), DataError> {
        loop {
            self.at = end_of_plain(self.bytes, self.at);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(self.fault()),
            }
        }
    }

    fn escape(&mut self) -> Result<(), DataError> {
        let start = self.at;
        self.at += 2;
        match self.bytes.get(start + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(()),
            Some(b'u') => match self.unit()? {
                0xd800..=0xdbff => {
                    let follows = self.bytes[self.at..].starts_with(b"\\u");
                    self.at += 2;
                    if follows && matches!(self.unit()?, 0xdc00..=0xdfff) {
                        return Ok(());
                    }
                    Err(DataError::HalfCharacter { at: start })
                }
                0xdc00..=0xdfff => Err(DataError::HalfCharacter { at: start }),
                _ => Ok(()),
            },
            _ => Err(DataError::NotJson { at: start }),
        }
    }

    /// Four hex digits.
    fn unit(&mut self) -> Result<u32, DataError> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or_else(|| self.fault())?;
        let unit = digits.iter().try_fold(0, |unit, &digit| {
            char::from(digit).to_digit(16).map(|digit| unit << 4 | digit)
        });
        let unit = unit.ok_or_else(|| self.fault())?;
        self.at += 4;
        Ok(unit)
    }
}

/// Where the plain characters of a string end: at a quotation mark, an escape, a control
/// character or the end. Eight bytes at a time, by the trick that finds a zero byte in a word.
fn end_of_plain(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH: u64 = ONES * 0x80;
    let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word & HIGH;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*chunk);
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let escape = below(word ^ (ONES * u64::from(b'\\')), 1);
        let found = quote | escape | below(word, 0x20);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_plain = |byte: &&u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
    at + bytes[at..].iter().take_while(is_plain).count()
}

#[cfg(test)]
mod tests;
