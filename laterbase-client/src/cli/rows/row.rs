//! One row, in buffers that the next one uses again.

use jiff::civil::DateTime;

/// The cells of a row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    /// Where it begins in its file, from 1: a line of a text, a row of a spreadsheet.
    pub(crate) number: u64,
    /// What it took of the input.
    pub(crate) input_bytes: u64,
    text: String,
    cells: Vec<(usize, Kind)>,
    /// The cells as they stand in the input, of a row that is no text. No others are kept of it.
    bytes: Option<Vec<Vec<u8>>>,
}

/// What a cell was in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text of which a number may be made.
    Written,
    /// Text that is text, whatever it looks like.
    Text,
    /// A date and a time of day, as ISO 8601 writes them.
    Time,
    /// A number, written as JSON writes it.
    Number,
    /// `true` or `false`.
    Truth,
    /// What a spreadsheet shows where it has no value, such as `#N/A`.
    Fault,
}

impl Kind {
    const fn letter(self) -> char {
        match self {
            Self::Written => 'w',
            Self::Text => 't',
            Self::Time => 'd',
            Self::Number => 'n',
            Self::Truth => 'b',
            Self::Fault => 'f',
        }
    }

    /// The kind of a letter, for a cell that somebody may have changed since: what cannot be of that
    /// kind any more is read as it is written.
    fn of_letter(letter: char, text: &str) -> Self {
        match letter {
            't' => Self::Text,
            'd' if text.parse::<DateTime>().is_ok() => Self::Time,
            'n' if text.parse::<serde_json::Number>().is_ok() => Self::Number,
            'b' if matches!(text, "true" | "false") => Self::Truth,
            'f' if text.starts_with('#') => Self::Fault,
            _ => Self::Written,
        }
    }
}

/// One cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell<'r> {
    pub(crate) text: &'r str,
    pub(crate) kind: Kind,
}

impl Cell<'_> {
    /// Whether there is nothing in it that could be seen.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }
}

impl Row {
    /// Takes everything out.
    pub(crate) fn begin(&mut self, number: u64) {
        (self.number, self.input_bytes) = (number, 0);
        self.text.clear();
        self.cells.clear();
        self.bytes = None;
    }

    /// Keeps the cells of a row that is no text.
    pub(crate) fn keep_bytes<'b>(&mut self, cells: impl Iterator<Item = &'b [u8]>) {
        self.bytes = Some(cells.map(<[u8]>::to_vec).collect());
    }

    /// The cells of a row that is no text, as they stand in the input.
    pub(crate) fn kept_bytes(&self) -> Option<&[Vec<u8>]> {
        self.bytes.as_deref()
    }

    /// The kinds of the cells, a letter each.
    pub(crate) fn kinds(&self) -> String {
        self.cells.iter().map(|(_, kind)| kind.letter()).collect()
    }

    /// Gives the cells the kinds that [`Self::kinds`] said, as far as what stands there now may be
    /// of that kind. Cells that `is_counted` does not name have none.
    pub(crate) fn set_kinds(&mut self, letters: &str, is_counted: impl Fn(usize) -> bool) {
        let mut letters = letters.chars();
        for index in (0..self.len()).filter(|index| is_counted(*index)) {
            let Some(letter) = letters.next() else { return };
            let kind = Kind::of_letter(letter, self.cell(index).text);
            self.cells[index].1 = kind;
        }
    }

    pub(crate) fn push(&mut self, text: &str, kind: Kind) {
        self.text.push_str(text);
        self.cells.push((self.text.len(), kind));
    }

    /// How many cells there are.
    pub(crate) const fn len(&self) -> usize {
        self.cells.len()
    }

    /// A cell; one that is not there is empty.
    pub(crate) fn cell(&self, index: usize) -> Cell<'_> {
        let Some(&(end, kind)) = self.cells.get(index) else {
            return Cell { text: "", kind: Kind::Written };
        };
        let start = index.checked_sub(1).map_or(0, |before| self.cells[before].0);
        Cell { text: &self.text[start..end], kind }
    }

    pub(crate) fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        (0..self.len()).map(|index| self.cell(index))
    }

    /// Whether there is nothing in it that could be seen.
    pub(crate) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Bytes of all cells.
    pub(crate) const fn text_bytes(&self) -> usize {
        self.text.len()
    }
}

#[cfg(test)]
mod tests;
