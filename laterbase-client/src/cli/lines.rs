//! Newline-delimited text, a line at a time and in bounded memory.

use std::io::{self, BufRead, Read};

/// Longest line. The largest event, in base64 and with every character of its names escaped, is
/// half as long.
pub(crate) const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Reads lines.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    input: R,
    number: u64,
    text: Vec<u8>,
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

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    #[error("longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    #[error("cannot be read: {0}")]
    Input(#[from] io::Error),
}

impl<R: BufRead> Lines<R> {
    pub(crate) const fn new(input: R) -> Self {
        Self { input, number: 0, text: Vec::new() }
    }

    /// Which line was read last, or failed to be.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// The next line that is not blank; `None` behind the last one.
    pub(crate) fn next(&mut self) -> Result<Option<Line<'_>>, LineError> {
        let mut input_bytes = 0;
        loop {
            self.text.clear();
            self.number += 1;
            let bytes_max = LINE_BYTES_MAX as u64 + 1;
            let count = self.input.by_ref().take(bytes_max).read_until(b'\n', &mut self.text)?;
            if count == 0 {
                return Ok(None);
            }
            if count > LINE_BYTES_MAX {
                return Err(LineError::TooLong);
            }
            input_bytes += count as u64;
            if !self.text.trim_ascii().is_empty() {
                break;
            }
        }
        if self.text.last() == Some(&b'\n') {
            self.text.pop();
        }
        Ok(Some(Line { number: self.number, text: &self.text, input_bytes }))
    }
}

#[cfg(test)]
mod tests;
