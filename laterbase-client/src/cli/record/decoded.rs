//! Text as UTF-8, whatever Unicode form its byte order mark says that it is in.

use std::io::{self, BufRead, ErrorKind, Read};

/// Reads a text as UTF-8, without a mark at its beginning. What has none is passed on as it is.
pub(crate) struct Decoded<R> {
    input: R,
    form: Form,
    /// Bytes that were read and not decoded: those in which a mark is looked for, or the beginning
    /// of a unit of UTF-16.
    pending: Vec<u8>,
    /// The first half of a pair of units.
    high: Option<u16>,
    /// What is decoded, and how much of it was given out.
    text: Vec<u8>,
    taken: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Unknown,
    Bytes,
    Utf16 { is_big_endian: bool },
}

impl<R: BufRead> Decoded<R> {
    pub(crate) const fn new(input: R) -> Self {
        Self {
            input,
            form: Form::Unknown,
            pending: Vec::new(),
            high: None,
            text: Vec::new(),
            taken: 0,
        }
    }

    /// Looks for a mark. After an error, what was read of it is kept.
    fn detect(&mut self) -> io::Result<()> {
        while self.pending.len() < 3 {
            let input = self.input.fill_buf()?;
            let Some(byte) = input.first().copied() else { break };
            self.input.consume(1);
            self.pending.push(byte);
            if !matches!(self.pending[..], [0xef] | [0xef, 0xbb] | [0xff] | [0xfe]) {
                break;
            }
        }
        let (form, mark_bytes) = match self.pending[..] {
            [0xff, 0xfe, ..] => (Form::Utf16 { is_big_endian: false }, 2),
            [0xfe, 0xff, ..] => (Form::Utf16 { is_big_endian: true }, 2),
            [0xef, 0xbb, 0xbf] => (Form::Bytes, 3),
            _ => (Form::Bytes, 0),
        };
        self.form = form;
        self.pending.drain(..mark_bytes);
        if form == Form::Bytes {
            self.text = std::mem::take(&mut self.pending);
        }
        Ok(())
    }

    /// Decodes what of the input is there, into the text that was given out.
    fn decode(&mut self, is_big_endian: bool) -> io::Result<()> {
        self.taken = 0;
        self.text.clear();
        while self.text.is_empty() {
            let input = self.input.fill_buf()?;
            let count = input.len();
            if count == 0 {
                let is_whole = self.pending.is_empty() && self.high.is_none();
                return if is_whole { Ok(()) } else { Err(torn()) };
            }
            let mut bytes = std::mem::take(&mut self.pending);
            bytes.extend_from_slice(input);
            self.input.consume(count);
            let mut units = bytes.chunks_exact(2);
            for unit in units.by_ref() {
                let unit = [unit[0], unit[1]];
                let from = if is_big_endian { u16::from_be_bytes } else { u16::from_le_bytes };
                push_unit(from(unit), &mut self.high, &mut self.text)?;
            }
            self.pending = units.remainder().to_vec();
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Decoded<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.form == Form::Unknown {
            self.detect()?;
        }
        if self.taken == self.text.len() {
            match self.form {
                Form::Utf16 { is_big_endian } => self.decode(is_big_endian)?,
                _ => return self.input.read(bytes),
            }
        }
        let rest = &self.text[self.taken..];
        let count = rest.len().min(bytes.len());
        bytes[..count].copy_from_slice(&rest[..count]);
        self.taken += count;
        Ok(count)
    }
}

/// Adds a unit of UTF-16 to a text, or keeps it until its second half comes.
fn push_unit(unit: u16, high: &mut Option<u16>, text: &mut Vec<u8>) -> io::Result<()> {
    let first = high.take();
    match char::decode_utf16(first.into_iter().chain([unit])).collect::<Result<Vec<char>, _>>() {
        Ok(chars) => {
            for c in chars {
                text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Ok(())
        }
        Err(_) if first.is_none() && matches!(unit, 0xd800..=0xdbff) => {
            *high = Some(unit);
            Ok(())
        }
        Err(_) => Err(torn()),
    }
}

fn torn() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "not UTF-16, as its byte order mark says it is")
}

#[cfg(test)]
mod tests;
