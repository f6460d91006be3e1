//! Delimited text: CSV, TSV and their relatives, a row at a time and in bounded memory.

use std::io::{self, BufRead, ErrorKind};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::row::{Kind, Row};
use super::{CELLS_MAX, Fault, RowError, Rows, Separator};

/// Longest row. The largest event is a quarter as long.
const ROW_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How much of the first line is looked at for the delimiter.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What may stand between cells, the likeliest first.
pub(crate) const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Reads rows of text.
///
/// A row ends with a line break of any kind. A cell in quotes may hold delimiters, line breaks and,
/// doubled, quotes.
pub(crate) struct Delimited<R> {
    input: Input<R>,
    delimiter: Option<u8>,
    /// What was found to stand between the cells.
    separator: Option<Separator>,
    parser: Option<Reader>,
    passed: LineBreaks,
    unfinished: Unfinished,
}

/// The row that is being read.
struct Unfinished {
    /// The line that it begins in, once it has begun.
    number: Option<u64>,
    /// Its cells' bytes, one behind the other, and where each cell ends. Longer than what is there.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    byte_count: usize,
    end_count: usize,
    input_bytes: u64,
}

impl<R: BufRead> Delimited<R> {
    /// Without a delimiter, it is found out from the first line.
    pub(crate) fn new(input: R, delimiter: Option<u8>) -> Self {
        let input = Input { rest: input, head: Vec::new(), taken: 0 };
        let (passed, unfinished) = (LineBreaks::default(), Unfinished::new());
        Self { input, delimiter, separator: None, parser: None, passed, unfinished }
    }

    /// Looks at the first line before anything is read: for the delimiter, or for the line of its
    /// own by which spreadsheets say it.
    fn start(&mut self) -> Result<Reader, RowError> {
        let head = self.input.read_head()?;
        // A tab may be what it says, so only the line break is cut.
        let line_end = head.iter().rposition(|byte| !is_break(*byte)).map_or(0, |last| last + 1);
        let said = match head[..line_end] {
            [b's', b'e', b'p', b'=', delimiter] => Some(delimiter),
            _ => None,
        };
        let found = said.unwrap_or_else(|| likeliest_delimiter(head));
        if said.is_some() {
            self.input.consume(b"sep=;".len());
        }
        let is_said = said.is_some() && self.delimiter.is_none();
        let delimiter = self.delimiter.unwrap_or(found);
        self.separator = Some(Separator { delimiter, is_said });
        Ok(ReaderBuilder::new().delimiter(delimiter).build())
    }

    /// Passes over blank lines, so that a row's number is that of its own line. False at the end.
    fn skip_blank(&mut self) -> Result<bool, RowError> {
        loop {
            let input = self.input.fill(self.passed.count + 1)?;
            let breaks = input.iter().take_while(|byte| is_break(**byte));
            let (count, rest) = (breaks.count(), input.len());
            self.passed.pass(&input[..count]);
            self.input.consume(count);
            self.unfinished.input_bytes += count as u64;
            if rest == 0 || count < rest {
                return Ok(rest > 0);
            }
        }
    }

    /// Reads on until the row is whole.
    fn finish(&mut self, parser: &mut Reader, number: u64) -> Result<(), RowError> {
        let row = &mut self.unfinished;
        loop {
            let input = self.input.fill(number)?;
            // The last row may lack its line break, but no cell the quote behind it.
            let is_over = input.is_empty();
            let input = if is_over { b"\n" } else { input };
            let (result, read, wrote, ended) = parser.read_record(
                input,
                &mut row.bytes[row.byte_count..],
                &mut row.ends[row.end_count..],
            );
            if !is_over {
                self.passed.pass(&input[..read]);
                self.input.consume(read);
                row.input_bytes += read as u64;
            }
            row.byte_count += wrote;
            row.end_count += ended;
            match result {
                ReadRecordResult::Record | ReadRecordResult::End => return Ok(()),
                ReadRecordResult::InputEmpty if is_over => return Err(not_closed(number)),
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    row.grow(number)?;
                }
            }
        }
    }
}

impl<R: BufRead> Rows for Delimited<R> {
    fn next(&mut self, row: &mut Row) -> Result<bool, RowError> {
        let mut parser = match self.parser.take() {
            Some(parser) => parser,
            None => self.start()?,
        };
        let number = match self.unfinished.number {
            Some(number) => Ok(number),
            None => {
                self.skip_blank().map(|is_more| if is_more { self.passed.count + 1 } else { 0 })
            }
        };
        let finished = number.and_then(|number| {
            self.unfinished.number = Some(number).filter(|number| *number > 0);
            if number > 0 { self.finish(&mut parser, number) } else { Ok(()) }
        });
        self.parser = Some(parser);
        finished?;
        let Some(number) = self.unfinished.number else { return Ok(false) };
        self.unfinished.move_to(row, number).map(|()| true)
    }

    fn separator(&self) -> Option<Separator> {
        self.separator
    }
}

/// The line breaks of an input, as they are passed: `\n`, `\r\n`, and the `\r` alone by which old
/// spreadsheets end their rows.
#[derive(Clone, Copy, Debug, Default)]
struct LineBreaks {
    count: u64,
    /// Whether the byte before was a `\r`, whose line break a `\n` belongs to.
    is_behind_return: bool,
}

impl LineBreaks {
    fn pass(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let is_second_half = *byte == b'\n' && self.is_behind_return;
            self.count += u64::from(is_break(*byte) && !is_second_half);
            self.is_behind_return = *byte == b'\r';
        }
    }
}

impl Unfinished {
    fn new() -> Self {
        let (bytes, ends) = (vec![0; 4096], vec![0; 64]);
        Self { number: None, bytes, ends, byte_count: 0, end_count: 0, input_bytes: 0 }
    }

    /// Makes room for more of the row.
    fn grow(&mut self, number: u64) -> Result<(), RowError> {
        if self.byte_count == self.bytes.len() {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        if self.end_count == self.ends.len() {
            self.ends.resize(self.ends.len() * 2, 0);
        }
        if self.bytes.len() <= ROW_BYTES_MAX && self.ends.len() <= CELLS_MAX {
            return Ok(());
        }
        let detail = format!(
            "a row of more than {ROW_BYTES_MAX} bytes or {CELLS_MAX} cells begins here; is a quote (\") opened and not closed?"
        );
        Err(RowError::Broken { number, detail })
    }

    /// Hands the row over, and is ready for the next one.
    fn move_to(&mut self, row: &mut Row, number: u64) -> Result<(), RowError> {
        let (ends, bytes) = (&self.ends[..self.end_count], &self.bytes);
        row.begin(number);
        row.input_bytes = std::mem::take(&mut self.input_bytes);
        (self.number, self.byte_count, self.end_count) = (None, 0, 0);
        let cells =
            ends.iter().scan(0, |start, &end| Some(&bytes[std::mem::replace(start, end)..end]));
        for (index, cell) in cells.clone().enumerate() {
            let Ok(text) = str::from_utf8(cell) else {
                row.keep_bytes(cells);
                return Err(RowError::Bad(Fault::of_row(format!(
                    "cell {} is not UTF-8; save the file as \"CSV UTF-8\"",
                    index + 1
                ))));
            };
            row.push(text, Kind::Written);
        }
        Ok(())
    }
}

/// An input of which the first line was looked at.
struct Input<R> {
    rest: R,
    head: Vec<u8>,
    /// How much of the head was passed.
    taken: usize,
}

impl<R: BufRead> Input<R> {
    /// Reads the first line that is not blank, or the beginning of one that is long. After a pause,
    /// it goes on.
    fn read_head(&mut self) -> Result<&[u8], RowError> {
        let is_whole = |head: &[u8]| {
            head.last().is_some_and(|last| is_break(*last)) && !head.iter().copied().all(is_break)
        };
        while self.head.len() < HEAD_BYTES_MAX && !is_whole(&self.head) {
            let input = self.rest.fill_buf().map_err(|error| of_error(&error, 1))?;
            if input.is_empty() {
                break;
            }
            let line_end = input.iter().position(|byte| is_break(*byte));
            let room = HEAD_BYTES_MAX - self.head.len();
            let count = line_end.map_or(input.len(), |end| end + 1).min(room);
            self.head.extend_from_slice(&input[..count]);
            self.rest.consume(count);
        }
        Ok(&self.head)
    }

    fn fill(&mut self, number: u64) -> Result<&[u8], RowError> {
        if self.taken < self.head.len() {
            return Ok(&self.head[self.taken..]);
        }
        self.rest.fill_buf().map_err(|error| of_error(&error, number))
    }

    fn consume(&mut self, count: usize) {
        if self.taken < self.head.len() {
            self.taken += count;
        } else {
            self.rest.consume(count);
        }
    }
}

fn of_error(error: &io::Error, number: u64) -> RowError {
    match error.kind() {
        ErrorKind::WouldBlock => RowError::Paused,
        _ => RowError::Broken { number, detail: format!("cannot be read: {error}") },
    }
}

fn not_closed(number: u64) -> RowError {
    let detail = "a quote (\") is opened in this row and not closed by the end of the file";
    RowError::Broken { number, detail: detail.to_owned() }
}

const fn is_break(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// What stands most often in the first line, outside of quotes.
fn likeliest_delimiter(head: &[u8]) -> u8 {
    let mut counts = [0_usize; DELIMITERS.len()];
    let mut is_quoted = false;
    for byte in head.iter().skip_while(|byte| is_break(**byte)) {
        match byte {
            b'"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            b'\r' | b'\n' => break,
            byte => {
                if let Some(index) = DELIMITERS.iter().position(|delimiter| delimiter == byte) {
                    counts[index] += 1;
                }
            }
        }
    }
    let most = counts.iter().max().copied().unwrap_or(0);
    let index = counts.iter().position(|count| *count == most).unwrap_or(0);
    DELIMITERS[index]
}

#[cfg(test)]
mod tests;
