//! The events of a table's rows.

use crate::cli::rows::columns::ColumnFlags;
use crate::cli::rows::header::Header;
use crate::cli::rows::mapping::{Mapping, RowEvent};
use crate::cli::rows::marks;
use crate::cli::rows::row::Row;
use crate::cli::rows::{RowError, Rows};
use crate::cli::written_time::WrittenTimes;

use super::rejects::Raw;
use super::source::{Entry, Said, SourceError};
use super::wording::Layout;

/// Reads rows and makes events of them. The first row that is not blank names the columns.
pub(super) struct Table {
    rows: Box<dyn Rows>,
    columns: ColumnFlags,
    /// Until the mapping has them.
    times: Option<WrittenTimes>,
    mapping: Option<Mapping>,
    row: Row,
    event: RowEvent,
}

impl Table {
    pub(super) fn new(rows: Box<dyn Rows>, columns: ColumnFlags, times: WrittenTimes) -> Self {
        let (row, event) = (Row::default(), RowEvent::default());
        Self { rows, columns, times: Some(times), mapping: None, row, event }
    }

    /// The next row's event; `None` behind the last one.
    pub(super) fn next(&mut self) -> Result<Option<Entry<'_>>, SourceError> {
        if self.times.is_some() && !self.read_header()? {
            return Ok(None);
        }
        if !self.next_row()? {
            return Ok(None);
        }
        let Self { row, event, mapping, .. } = self;
        if let Some(mapping) = mapping {
            restore_kinds(row, mapping.header());
            mapping.fill(row, event).map_err(|fault| SourceError::of_fault(row.number, fault))?;
        }
        let said = Said::Record(event.record());
        let progress = if self.rows.separator().is_some() { row.input_bytes } else { 1 };
        Ok(Some(Entry { number: row.number, said, text_bytes: row.text_bytes(), progress }))
    }

    /// Reads the names of the columns; false if there are none. Without them no row means anything,
    /// so what is wrong with them is wrong with the table.
    fn read_header(&mut self) -> Result<bool, SourceError> {
        let read = self.next_row().map_err(|error| match error {
            SourceError::Bad { number, detail, .. } => SourceError::Broken { number, detail },
            error => error,
        });
        if !read? {
            return Ok(false);
        }
        if let Some(times) = self.times.take() {
            let mapping = Mapping::new(&self.row, &self.columns, times);
            self.mapping = Some(mapping.map_err(SourceError::Unusable)?);
        }
        Ok(true)
    }

    /// The fields of an event that come from columns.
    pub(super) fn columns_of_fields(&self) -> Vec<(&'static str, String)> {
        self.mapping.as_ref().map(Mapping::columns_of_fields).unwrap_or_default()
    }

    /// How the table is written.
    pub(super) fn layout(&self) -> Layout {
        let header = self.mapping.as_ref().map(Mapping::header);
        let names = header.map(Header::names).unwrap_or_default();
        let separator = self.rows.separator();
        Layout {
            names: names.iter().filter(|name| !marks::is_mark(name)).cloned().collect(),
            separator,
            has_kinds: separator.is_none() || kinds_column(names).is_some(),
        }
    }

    /// The row that was read last, as it stands in the table, without what is a mark.
    pub(super) fn raw(&self) -> Raw {
        let names = self.mapping.as_ref().map(|mapping| mapping.header().names());
        let names = names.unwrap_or_default();
        let is_own = |column: usize| !names.get(column).is_some_and(|name| marks::is_mark(name));
        let kinds = self.row.kinds();
        let kinds = kinds.chars().enumerate().filter(|(column, _)| is_own(*column));
        let kinds = kinds.map(|(_, kind)| kind);
        let Some(bytes) = self.row.kept_bytes() else {
            let cells = self.row.cells().map(|cell| cell.text.as_bytes().to_vec()).enumerate();
            let cells = cells.filter(|(column, _)| is_own(*column)).map(|(_, cell)| cell);
            return Raw::Cells { cells: cells.collect(), kinds: kinds.collect() };
        };
        // Its cells got no kinds, as it could not be read.
        let said = kinds_column(names).and_then(|column| bytes.get(column));
        let kinds = said.map(|letters| String::from_utf8_lossy(letters).into_owned());
        let cells = bytes.iter().enumerate().filter(|(column, _)| is_own(*column));
        let cells = cells.map(|(_, cell)| cell.clone()).collect();
        Raw::Cells { cells, kinds: kinds.unwrap_or_default() }
    }

    /// The row that was read last.
    pub(super) const fn row(&self) -> &Row {
        &self.row
    }

    /// Reads the next row that is not blank; false behind the last one.
    pub(super) fn next_row(&mut self) -> Result<bool, SourceError> {
        loop {
            match self.rows.next(&mut self.row) {
                Ok(true) if self.row.is_blank() => {}
                Ok(is_more) => return Ok(is_more),
                Err(RowError::Paused) => return Err(SourceError::Paused),
                Err(RowError::Bad(fault)) => {
                    return Err(SourceError::of_fault(self.row.number, fault));
                }
                Err(RowError::Broken { number, detail }) => {
                    return Err(SourceError::Broken { number, detail });
                }
            }
        }
    }
}

/// Where a file of rejected rows says what their cells were in their spreadsheet.
fn kinds_column(names: &[String]) -> Option<usize> {
    names.iter().position(|name| name == marks::KINDS)
}

/// Gives the cells of a row that was rejected the kinds that they had in their spreadsheet.
fn restore_kinds(row: &mut Row, header: &Header) {
    let Some(column) = kinds_column(header.names()) else { return };
    let letters = row.cell(column).text.to_owned();
    row.set_kinds(&letters, |column| !marks::is_mark(header.name(column)));
}
