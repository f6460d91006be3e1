//! The elements of a JSON array, one at a time and in bounded memory.
//!
//! Only their ends are looked for; whether an element is JSON is told by whoever parses it.

use std::io::{BufRead, ErrorKind};

use crate::cli::lines::{LINE_BYTES_MAX, Line, LineError, LineFault};

/// Reads an array's elements, or documents one behind the other.
pub(crate) struct Elements<R> {
    input: R,
    place: Place,
    /// Which element is being read, from 1.
    number: u64,
    text: Vec<u8>,
    depth: usize,
    is_in_string: bool,
    is_escaped: bool,
    input_bytes: u64,
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The array, or a document.
    Start,
    /// The first element, or the array's end.
    First,
    /// Another element, behind a comma.
    Another,
    /// A comma, or the array's end.
    Behind,
    /// Nothing.
    End,
    /// Another document, or nothing.
    Between,
    /// More of an element: of an array, or a document of its own.
    Inside { is_in_array: bool },
}

/// What a byte is.
enum Step {
    Goes,
    /// An element ends with this byte, or before it.
    Ends,
    EndsBefore,
}

impl<R: BufRead> Elements<R> {
    pub(crate) const fn new(input: R) -> Self {
        Self {
            input,
            place: Place::Start,
            number: 0,
            text: Vec::new(),
            depth: 0,
            is_in_string: false,
            is_escaped: false,
            input_bytes: 0,
        }
    }

    /// What was read last.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The next element; `None` behind the last one.
    pub(crate) fn next(&mut self) -> Result<Option<Line<'_>>, LineFault> {
        match self.advance() {
            Ok(true) => Ok(Some(self.element())),
            Ok(false) => Ok(None),
            // What is wrong between two elements is named by the one before.
            Err(error) => Err(LineFault { number: self.number.max(1), error }),
        }
    }

    /// Reads the next element; false behind the last one.
    fn advance(&mut self) -> Result<bool, LineError> {
        if !matches!(self.place, Place::Inside { .. }) {
            self.text.clear();
        }
        while let Some(byte) = self.peek()? {
            match self.take(byte)? {
                Step::Goes => self.pass(),
                Step::Ends => {
                    self.pass();
                    return Ok(true);
                }
                Step::EndsBefore => return Ok(true),
            }
        }
        match self.place {
            Place::Inside { is_in_array: false } => Ok(true),
            Place::Start | Place::Between | Place::End => Ok(false),
            _ => Err(malformed("the array does not end")),
        }
    }

    fn peek(&mut self) -> Result<Option<u8>, LineError> {
        match self.input.fill_buf() {
            Ok(input) => Ok(input.first().copied()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(LineError::Paused),
            Err(error) => Err(LineError::Input(error)),
        }
    }

    fn pass(&mut self) {
        self.input.consume(1);
        self.input_bytes += 1;
    }

    fn element(&mut self) -> Line<'_> {
        let is_in_array = matches!(self.place, Place::Inside { is_in_array: true });
        self.place = if is_in_array { Place::Behind } else { Place::Between };
        let input_bytes = std::mem::take(&mut self.input_bytes);
        Line { number: self.number, text: &self.text, input_bytes }
    }

    fn take(&mut self, byte: u8) -> Result<Step, LineError> {
        if let Place::Inside { .. } = self.place {
            return self.take_inside(byte);
        }
        if byte.is_ascii_whitespace() {
            return Ok(Step::Goes);
        }
        self.place = match (self.place, byte) {
            (Place::Start, b'[') => Place::First,
            (Place::First | Place::Behind, b']') => Place::End,
            (Place::Behind, b',') => Place::Another,
            (Place::Behind, _) => return Err(malformed("a comma or ] must follow an element")),
            (Place::End, _) => return Err(malformed("something follows the array")),
            (Place::First | Place::Another, _) => return self.begin(byte, true),
            (_, _) => return self.begin(byte, false),
        };
        Ok(Step::Goes)
    }

    fn begin(&mut self, byte: u8, is_in_array: bool) -> Result<Step, LineError> {
        self.place = Place::Inside { is_in_array };
        self.number += 1;
        (self.depth, self.is_in_string, self.is_escaped) = (0, false, false);
        self.take_inside(byte)
    }

    fn take_inside(&mut self, byte: u8) -> Result<Step, LineError> {
        let is_bare = self.depth == 0 && !self.is_in_string && !self.text.is_empty();
        if is_bare && (matches!(byte, b',' | b']') || byte.is_ascii_whitespace()) {
            return Ok(Step::EndsBefore);
        }
        if self.text.len() == LINE_BYTES_MAX {
            return Err(LineError::TooLong);
        }
        self.text.push(byte);
        if self.is_in_string {
            self.is_in_string = self.is_escaped || byte != b'"';
            self.is_escaped = byte == b'\\' && !self.is_escaped;
        } else {
            match byte {
                b'"' => self.is_in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        let closes = self.depth == 0 && !self.is_in_string && matches!(byte, b'}' | b']' | b'"');
        Ok(if closes { Step::Ends } else { Step::Goes })
    }
}

fn malformed(detail: &'static str) -> LineError {
    LineError::Malformed(detail)
}

#[cfg(test)]
mod tests;
