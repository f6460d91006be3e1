//! Which column of a table says what: as flags, and as they are kept in a file.

use clap::Args;

/// The columns of a table, by the names in its first row.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Tables (CSV, TSV, .xlsx, .ods)")]
pub(crate) struct ColumnFlags {
    /// The column with the aggregate's id [default: aggregate_id].
    #[arg(long, value_name = "COLUMN")]
    pub(crate) id_column: Option<String>,
    /// The column with the event's type [default: type].
    #[arg(long, value_name = "COLUMN", conflicts_with = "event_type")]
    pub(crate) type_column: Option<String>,
    /// The type of all events.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: Option<String>,
    /// The column that says when it happened [default: occurred_at if there is one, else all happen
    /// now].
    #[arg(long, value_name = "COLUMN")]
    pub(crate) time_column: Option<String>,
    /// The columns that make the data [default: all others].
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub(crate) columns: Option<Vec<String>>,
    /// Columns that, with id and type, tell one event from all others: what was recorded with the
    /// same ones before is not recorded again.
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub(crate) key_columns: Option<Vec<String>>,
    /// What stands between the cells of a CSV [default: found out from the first line].
    #[arg(long, value_name = "CHARACTER")]
    pub(crate) delimiter: Option<char>,
    /// The sheet of a spreadsheet [default: the only one].
    #[arg(long, value_name = "NAME")]
    pub(crate) sheet: Option<String>,
}

impl ColumnFlags {
    /// The first flag that is given, for a complaint where there is no table.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let flags = [
            (self.id_column.is_some(), "--id-column"),
            (self.type_column.is_some(), "--type-column"),
            (self.event_type.is_some(), "--type"),
            (self.time_column.is_some(), "--time-column"),
            (self.columns.is_some(), "--columns"),
            (self.key_columns.is_some(), "--key-columns"),
            (self.delimiter.is_some(), "--delimiter"),
            (self.sheet.is_some(), "--sheet"),
        ];
        flags.iter().find(|(is_given, _)| *is_given).map(|(_, name)| *name)
    }
}
