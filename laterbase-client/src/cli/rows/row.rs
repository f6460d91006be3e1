//! One row, in buffers that the next one uses again.

/// The cells of a row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    /// Where it begins in its file, from 1: a line of a text, a row of a spreadsheet.
    pub(crate) number: u64,
    /// What it took of the input.
    pub(crate) input_bytes: u64,
    text: String,
    cells: Vec<(usize, Kind)>,
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
