//! Tables as people keep them: rows of cells under a row of names, from delimited text or from a
//! spreadsheet, and what makes events of them.

pub(crate) mod columns;
pub(crate) mod delimited;
pub(crate) mod guess;
pub(crate) mod header;
pub(crate) mod key;
pub(crate) mod mapping;
pub(crate) mod marks;
pub(crate) mod number;
pub(crate) mod row;
pub(crate) mod workbook;

/// Most cells in a row: as many as a spreadsheet has columns.
const CELLS_MAX: usize = 16_384;

/// Why there is no row.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowError {
    /// Nothing comes for now. The next call goes on where this one was.
    #[error("the input pauses")]
    Paused,
    /// This row cannot be read. The next one may be.
    #[error("{0}")]
    Bad(Fault),
    /// Nothing can be read from here on.
    #[error("{detail}")]
    Broken { number: u64, detail: String },
}

/// What is wrong with one row.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct Fault {
    /// The column's name, where it is one cell's fault.
    pub(crate) column: Option<String>,
    pub(crate) detail: String,
}

impl Fault {
    pub(crate) fn of_row(detail: impl Into<String>) -> Self {
        Self { column: None, detail: detail.into() }
    }

    pub(crate) fn of_cell(column: &str, detail: impl Into<String>) -> Self {
        Self { column: Some(column.to_owned()), detail: detail.into() }
    }
}

/// Where rows come from.
pub(crate) trait Rows {
    /// Reads the next row into `row`; false behind the last one.
    fn next(&mut self, row: &mut row::Row) -> Result<bool, RowError>;

    /// What stands between the cells, once a row was read; `None` where they are no text.
    fn separator(&self) -> Option<Separator> {
        None
    }
}

/// What stands between the cells of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Separator {
    pub(crate) delimiter: u8,
    /// Whether a line of its own says so, and nothing else.
    pub(crate) is_said: bool,
}
