//! RocksDB without Laterbase.

use std::path::Path;

use anyhow::Result;
use laterbase_core::store::{Area, Batch, Operation, Table};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType,
    Direction, FlushOptions, IteratorMode, Options, WriteBatch, WriteOptions,
};

const MIB: usize = 1024 * 1024;

/// RocksDB with the settings of the store that bear on speed.
#[derive(Debug)]
pub(super) struct RawRocks {
    db: DB,
}

impl RawRocks {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_max_total_wal_size(32 * MIB as u64);
        options.set_bytes_per_sync(MIB as u64);
        options.set_max_background_jobs(2);
        let cache = Cache::new_lru_cache(128 * MIB);
        let tables = Table::ALL.into_iter().filter(|table| table.area() == Area::Truth);
        let families = tables
            .map(|table| ColumnFamilyDescriptor::new(table.name(), table_options(&cache)))
            .collect::<Vec<_>>();
        Ok(Self { db: DB::open_cf_descriptors(&options, folder, families)? })
    }

    fn entries(&self, table: Table) -> &ColumnFamily {
        self.db.cf_handle(table.name()).expect("a table of the truth")
    }

    pub(super) fn write(&self, batch: &Batch) -> Result<()> {
        let mut changes = WriteBatch::default();
        for operation in batch.operations() {
            let Operation::Put { table, key, value } = operation else { continue };
            changes.put_cf(self.entries(table), key, value);
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        Ok(self.db.write_opt(changes, &options)?)
    }

    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.db.get_cf(self.entries(table), key)?)
    }

    pub(super) fn scan_log(&self, start: &[u8], limit: usize) -> Result<u64> {
        let mode = IteratorMode::From(start, Direction::Forward);
        let mut bytes = 0;
        for entry in self.db.iterator_cf(self.entries(Table::Log), mode).take(limit) {
            bytes += std::hint::black_box(entry?.1).len() as u64;
        }
        Ok(bytes)
    }

    pub(super) fn flush(&self) -> Result<()> {
        let truth = Table::ALL.into_iter().filter(|table| table.area() == Area::Truth);
        let families: Vec<_> = truth.map(|table| self.entries(table)).collect();
        Ok(self.db.flush_cfs_opt(&families, &FlushOptions::default())?)
    }
}

fn table_options(cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_block_size(16 * 1024);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(16 * MIB);
    options.set_max_write_buffer_number(4);
    options
}
