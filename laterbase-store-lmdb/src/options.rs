//! How a store is opened.

use laterbase_core::store::Durability;

/// How a store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LmdbOptions {
    /// When a commit to the truth returns.
    ///
    /// `Relaxed` spares one of LMDB's two syncs a commit (`MDB_NOMETASYNC`): a power loss may take
    /// the newest commits and leaves a store that was once current. `MDB_NOSYNC` would spare both,
    /// but could leave a store that never was, which the contract rules out.
    pub durability: Durability,
    /// Most bytes that each of the two areas may take, and the address space reserved for each.
    ///
    /// Rounded down to whole pages. A store that holds more already opens, and takes no more.
    pub map_bytes_max: u64,
    /// Most bytes that the store may take, both areas together; `None` for what the disk has.
    ///
    /// A store that holds more already opens, and takes no more until the bound is raised.
    pub size_bytes_max: Option<u64>,
}

impl LmdbOptions {
    /// What [`LmdbOptions::map_bytes_max`] is unless said otherwise: as good as no bound where
    /// addresses have 64 bits, and what fits beside a program where they have 32.
    pub const MAP_BYTES_MAX_DEFAULT: u64 =
        if usize::BITS >= 64 { 1024 * 1024 * 1024 * 1024 } else { 512 * 1024 * 1024 };
}

impl Default for LmdbOptions {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            map_bytes_max: Self::MAP_BYTES_MAX_DEFAULT,
            size_bytes_max: None,
        }
    }
}
