//! The storage contract: what Laterbase asks of a storage engine.
//!
//! A [`Store`] is a handful of named tables of byte keys and byte values, ordered by key
//! (unsigned bytes, shorter first), read through [`Snapshot`]s and changed through atomic
//! [`Batch`]es. Everything Laterbase knows of events is written once, above this trait.
//!
//! Whoever writes a backend needs this page and the conformance suite of `laterbase-testkit`.
//!
//! # What a backend guarantees
//!
//! - **Order.** Scans give keys in the order of their bytes, in both directions. No locale, no
//!   little-endian integers, no hash order.
//! - **Atomicity.** After a commit returns `Ok`, all of the batch is visible to later snapshots;
//!   after `Err`, or a crash at any point, all of it or nothing of it is there.
//! - **Durability.** With [`Durability::Durable`], a commit to [`Area::Truth`] that has returned
//!   `Ok` survives power loss. A commit to [`Area::Derived`] may be lost by a crash, but only
//!   together with every later commit to that area: what remains is a state that was once
//!   current.
//! - **Isolation.** A snapshot shows each area at one moment and never changes. It shows every
//!   commit that returned before it was taken. The two areas need not be of the same moment.
//! - **One writer at a time per area.** Callers may commit from several threads; the backend puts
//!   the commits to one area in some order. A commit to one area must not wait for one to the
//!   other.
//! - **Readers do not wait** for writers, nor writers for readers.
//! - **Poison.** After a commit failed in a way that leaves doubt about the disk, every further
//!   commit, to either area, fails with [`StoreError::Poisoned`] until the store is opened anew.
//!   Reads go on. [`StoreError::Full`] leaves no doubt, so it need not poison. Nor does a failure
//!   of the derived area, which can be renewed.
//! - **One writer.** A store lends its writer once ([`Store::writer`]), however many handles there
//!   are. Whoever wants to write as well shares the replica that has it: `laterbase-server` gives a
//!   handle for that, and a `Device` is one.
//! - **Damage is an error.** Whatever the files hold, reading and writing gives an `Err` and never
//!   ends the process. A derived area that cannot be opened is set aside and begun anew, and
//!   [`Store::condition`] says so; so is one that [`Store::renew_derived`] is called for.
//!
//! # What it need not guarantee
//!
//! Reading one's own uncommitted writes, ranges deleted in one step, transactions over both
//! areas, or merging of values. The core asks for none of them.
//!
//! # Shape
//!
//! The trait is synchronous, and both a page of a scan and a batch are one call, so that it fits
//! a remote ordered store as well as an embedded one.

use std::error::Error as StdError;
use std::fmt;
use std::ops::ControlFlow;

use std::borrow::Cow;

use crate::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

mod condition;
mod lending;

pub use condition::{Condition, Refusal, Usage};
pub use lending::{WriterLease, WriterSlot};

/// Where the truth keeps the store's home, in [`Table::Meta`]: where the store lived when a replica
/// last opened it. A replica that finds another home there than it was opened with takes a new id.
/// An engine that replaces the file by which a home is told writes the new one here, if it finds
/// the old one.
pub const HOME_KEY: &[u8] = crate::keys::HOME;

/// A part of the store that is written atomically and on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    /// Durable before a commit returns. Nothing in it can be rebuilt.
    Truth,
    /// May trail the truth. All of it can be rebuilt from there.
    Derived,
}

/// A named table of byte keys and byte values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Identity, clock, names and heads. Truth.
    Meta,
    /// Arrival position → log entry. Keys are only ever added at the end. Truth.
    Log,
    /// (root, origin, first seq) → (arrival position, length). Truth.
    Runs,
    /// What is remembered of peers: acknowledged seqs and cursors. Truth.
    Peers,
    /// Events that claim a dot which another event holds. Truth.
    Quarantine,
    /// How far the derived area is built, and its counters. Derived.
    Progress,
    /// (root, aggregate, occurred, recorded, origin) → arrival position. Derived.
    FoldIndex,
    /// (root, idempotency key, aggregate, place) → arrival position. Derived.
    Keys,
    /// (root, aggregate, fold, place) → snapshot. Derived.
    Snapshots,
    /// (root, aggregate, event that is taken back, place of the one that does) → arrival position of
    /// that one. Derived.
    Voids,
}

impl Table {
    /// All tables, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Meta,
        Self::Log,
        Self::Runs,
        Self::Peers,
        Self::Quarantine,
        Self::Progress,
        Self::FoldIndex,
        Self::Keys,
        Self::Snapshots,
        Self::Voids,
    ];

    /// The area that the table belongs to.
    pub const fn area(self) -> Area {
        match self {
            Self::Meta | Self::Log | Self::Runs | Self::Peers | Self::Quarantine => Area::Truth,
            Self::Progress | Self::FoldIndex | Self::Keys | Self::Snapshots | Self::Voids => {
                Area::Derived
            }
        }
    }

    /// The name under which the table is kept on disk. It never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Log => "log",
            Self::Runs => "runs",
            Self::Peers => "peers",
            Self::Quarantine => "quarantine",
            Self::Progress => "progress",
            Self::FoldIndex => "fold_index",
            Self::Keys => "keys",
            Self::Snapshots => "snapshots",
            Self::Voids => "voids",
        }
    }

    /// Whether every new key sorts after all keys that the table holds.
    ///
    /// A backend may use this to append instead of searching. It must still store a key that
    /// breaks the promise.
    pub const fn is_append_only(self) -> bool {
        matches!(self, Self::Log)
    }
}

/// When a commit to [`Area::Truth`] returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// After the data is on disk (fsync).
    #[default]
    Durable,
    /// After the data is with the operating system. A power loss may take the newest commits.
    Relaxed,
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the smallest key up.
    Forward,
    /// From the largest key down.
    Backward,
}

/// One page of a range of keys.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'a> {
    /// Where to look.
    pub table: Table,
    /// Smallest key of the range, inclusive. Empty means the start of the table.
    pub start: &'a [u8],
    /// End of the range, exclusive. `None` means the end of the table.
    pub end: Option<&'a [u8]>,
    /// Which end of the range comes first.
    pub direction: Direction,
    /// Most entries to visit.
    pub limit: usize,
}

impl<'a> Scan<'a> {
    /// All keys of a table, forward, without a limit.
    pub const fn all(table: Table) -> Self {
        Self { table, start: &[], end: None, direction: Direction::Forward, limit: usize::MAX }
    }

    /// The keys in `start..end`, forward, without a limit.
    pub const fn range(table: Table, start: &'a [u8], end: &'a [u8]) -> Self {
        Self { table, start, end: Some(end), direction: Direction::Forward, limit: usize::MAX }
    }

    /// The same range from its other end.
    #[must_use]
    pub const fn backward(self) -> Self {
        Self { direction: Direction::Backward, ..self }
    }

    /// The same range, at most `limit` entries of it.
    #[must_use]
    pub const fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }
}

/// Takes one key and value of a scan and says whether to go on.
pub type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'v;

/// A storage engine, opened on one store. See the [module](self) for what it guarantees.
pub trait Store: Send + Sync + fmt::Debug {
    /// The engine's name, as the directory is stamped with it: `memory`, `lmdb`, `rocks`.
    fn engine(&self) -> &'static str;

    /// The durability that the store was opened with.
    fn durability(&self) -> Durability;

    /// Opens a view of the store as it is now.
    ///
    /// # Errors
    /// [`StoreError::Engine`] if the engine fails.
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError>;

    /// Writes all of a batch, or nothing of it. Operations take effect in the order in which they
    /// were added: the last one on a key wins.
    ///
    /// # Errors
    /// [`StoreError::Full`] if disk or map is full: nothing was written.
    /// [`StoreError::Poisoned`] if an earlier commit failed: nothing was written.
    /// [`StoreError::Engine`] if the engine fails: whether the batch is there is known only
    /// after the store is opened anew, and until then further commits are refused.
    fn commit(&self, batch: &Batch) -> Result<(), StoreError>;

    /// Makes every commit that has returned survive power loss, whatever the durability setting.
    ///
    /// # Errors
    /// As for [`Store::commit`].
    fn sync(&self) -> Result<(), StoreError>;

    /// Bytes that the store takes on disk, or in memory if it has no disk.
    ///
    /// # Errors
    /// [`StoreError::Engine`] if the engine cannot tell.
    fn size_bytes(&self) -> Result<u64, StoreError>;

    /// Where the store lives: a hash that no copy has, by which a copy takes a new replica id. Zeros
    /// where nothing can be copied. A store around a store gives the inner one's.
    ///
    /// # Errors
    /// [`StoreError::Engine`] if the place cannot be looked at.
    fn home(&self) -> Result<[u8; 32], StoreError>;

    /// What takes how much of the store's room. It may look at every file.
    ///
    /// # Errors
    /// [`StoreError::Engine`] if the engine cannot tell.
    fn usage(&self) -> Result<Usage, StoreError> {
        Ok(Usage { tables: Vec::new(), files_bytes: self.size_bytes()? })
    }

    /// What the store lends its one writer by. The same for all handles on one store; a store
    /// around a store gives the inner one's.
    fn writer(&self) -> &WriterSlot;

    /// Gives up what the derived area holds, which was found damaged, and begins an empty one.
    /// Snapshots that are open go on seeing the old one.
    ///
    /// # Errors
    /// [`StoreError`]; the derived area is then as it was, or empty.
    fn renew_derived(&self, _reason: &str) -> Result<(), StoreError> {
        let mut batch = Batch::new(Area::Derived);
        for table in Table::ALL.into_iter().filter(|table| table.area() == Area::Derived) {
            batch.clear(table);
        }
        self.commit(&batch)
    }

    /// Why the next commit to an area would be refused, as far as can be told without one. Cheap
    /// enough to be asked at every request.
    fn refusal(&self, _area: Area) -> Option<Refusal> {
        None
    }

    /// How the store fares. Cheap enough to be asked once a second.
    fn condition(&self) -> Condition {
        let (refusal, derived_refusal) = (self.refusal(Area::Truth), self.refusal(Area::Derived));
        let size_bytes = self.size_bytes().ok();
        Condition { size_bytes, refusal, derived_refusal, ..Condition::default() }
    }
}

/// A view of a store at one moment.
pub trait Snapshot {
    /// Reads one value.
    ///
    /// # Errors
    /// [`StoreError::Engine`] if the engine fails.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, StoreError>;

    /// Visits a page of a range, until its end, the limit, or the visitor's break.
    ///
    /// # Errors
    /// [`StoreError::Engine`] if the engine fails.
    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError>;
}

/// Why a storage engine could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Disk or map is full. Nothing was written; what was acknowledged is still there.
    #[error("the store is full: {detail}")]
    Full {
        /// Which bound was met, for the operator.
        detail: String,
    },
    /// An earlier commit failed, so writes are refused until the store is opened anew.
    #[error("an earlier write failed, so this store takes no more until it is opened anew")]
    Poisoned,
    /// The store has a writer already, and lends it once. Nothing was changed.
    #[error(
        "the store has a writer already, which it lends once: write through the replica that has \
         it (a server's handle, or the device), or close that one first"
    )]
    WriterLent,
    /// The derived tables are being built anew, and enough readers wait for that. Later it works.
    #[error("the index is being built anew")]
    Rebuilding,
    /// The engine failed.
    #[error("the storage engine could not {action}")]
    Engine {
        /// What was being done, as a verb phrase.
        action: &'static str,
        /// The engine's own error.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// What is on disk contradicts itself.
    #[error("the store is damaged: {detail}")]
    Corrupt {
        /// What was found, and where.
        detail: String,
    },
}

impl StoreError {
    /// Wraps an engine's error. `action` completes "the storage engine could not …".
    pub fn engine(
        action: &'static str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::Engine { action, source: source.into() }
    }

    /// Says that stored data contradicts itself.
    pub fn corrupt(detail: impl Into<String>) -> Self {
        Self::Corrupt { detail: detail.into() }
    }
}

/// What a commit to a store says that was opened to be read only.
pub fn read_only() -> StoreError {
    StoreError::engine("write", "the store was opened to be read only")
}

/// Changes to one area that are written together.
///
/// Keys and values are gathered in one buffer, so a batch of thousands costs few allocations.
#[derive(Clone, Debug)]
pub struct Batch {
    area: Area,
    bytes: Vec<u8>,
    operations: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
enum Slot {
    Put { table: Table, start: usize, key_end: usize, value_end: usize },
    Delete { table: Table, start: usize, key_end: usize },
    Clear { table: Table },
}

/// One change of a [`Batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation<'a> {
    /// Stores a value under a key, whether or not there was one.
    Put {
        /// Where to.
        table: Table,
        /// 1 to [`KEY_BYTES_MAX`] bytes.
        key: &'a [u8],
        /// 0 to [`VALUE_BYTES_MAX`] bytes.
        value: &'a [u8],
    },
    /// Removes a key, whether or not it is there.
    Delete {
        /// Where from.
        table: Table,
        /// 1 to [`KEY_BYTES_MAX`] bytes.
        key: &'a [u8],
    },
    /// Removes every key of a table that was there before this operation.
    Clear {
        /// Which one.
        table: Table,
    },
}

impl Batch {
    /// An empty batch for one area.
    pub const fn new(area: Area) -> Self {
        Self { area, bytes: Vec::new(), operations: Vec::new() }
    }

    /// The area that the batch changes.
    pub const fn area(&self) -> Area {
        self.area
    }

    /// Adds a put.
    ///
    /// # Panics
    /// If the table is of another area, or key or value are outside their bounds.
    pub fn put(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.put_with(table, key, |bytes| bytes.extend_from_slice(value));
    }

    /// Adds a put whose value `write` appends to the batch's own buffer.
    ///
    /// # Panics
    /// As for [`Batch::put`].
    pub fn put_with(&mut self, table: Table, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        self.check(table, key);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        write(&mut self.bytes);
        let value_end = self.bytes.len();
        assert!(value_end >= key_end, "a value's writer only appends");
        assert!(value_end - key_end <= VALUE_BYTES_MAX, "value longer than VALUE_BYTES_MAX");
        self.operations.push(Slot::Put { table, start, key_end, value_end });
    }

    /// Adds a delete.
    ///
    /// # Panics
    /// As for [`Batch::put`].
    pub fn delete(&mut self, table: Table, key: &[u8]) {
        self.check(table, key);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.operations.push(Slot::Delete { table, start, key_end: self.bytes.len() });
    }

    /// Adds the removal of everything that a table holds.
    ///
    /// # Panics
    /// If the table is of another area.
    pub fn clear(&mut self, table: Table) {
        assert_eq!(table.area(), self.area, "a batch writes to one area");
        self.operations.push(Slot::Clear { table });
    }

    /// How many operations there are.
    pub const fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether there is nothing to write.
    pub const fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Bytes of all keys and values.
    pub const fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The operations in the order in which they were added.
    pub fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        self.operations.iter().map(|slot| match *slot {
            Slot::Put { table, start, key_end, value_end } => Operation::Put {
                table,
                key: &self.bytes[start..key_end],
                value: &self.bytes[key_end..value_end],
            },
            Slot::Delete { table, start, key_end } => {
                Operation::Delete { table, key: &self.bytes[start..key_end] }
            }
            Slot::Clear { table } => Operation::Clear { table },
        })
    }

    fn check(&self, table: Table, key: &[u8]) {
        assert_eq!(table.area(), self.area, "a batch writes to one area");
        assert!(!key.is_empty(), "keys are not empty");
        assert!(key.len() <= KEY_BYTES_MAX, "key longer than KEY_BYTES_MAX");
    }
}
