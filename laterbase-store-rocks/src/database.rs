//! The database of an area: a column family for each table.

use std::path::Path;

use laterbase_core::limits::KEY_BYTES_MAX;
use laterbase_core::store::{Area, Batch, Operation, StoreError, Table};
use laterbase_directory::{OpenError, close_to_others};
use rocksdb::properties::LIVE_SST_FILES_SIZE;
use rocksdb::{
    BlockBasedOptions, BottommostLevelCompaction, Cache, ColumnFamily, ColumnFamilyDescriptor,
    CompactOptions, DB, DBCompressionType, DBRecoveryMode, FlushOptions, LogLevel, Options,
    WriteBatch, WriteBufferManager,
};

use crate::error::{self, engine};
use crate::options::RocksOptions;
use crate::presence;

const MIB: usize = 1024 * 1024;

/// A key that sorts after every key of a table.
const BEYOND_ALL_KEYS: [u8; KEY_BYTES_MAX + 1] = [0xff; KEY_BYTES_MAX + 1];

/// Entries of one table that are gathered in memory before they become a file.
const WRITE_BUFFER_BYTES: usize = 16 * MIB;

/// Write-ahead log of one area. What of it is not in table files is read again when a store is
/// opened that was not closed in order, so this bounds how long that takes.
const WAL_BYTES_MAX: u64 = 32 * MIB as u64;

/// Table files that are kept open by each area.
const OPEN_FILES_MAX: i32 = 512;

/// The memory that both areas share.
#[derive(Clone)]
pub(crate) struct Memory {
    cache: Cache,
    write_buffers: WriteBufferManager,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Memory {
    pub(crate) fn new(options: RocksOptions) -> Self {
        let (most, stall_writers) = (options.write_buffer_bytes_max, false);
        Self {
            cache: Cache::new_lru_cache(options.cache_bytes_max),
            write_buffers: WriteBufferManager::new_write_buffer_manager(most, stall_writers),
        }
    }
}

/// A database that is open.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) db: DB,
    /// Whether it can only be read: its disk had no room for what opening it writes.
    pub(crate) is_read_only: bool,
    /// Whether nobody else has it open.
    is_ours: bool,
}

impl Database {
    /// Opens an area's database in a store's directory, and makes it if there is none.
    pub(crate) fn open(directory: &Path, area: Area, memory: &Memory) -> Result<Self, OpenError> {
        let families = || families(area, memory);
        // RocksDB insists on a family named `default`, which stays empty.
        let options = database_options(memory);
        presence::check(directory, area, &options)?;
        let folder = directory.join(presence::folder_name(area));
        let opened = match DB::open_cf_descriptors(&options, &folder, families()) {
            Ok(db) => Ok(Self { db, is_read_only: false, is_ours: true }),
            // Opening writes what is in the write-ahead log to table files. Reads need none of that.
            Err(error) if error::is_no_space(&error) => {
                let db = DB::open_cf_descriptors_read_only(&options, &folder, families(), false);
                db.map(|db| Self { db, is_read_only: true, is_ours: true })
            }
            Err(error) => Err(error),
        };
        let opened = opened.map_err(engine("open its database"))?;
        // RocksDB gives its files the mode that the umask leaves. The folder keeps others out, so
        // nothing depends on this.
        let _ = close_to_others(&folder);
        Ok(opened)
    }

    /// Opens an area's database as it is now, whoever has it open. Nothing is written.
    ///
    /// All table files are opened at once: the process that writes may remove them afterwards.
    ///
    /// # Errors
    /// [`rocksdb::Error`], also where that process removes a file while this one looks for it.
    pub(crate) fn open_to_read(
        folder: &Path,
        area: Area,
        memory: &Memory,
    ) -> Result<Self, rocksdb::Error> {
        let mut options = database_options(memory);
        options.create_if_missing(false);
        options.create_missing_column_families(false);
        options.set_max_open_files(-1);
        let families = families(area, memory);
        let db = DB::open_cf_descriptors_read_only(&options, folder, families, false)?;
        Ok(Self { db, is_read_only: true, is_ours: false })
    }

    pub(crate) fn entries(&self, table: Table) -> &ColumnFamily {
        self.db.cf_handle(table.name()).expect("the table is of this area")
    }

    /// Bytes of the table files of each table. What is in the write-ahead log only is not in them.
    pub(crate) fn table_bytes(&self, area: Area) -> Result<Vec<(Table, u64)>, StoreError> {
        let bytes = |table: Table| {
            let bytes = self.db.property_int_value_cf(self.entries(table), LIVE_SST_FILES_SIZE);
            Ok((table, bytes.map_err(engine("count its files"))?.unwrap_or(0)))
        };
        tables_of(area).map(bytes).collect()
    }

    /// Merges the files of all tables.
    pub(crate) fn compact(&self, area: Area) -> Result<(), StoreError> {
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        let families: Vec<_> = tables_of(area).map(|table| self.entries(table)).collect();
        let flushed = self.db.flush_cfs_opt(&families, &FlushOptions::default());
        flushed.map_err(engine("write its buffers out"))?;
        for family in families {
            self.db.compact_range_cf_opt(family, None::<&[u8]>, None::<&[u8]>, &options);
        }
        Ok(())
    }

    /// The batch in RocksDB's form, in which operations take effect in their order too.
    pub(crate) fn changes(&self, batch: &Batch) -> WriteBatch {
        let mut changes = WriteBatch::with_capacity_bytes(batch.size_bytes() + 16 * batch.len());
        let mut current: Option<(Table, &ColumnFamily)> = None;
        let mut entries = |of: Table| match current {
            Some((table, entries)) if table == of => entries,
            _ => current.insert((of, self.entries(of))).1,
        };
        for operation in batch.operations() {
            match operation {
                Operation::Put { table, key, value } => changes.put_cf(entries(table), key, value),
                Operation::Delete { table, key } => changes.delete_cf(entries(table), key),
                Operation::Clear { table } => {
                    let none: &[u8] = &[];
                    changes.delete_range_cf(entries(table), none, &BEYOND_ALL_KEYS);
                }
            }
        }
        changes
    }
}

impl Drop for Database {
    /// Turns what is in the write-ahead log only into table files, so that the next opening need
    /// not read it again.
    fn drop(&mut self) {
        if !self.is_read_only {
            let families: Vec<&ColumnFamily> =
                Table::ALL.iter().filter_map(|table| self.db.cf_handle(table.name())).collect();
            // Should that fail, the log still has everything.
            let _ = self.db.flush_cfs_opt(&families, &FlushOptions::default());
        }
        if self.is_ours {
            let _ = close_to_others(self.db.path());
        }
    }
}

fn tables_of(area: Area) -> impl Iterator<Item = Table> {
    Table::ALL.into_iter().filter(move |table| table.area() == area)
}

/// A family for each table of an area.
fn families(area: Area, memory: &Memory) -> impl Iterator<Item = ColumnFamilyDescriptor> + '_ {
    tables_of(area).map(|table| ColumnFamilyDescriptor::new(table.name(), table_options(memory)))
}

/// Settings of a database that is mostly appended to.
fn database_options(memory: &Memory) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // Stop at the first sign of damage rather than write on over it.
    options.set_paranoid_checks(true);
    // What a crash leaves of the last entry is dropped, and what is before it kept. Since all
    // tables of an area share one log, what is left is a state that was once current.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    // A log that is gone, or shorter than it was when it was synced for the last time, is damage
    // and no crash. The one that is written to is not among them.
    options.set_track_and_verify_wals_in_manifest(true);
    // The log goes to the operating system with every commit, so that a killed process loses
    // nothing; whether it goes to the disk too is said at each commit.
    options.set_manual_wal_flush(false);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_write_buffer_manager(&memory.write_buffers);
    // All files open would make opening a large store slow, and take a descriptor each.
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_skip_stats_update_on_db_open(true);
    // Table files are written to disk as they grow: a sync at their end would delay the commits
    // that sync the log meanwhile.
    options.set_bytes_per_sync(MIB as u64);
    // One thread to write buffers out, one to merge files: Laterbase runs beside its users' code.
    options.set_max_background_jobs(2);
    // RocksDB's own diary: kept short, and without statistics that nobody reads.
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(MIB);
    options.set_keep_log_file_num(2);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

/// Settings of a table.
///
/// There are no Bloom filters: they pay where keys are asked for that are not there, and the core
/// asks for keys that it knows (the log) or scans ranges (all large tables but the log).
fn table_options(memory: &Memory) -> Options {
    let mut blocks = BlockBasedOptions::default();
    // Indexes of files count against the cache as well, so that memory does not grow with data.
    blocks.set_block_cache(&memory.cache);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    // Records are some hundred bytes: larger blocks compress better, and reads are mostly scans.
    blocks.set_block_size(16 * 1024);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    // JSON shrinks to a half or third, at a speed that the disk does not notice.
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    // One to be written to while others are written out: a burst then does not stop the writer.
    options.set_max_write_buffer_number(4);
    options
}
