//! Columns of text, as wide as what is in them, and no wider than the terminal.

use std::borrow::Cow;
use std::iter;

use laterbase_core::printable::Printable;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Between two columns.
const GAP: usize = 2;

/// Stands where the rest of a text was cut off.
const CUT: char = '…';

/// A column before it is known how much room there is.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// How wide the widest of its cells is, its head among them.
    pub(crate) natural: usize,
    /// It is not narrower than this, unless its cells are.
    pub(crate) floor: usize,
}

impl Column {
    fn narrowest(&self) -> usize {
        self.natural.min(self.floor)
    }
}

/// Columns with their widths.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    widths: Vec<usize>,
    /// The numbers of the columns that are shown, in order.
    shown: Vec<usize>,
}

impl Table {
    /// Fits columns into so much room, or into what they need. Where there is not enough, columns
    /// are left out in the order of `expendable`, and the widest ones of the rest are cut; the one
    /// called `favoured` gets what it needs first, up to half of the room.
    pub(crate) fn fit(
        columns: &[Column],
        expendable: &[usize],
        favoured: usize,
        room: Option<usize>,
    ) -> Self {
        let mut shown: Vec<usize> = (0..columns.len()).collect();
        let Some(room) = room else {
            return Self { widths: columns.iter().map(|column| column.natural).collect(), shown };
        };
        let needed = |shown: &[usize]| {
            let gaps = GAP * shown.len().saturating_sub(1);
            gaps + shown.iter().map(|&index| columns[index].narrowest()).sum::<usize>()
        };
        for left_out in expendable {
            if needed(&shown) <= room {
                break;
            }
            shown.retain(|index| index != left_out);
        }
        let left = room.saturating_sub(needed(&shown));
        let mut widths: Vec<usize> = columns.iter().map(Column::narrowest).collect();
        let favour = left.min(room / 2);
        let unused = grow(&mut widths, columns, &[favoured], favour);
        grow(&mut widths, columns, &shown, left - favour + unused);
        Self { widths, shown }
    }

    /// The numbers of the columns that are shown.
    pub(crate) fn shown(&self) -> &[usize] {
        &self.shown
    }

    /// A row: one cell for each column that is shown. What would steer a terminal is escaped.
    pub(crate) fn line(&self, cells: &[Cow<'_, str>]) -> String {
        let mut line = String::new();
        for (&index, cell) in self.shown.iter().zip(cells) {
            line.push_str(&fitted(cell, self.widths[index]));
            line.extend(iter::repeat_n(' ', GAP));
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// Gives columns more width, one after the other, until they have what they need or nothing is
/// left. Gives what is left.
fn grow(widths: &mut [usize], columns: &[Column], shown: &[usize], mut left: usize) -> usize {
    loop {
        let before = left;
        for &index in shown {
            if left > 0 && widths[index] < columns[index].natural {
                (widths[index], left) = (widths[index] + 1, left - 1);
            }
        }
        if left == before {
            return left;
        }
    }
}

/// How many columns of a terminal a text takes, once it is printable.
pub(crate) fn width(text: &str) -> usize {
    printable(text).width()
}

/// A text in exactly so many columns: escaped, cut, and filled up with spaces.
pub(crate) fn fitted(text: &str, columns: usize) -> String {
    let text = printable(text);
    let (text, width) = cut(&text, columns);
    let mut text = text.into_owned();
    text.extend(iter::repeat_n(' ', columns.saturating_sub(width)));
    text
}

fn printable(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(Printable(text).to_string())
}

/// The text, or as much of it as fits before a mark that it was cut; and its width.
fn cut(text: &str, width: usize) -> (Cow<'_, str>, usize) {
    let whole = text.width();
    if whole <= width {
        return (Cow::Borrowed(text), whole);
    }
    let (mut kept, mut taken) = (String::new(), 0);
    for c in text.chars() {
        let columns = c.width().unwrap_or(0);
        if taken + columns + 1 > width {
            break;
        }
        kept.push(c);
        taken += columns;
    }
    if width > 0 {
        kept.push(CUT);
        taken += 1;
    }
    (Cow::Owned(kept), taken)
}

#[cfg(test)]
mod tests;
