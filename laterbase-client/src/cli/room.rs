//! How much room a store has left, and what it found damaged.

use laterbase_client::device::Device;
use laterbase_core::store::Condition;
use serde::Serialize;

use super::output::complain;

/// The same as a server says it at `GET /`.
#[derive(Serialize)]
pub(crate) struct StorageSummary {
    size_bytes: Option<u64>,
    size_bytes_max: Option<u64>,
    left_bytes: Option<u64>,
    set_aside: Vec<String>,
}

impl StorageSummary {
    pub(crate) fn of(condition: Condition) -> Self {
        Self {
            size_bytes: condition.size_bytes,
            size_bytes_max: condition.size_bytes_max,
            left_bytes: condition.left_bytes(),
            set_aside: condition.set_aside,
        }
    }
}

impl std::fmt::Display for StorageSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Some(taken), Some(left)) = (self.size_bytes, self.left_bytes) else { return Ok(()) };
        write!(f, "\n{}, {} left", amount(taken), amount(left))?;
        match self.size_bytes_max {
            Some(most) => write!(f, " up to its bound of {}", amount(most)),
            None => Ok(()),
        }
    }
}

/// Bytes in the largest unit of which there is one.
fn amount(bytes: u64) -> String {
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
