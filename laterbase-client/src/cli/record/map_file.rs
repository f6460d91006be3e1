//! Which column is what, kept in a file: the flags of `laterbase record` under their names, as TOML.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use clap::ValueEnum as _;
use laterbase_core::id::RootName;
use laterbase_core::printable::Printable;
use serde::Deserialize;

use super::RecordArgs;
use super::format::Format;

/// What the file may say. Flags that are given win over it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct MapFile {
    root: Option<String>,
    format: Option<String>,
    id_column: Option<String>,
    type_column: Option<String>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    time_column: Option<String>,
    columns: Option<Vec<String>>,
    key_columns: Option<Vec<String>>,
    delimiter: Option<char>,
    sheet: Option<String>,
    time_format: Option<String>,
    timezone: Option<String>,
}

/// The arguments with what a file adds to them.
pub(super) fn complete(args: &RecordArgs, path: &Path) -> anyhow::Result<RecordArgs> {
    let name = Printable(path.display());
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    let map: MapFile = toml::from_str(&text).map_err(|error| anyhow!("{name}: {error}"))?;
    map.add_to(args).with_context(|| name.to_string())
}

impl MapFile {
    fn add_to(self, args: &RecordArgs) -> anyhow::Result<RecordArgs> {
        let mut args = args.clone();
        let root = self.root.as_deref().map(RootName::new).transpose()?;
        args.root = args.root.or(root);
        let format = self.format.map(|format| Format::from_str(&format, true));
        let format = format.transpose().map_err(|error| anyhow!("format: {error}"))?;
        args.format = args.format.or(format);
        let columns = &mut args.columns;
        if columns.event_type.is_none() && columns.type_column.is_none() {
            (columns.event_type, columns.type_column) = (self.event_type, self.type_column);
        }
        if columns.event_type.is_some() && columns.type_column.is_some() {
            return Err(anyhow!("type and type-column contradict each other"));
        }
        let or = |given: &mut Option<String>, kept: Option<String>| {
            *given = given.take().or(kept);
        };
        or(&mut columns.id_column, self.id_column);
        or(&mut columns.time_column, self.time_column);
        or(&mut columns.sheet, self.sheet);
        columns.columns = columns.columns.take().or(self.columns);
        columns.key_columns = columns.key_columns.take().or(self.key_columns);
        columns.delimiter = columns.delimiter.or(self.delimiter);
        or(&mut args.times.time_format, self.time_format);
        or(&mut args.times.timezone, self.timezone);
        Ok(args)
    }
}
