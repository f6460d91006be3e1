//! What a file is: by its ending, or as it is said.

use std::path::Path;

use clap::ValueEnum;

/// The forms that events are recorded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One event object a line.
    Ndjson,
    /// An array of event objects.
    Json,
    /// Cells between commas, semicolons or the like, under a row of names.
    Csv,
    /// Cells between tabs, under a row of names.
    Tsv,
    /// A spreadsheet of Excel.
    Xlsx,
    /// An `OpenDocument` spreadsheet.
    Ods,
}

impl Format {
    /// The format of a file of this name. What has no ending that says otherwise is NDJSON.
    pub(crate) fn of(file: &Path) -> Self {
        let ending = file.extension().and_then(|ending| ending.to_str()).map(str::to_lowercase);
        match ending.as_deref() {
            Some("json") => Self::Json,
            Some("csv") => Self::Csv,
            Some("tsv" | "tab") => Self::Tsv,
            Some("xlsx" | "xlsm") => Self::Xlsx,
            Some("ods") => Self::Ods,
            _ => Self::Ndjson,
        }
    }

    /// As it is said.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Xlsx => "xlsx",
            Self::Ods => "ods",
        }
    }

    /// Whether it is a spreadsheet.
    pub(crate) const fn is_workbook(self) -> bool {
        matches!(self, Self::Xlsx | Self::Ods)
    }

    /// Whether there are rows and columns in it.
    pub(crate) const fn is_table(self) -> bool {
        matches!(self, Self::Csv | Self::Tsv | Self::Xlsx | Self::Ods)
    }
}
