//! From rows to events.

use anyhow::bail;
use laterbase_core::event::Record;
use laterbase_core::time::format_time;

use super::Fault;
use super::columns::ColumnFlags;
use super::header::Header;
use super::key::key_of;
use super::marks;
use super::number::is_number;
use super::row::{Cell, Kind, Row};
use crate::cli::written_time::{WrittenTime, WrittenTimes};

/// Names of columns that mean something without a flag: those that an event's JSON has.
const ID_COLUMN: &str = "aggregate_id";
const TYPE_COLUMN: &str = "type";
const TIME_COLUMN: &str = "occurred_at";

/// Longest text that may be a time, in any form.
const TIME_BYTES_MAX: usize = 256;

/// Which cells of a row are what.
pub(crate) struct Mapping {
    header: Header,
    id: usize,
    event_type: EventType,
    time: Option<usize>,
    /// Columns and their names as JSON.
    data: Vec<(usize, String)>,
    keys: Option<Vec<usize>>,
    /// Whether the data is all that is in no other column.
    takes_rest: bool,
    times: WrittenTimes,
}

enum EventType {
    Fixed(String),
    Column(usize),
}

/// An event that was made of a row, in buffers that the next one uses again.
#[derive(Debug, Default)]
pub(crate) struct RowEvent {
    aggregate_id: String,
    event_type: String,
    occurred: Option<WrittenTime>,
    key: Option<String>,
    data: Vec<u8>,
}

impl RowEvent {
    pub(crate) fn record(&self) -> Record<'_> {
        Record {
            occurred: self.occurred.map(|time| time.nanos),
            occurred_offset: self.occurred.and_then(|time| time.offset),
            idempotency_key: self.key.as_deref(),
            data: &self.data,
            ..Record::json(&self.aggregate_id, &self.event_type, "")
        }
    }
}

impl Mapping {
    /// Finds the columns that are meant in a table's first row.
    pub(crate) fn new(
        first: &Row,
        flags: &ColumnFlags,
        times: WrittenTimes,
    ) -> anyhow::Result<Self> {
        let header = Header::new(first);
        let Some(id) = header.find_or(flags.id_column.as_deref(), ID_COLUMN)? else {
            bail!("which column has the id? Say it by --id-column: {}", header.list());
        };
        let event_type = match &flags.event_type {
            Some(fixed) => EventType::Fixed(fixed.clone()),
            None => match header.find_or(flags.type_column.as_deref(), TYPE_COLUMN)? {
                Some(column) => EventType::Column(column),
                None => bail!(
                    "what type are the events? Say the column by --type-column, or one type for \
                     all by --type; the columns are {}",
                    header.list()
                ),
            },
        };
        let time = header.find_or(flags.time_column.as_deref(), TIME_COLUMN)?;
        let keys = flags.key_columns.as_ref().map(|names| header.find_all(names)).transpose()?;
        let type_column = match &event_type {
            EventType::Column(column) => Some(*column),
            EventType::Fixed(_) => None,
        };
        let is_taken = |column| {
            let is_added = marks::is_mark(header.name(column));
            is_added || column == id || Some(column) == type_column || Some(column) == time
        };
        let data = match &flags.columns {
            Some(names) => header.find_all(names)?,
            None => header.named().filter(|column| !is_taken(*column)).collect(),
        };
        for column in &data {
            header.check_unique(*column)?;
        }
        let data = data.into_iter().map(|column| (column, to_json(header.name(column)))).collect();
        let takes_rest = flags.columns.is_none();
        Ok(Self { header, id, event_type, time, data, keys, takes_rest, times })
    }

    /// Makes an event of a row.
    pub(crate) fn fill(&self, row: &Row, event: &mut RowEvent) -> Result<(), Fault> {
        self.check_width(row)?;
        self.needed(row, self.id, &mut event.aggregate_id)?;
        match &self.event_type {
            EventType::Fixed(fixed) => event.event_type.clone_from(fixed),
            EventType::Column(column) => self.needed(row, *column, &mut event.event_type)?,
        }
        event.occurred = self.time.map(|column| self.time_of(row, column)).transpose()?;
        event.key = self.keys.as_ref().map(|keys| self.key(row, event, keys));
        self.write_data(row, &mut event.data)
    }

    /// The key of a row's event. However a time is written, it is the same moment.
    fn key(&self, row: &Row, event: &RowEvent, columns: &[usize]) -> String {
        let named = [event.aggregate_id.as_str(), event.event_type.as_str()].into_iter();
        let moment = event.occurred.map(|time| format_time(time.nanos));
        let cells = columns.iter().map(|column| match &moment {
            Some(moment) if Some(*column) == self.time => moment,
            _ => row.cell(*column).text.trim(),
        });
        key_of(named.chain(cells))
    }

    /// The fields of an event that come from columns, and these.
    pub(crate) fn columns_of_fields(&self) -> Vec<(&'static str, String)> {
        let event_type = match self.event_type {
            EventType::Column(column) => Some(column),
            EventType::Fixed(_) => None,
        };
        let fields =
            [("aggregate_id", Some(self.id)), ("type", event_type), ("occurred_at", self.time)];
        let named = fields.into_iter().filter_map(|(field, column)| Some((field, column?)));
        named.map(|(field, column)| (field, self.header.name(column).to_owned())).collect()
    }

    pub(crate) const fn header(&self) -> &Header {
        &self.header
    }

    /// Cells beyond the columns that have names belong nowhere, and those before them may be shifted.
    /// Where columns were chosen, those without a name were not.
    fn check_width(&self, row: &Row) -> Result<(), Fault> {
        let extra = row.cells().enumerate().skip(self.header.len());
        let unnamed = self.header.unnamed().filter(|_| self.takes_rest);
        let unnamed = unnamed.map(|column| (column, row.cell(column)));
        match unnamed.chain(extra).find(|(_, cell)| !cell.is_empty()) {
            Some((column, cell)) => Err(Fault::of_row(format!(
                "cell {} holds {:?}, in a column without a name; is a delimiter in a cell that is \
                 not in quotes?",
                column + 1,
                shorten(cell.text)
            ))),
            None => Ok(()),
        }
    }

    /// A cell's text without space around it, which nobody sees and everybody's ids would differ by.
    fn needed(&self, row: &Row, column: usize, text: &mut String) -> Result<(), Fault> {
        let cell = row.cell(column);
        self.check_value(&cell, column)?;
        if cell.is_empty() {
            return Err(self.fault(column, "is empty"));
        }
        text.clear();
        text.push_str(cell.text.trim());
        Ok(())
    }

    fn time_of(&self, row: &Row, column: usize) -> Result<WrittenTime, Fault> {
        let cell = row.cell(column);
        self.check_value(&cell, column)?;
        if cell.is_empty() {
            return Err(self.fault(column, "is empty"));
        }
        let text = cell.text.trim();
        if text.len() > TIME_BYTES_MAX {
            return Err(self.fault(column, format!("{:?} is no time", shorten(text))));
        }
        let read = match cell.kind {
            Kind::Time => self.times.read_usual(text),
            _ => self.times.read(text),
        };
        read.map_err(|error| self.fault(column, error.to_string()))
    }

    fn write_data(&self, row: &Row, out: &mut Vec<u8>) -> Result<(), Fault> {
        out.clear();
        out.push(b'{');
        for (column, name) in &self.data {
            let cell = row.cell(*column);
            if cell.is_empty() {
                continue;
            }
            self.check_value(&cell, *column)?;
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            match cell.kind {
                Kind::Number | Kind::Truth => out.extend_from_slice(cell.text.as_bytes()),
                Kind::Written if is_number(cell.text) => {
                    out.extend_from_slice(cell.text.as_bytes());
                }
                _ => write_text(cell.text, out),
            }
        }
        out.push(b'}');
        Ok(())
    }

    fn check_value(&self, cell: &Cell<'_>, column: usize) -> Result<(), Fault> {
        match cell.kind {
            Kind::Fault => {
                Err(self.fault(column, format!("holds {}, which is no value", cell.text)))
            }
            _ => Ok(()),
        }
    }

    fn fault(&self, column: usize, detail: impl Into<String>) -> Fault {
        Fault::of_cell(self.header.name(column), detail)
    }
}

/// The beginning of a text, for a message.
pub(crate) fn shorten(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn to_json(text: &str) -> String {
    serde_json::to_string(text).expect("texts are JSON")
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("texts are JSON, and memory takes them");
}

#[cfg(test)]
mod tests;
