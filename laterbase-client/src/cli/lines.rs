//! Newline-delimited text, a line at a time and in bounded memory.

use std::io::{self, BufRead, ErrorKind, Read};

/// Longest line. The largest event, in base64 and with every character of its names escaped, is
/// half as long.
pub(crate) const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Tools on Windows put it before a text, and so it may stand before each file of several.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads lines.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    input: R,
    number: u64,
    text: Vec<u8>,
    /// Bytes since the last line that was given out.
    input_bytes: u64,
    /// Whether `text` is the beginning of a line, at which the input paused.
    is_partial: bool,
}

/// One line that is not blank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'l> {
    /// Which one of the file, blank ones included, from 1.
    pub(crate) number: u64,
    /// Without the line break.
    pub(crate) text: &'l [u8],
    /// What it took of the input, blank lines before it included.
    pub(crate) input_bytes: u64,
}

/// Why there is no line, and which one it would be.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(crate) struct LineFault {
    pub(crate) number: u64,
    pub(crate) error: LineError,
}

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    #[error("longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// Nothing comes for now. The next call goes on in the middle of the line.
    #[error("the input pauses")]
    Paused,
    #[error("cannot be read: {0}")]
    Input(io::Error),
    /// The text between the lines is not what it should be.
    #[error("{0}")]
    Malformed(&'static str),
}

impl<R: BufRead> Lines<R> {
    pub(crate) const fn new(input: R) -> Self {
        Self { input, number: 0, text: Vec::new(), input_bytes: 0, is_partial: false }
    }

    /// What was read last.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The next line that is not blank; `None` behind the last one.
    pub(crate) fn next(&mut self) -> Result<Option<Line<'_>>, LineFault> {
        match self.advance() {
            Ok(true) => {
                let input_bytes = std::mem::take(&mut self.input_bytes);
                Ok(Some(Line { number: self.number, text: &self.text, input_bytes }))
            }
            Ok(false) => Ok(None),
            Err(error) => Err(LineFault { number: self.number, error }),
        }
    }

    /// Reads the next line that is not blank; false behind the last one.
    fn advance(&mut self) -> Result<bool, LineError> {
        loop {
            if !self.is_partial {
                self.text.clear();
                self.number += 1;
            }
            self.is_partial = true;
            let bytes_left = (LINE_BYTES_MAX + 1 - self.text.len()) as u64;
            match self.input.by_ref().take(bytes_left).read_until(b'\n', &mut self.text) {
                Ok(_) => self.is_partial = false,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(LineError::Paused);
                }
                Err(error) => return Err(LineError::Input(error)),
            }
            if self.text.is_empty() {
                return Ok(false);
            }
            if self.text.len() > LINE_BYTES_MAX {
                return Err(LineError::TooLong);
            }
            self.input_bytes += self.text.len() as u64;
            if self.text.starts_with(BYTE_ORDER_MARK) {
                self.text.drain(..BYTE_ORDER_MARK.len());
            }
            if !self.text.trim_ascii().is_empty() {
                break;
            }
        }
        if self.text.last() == Some(&b'\n') {
            self.text.pop();
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
