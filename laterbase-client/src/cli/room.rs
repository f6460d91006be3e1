//! How much room a store has left, and what it found damaged.

use laterbase_client::device::Device;
use laterbase_core::store::{Area, Condition, Table, Usage};
use serde::Serialize;

use super::output::complain;

/// The same as a server says it at `GET /`.
#[derive(Serialize)]
pub(crate) struct StorageSummary {
    size_bytes: Option<u64>,
    size_bytes_max: Option<u64>,
    left_bytes: Option<u64>,
    set_aside: Vec<String>,
    /// Bytes by table, and of all files, where they were asked for.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    usage: Option<UsageSummary>,
}

#[derive(Serialize)]
struct UsageSummary {
    tables: Vec<TableSummary>,
    files_bytes: u64,
}

#[derive(Serialize)]
struct TableSummary {
    table: &'static str,
    /// Whether it can be computed again from the others.
    derived: bool,
    bytes: u64,
}

impl UsageSummary {
    fn of(usage: &Usage) -> Self {
        let table = |&(table, bytes): &(Table, u64)| TableSummary {
            table: table.name(),
            derived: table.area() == Area::Derived,
            bytes,
        };
        let tables = usage.tables.iter().map(table).collect();
        Self { tables, files_bytes: usage.files_bytes }
    }
}

impl StorageSummary {
    pub(crate) fn of(condition: Condition) -> Self {
        Self {
            size_bytes: condition.size_bytes,
            size_bytes_max: condition.size_bytes_max,
            left_bytes: condition.left_bytes(),
            set_aside: condition.set_aside,
            usage: None,
        }
    }

    /// With what takes how much of it.
    pub(crate) fn with_usage(self, usage: &Usage) -> Self {
        Self { usage: Some(UsageSummary::of(usage)), ..self }
    }
}

impl std::fmt::Display for StorageSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(taken) = self.size_bytes {
            write!(f, "\n{}", amount(taken))?;
            match self.left_bytes {
                Some(left) => write!(f, ", {} left", amount(left))?,
                // Who only reads a store beside its owner does not know what that one may take.
                None => f.write_str(", and what is left is not known here")?,
            }
            if let Some(most) = self.size_bytes_max {
                write!(f, " up to its bound of {}", amount(most))?;
            }
        }
        let Some(usage) = &self.usage else { return Ok(()) };
        let taken: u64 = usage.tables.iter().map(|table| table.bytes).sum();
        write!(f, "\nfiles take {}", amount(usage.files_bytes))?;
        if let Some(free) = usage.files_bytes.checked_sub(taken).filter(|_| taken > 0) {
            write!(f, ", of which {} are free, in logs or overhead", amount(free))?;
        }
        for TableSummary { table, derived, bytes } in &usage.tables {
            let kind = if *derived { "  (can be built again)" } else { "" };
            write!(f, "\n  {table:10}  {:>12}{kind}", amount(*bytes))?;
        }
        Ok(())
    }
}

/// Bytes in the largest unit of which there is one.
pub(super) fn amount(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} bytes"),
    }
}

/// Says what a user should know, once a command.
pub(crate) fn warn(device: &Device) {
    let condition = device.reader().condition();
    for found in &condition.set_aside {
        complain(format_args!("the derived tables were damaged, and are built anew: {found}"));
    }
    if condition.is_low() {
        let left = amount(condition.left_bytes().unwrap_or(0));
        complain(format_args!("the store has little room left: {left}"));
    }
}
