//! How a store fares, for whoever watches over it.

use super::{StoreError, Table};

/// With less than this, a store is low on room.
const LOW_BYTES: u64 = 64 * 1024 * 1024;

/// How a store fares. What an engine cannot tell is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Bytes that the store takes.
    pub size_bytes: Option<u64>,
    /// Most bytes that it may take, if it was opened with such a bound.
    pub size_bytes_max: Option<u64>,
    /// Bytes that may still be written to its disk.
    pub disk_free_bytes: Option<u64>,
    /// Why the next write would be refused, as far as can be told without one.
    pub refusal: Option<Refusal>,
    /// The same for the derived tables, which the truth can do without for a while.
    pub derived_refusal: Option<Refusal>,
    /// Derived tables that were found damaged since the store was opened: what was found, and where
    /// they were put. The oldest first, a hundred at most.
    pub set_aside: Vec<String>,
}

/// Why writes are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Disk, map or bound is full. It ends by itself once there is room.
    Full {
        /// Which of them, for the operator.
        detail: String,
    },
    /// A commit failed, and the store must be opened anew.
    Poisoned,
}

impl Condition {
    /// Whether little can still be written: less than 64 MiB, or a twentieth of what the store takes
    /// and may still take.
    pub fn is_low(&self) -> bool {
        let Some(left) = self.left_bytes() else { return false };
        left < LOW_BYTES || left < left.saturating_add(self.size_bytes.unwrap_or(0)) / 20
    }

    /// Bytes that can still be written: what the disk has, or what is left up to the bound if that
    /// is less. `None` if nothing is known to bound them.
    pub fn left_bytes(&self) -> Option<u64> {
        let up_to_bound = self.size_bytes_max.zip(self.size_bytes);
        let up_to_bound = up_to_bound.map(|(most, taken)| most.saturating_sub(taken));
        up_to_bound.into_iter().chain(self.disk_free_bytes).min()
    }
}

impl Refusal {
    /// What a write gets.
    pub fn into_error(self) -> StoreError {
        match self {
            Self::Full { detail } => StoreError::Full { detail },
            Self::Poisoned => StoreError::Poisoned,
        }
    }
}

/// What takes how much of a store's room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes that each table takes; nothing if the engine cannot tell.
    pub tables: Vec<(Table, u64)>,
    /// Bytes of all files, also of what is free in them to be used again.
    pub files_bytes: u64,
}
