//! How a store is opened.

use laterbase_core::store::Durability;

/// How a store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RocksOptions {
    /// When a commit to the truth returns.
    ///
    /// `Durable` syncs the write-ahead log with every commit; RocksDB's own default does not.
    /// `Relaxed` leaves it to the operating system: a power loss may take the newest commits.
    pub durability: Durability,
    /// Most bytes of memory for blocks that were read, for both areas together.
    pub cache_bytes_max: usize,
    /// Most bytes of memory for entries that are not in table files yet, for both areas together.
    ///
    /// It is soft: while old entries are being written out, new ones are still taken.
    pub write_buffer_bytes_max: usize,
    /// Most bytes that the store may take, both areas together; `None` for what the disk has.
    ///
    /// A store that holds more already opens, and takes no more until the bound is raised.
    pub size_bytes_max: Option<u64>,
}

impl Default for RocksOptions {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            durability: Durability::default(),
            cache_bytes_max: 128 * MIB,
            write_buffer_bytes_max: 128 * MIB,
            size_bytes_max: None,
        }
    }
}
