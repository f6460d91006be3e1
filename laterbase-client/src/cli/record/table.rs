//! The events of a table's rows.

use crate::cli::rows::columns::ColumnFlags;
use crate::cli::rows::mapping::{Mapping, RowEvent};
use crate::cli::rows::row::Row;
use crate::cli::rows::{RowError, Rows};
use crate::cli::written_time::WrittenTimes;

use super::source::{Entry, Said, SourceError};

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
        if !self.next_row()? {
            return Ok(None);
        }
        if let Some(times) = self.times.take() {
            let mapping = Mapping::new(&self.row, &self.columns, times);
            self.mapping = Some(mapping.map_err(SourceError::Unusable)?);
            if !self.next_row()? {
                return Ok(None);
            }
        }
        let Self { row, event, mapping, .. } = self;
        if let Some(mapping) = mapping {
            mapping.fill(row, event).map_err(|fault| SourceError::of_fault(row.number, fault))?;
        }
        let said = Said::Record(event.record());
        let Row { number, input_bytes, .. } = *row;
        Ok(Some(Entry { number, said, text_bytes: row.text_bytes(), input_bytes }))
    }

    /// The fields of an event that come from columns.
    pub(super) fn columns_of_fields(&self) -> Vec<(&'static str, String)> {
        self.mapping.as_ref().map(Mapping::columns_of_fields).unwrap_or_default()
    }

    /// The names of all columns.
    pub(super) fn header(&self) -> Vec<String> {
        self.mapping.as_ref().map(|mapping| mapping.header().names().to_vec()).unwrap_or_default()
    }

    /// The cells of the row that was read last.
    pub(super) fn cells(&self) -> Vec<String> {
        self.row.cells().map(|cell| cell.text.to_owned()).collect()
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
