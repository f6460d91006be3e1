//! Engines without Laterbase: the floor under every figure.

use std::fs;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, Result};
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, PutFlags, WithoutTls};
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::store::{Area, Batch, Operation, Scan, Store, Table};
use tempfile::TempDir;

use crate::Engine;

/// Address space for an LMDB map; the file grows only as it is written.
const MAP_BYTES: usize = 64 << 30;

/// An engine, used directly, with the settings of its store and the tables of the truth.
#[derive(Debug)]
pub struct Raw {
    engine: RawEngine,
    folder: TempDir,
}

#[derive(Debug)]
enum RawEngine {
    Memory(MemoryStore),
    Lmdb(RawLmdb),
    #[cfg(feature = "rocks")]
    Rocks(rocks::RawRocks),
}

impl Raw {
    /// A new, empty database.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn open(engine: Engine) -> Result<Self> {
        let folder = TempDir::new()?;
        let engine = match engine {
            Engine::Memory => RawEngine::Memory(MemoryStore::new()),
            Engine::Lmdb => RawEngine::Lmdb(RawLmdb::open(folder.path())?),
            #[cfg(feature = "rocks")]
            Engine::Rocks => RawEngine::Rocks(rocks::RawRocks::open(folder.path())?),
        };
        Ok(Self { engine, folder })
    }

    /// Writes the puts of a batch in one durable transaction.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn write(&self, batch: &Batch) -> Result<()> {
        match &self.engine {
            RawEngine::Memory(store) => Ok(store.commit(batch)?),
            RawEngine::Lmdb(lmdb) => lmdb.write(batch),
            #[cfg(feature = "rocks")]
            RawEngine::Rocks(rocks) => rocks.write(batch),
        }
    }

    /// Reads one value into memory of the caller's.
    ///
    /// # Errors
    /// If the engine fails, or has no such key.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Vec<u8>> {
        let value = match &self.engine {
            RawEngine::Memory(store) => {
                store.snapshot()?.get(table, key)?.map(std::borrow::Cow::into_owned)
            }
            RawEngine::Lmdb(lmdb) => lmdb.get(table, key)?,
            #[cfg(feature = "rocks")]
            RawEngine::Rocks(rocks) => rocks.get(table, key)?,
        };
        value.context("the engine has no such key")
    }

    /// Visits the values of at most `limit` log entries from a position on; gives their bytes.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn scan_log(&self, position: u64, limit: usize) -> Result<u64> {
        let start = position.to_be_bytes();
        let mut bytes = 0;
        match &self.engine {
            RawEngine::Memory(store) => {
                let scan = Scan { start: &start, ..Scan::all(Table::Log) }.limit(limit);
                store.snapshot()?.scan(scan, &mut |_, value| {
                    bytes += std::hint::black_box(value).len() as u64;
                    ControlFlow::Continue(())
                })?;
            }
            RawEngine::Lmdb(lmdb) => bytes = lmdb.scan_log(&start, limit)?,
            #[cfg(feature = "rocks")]
            RawEngine::Rocks(rocks) => bytes = rocks.scan_log(&start, limit)?,
        }
        Ok(bytes)
    }

    /// Bytes that the database takes, on disk or in memory.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn size_bytes(&self) -> Result<u64> {
        match &self.engine {
            RawEngine::Memory(store) => return Ok(store.size_bytes()?),
            RawEngine::Lmdb(_) => {}
            #[cfg(feature = "rocks")]
            RawEngine::Rocks(rocks) => rocks.flush()?,
        }
        folder_bytes(self.folder.path())
    }
}

/// Bytes of all files in a folder and below. An engine may be removing some meanwhile.
///
/// # Errors
/// If it cannot be read.
pub fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path())?,
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(error.into()),
        };
    }
    Ok(bytes)
}

type Entries = Database<'static, Bytes, Bytes>;

/// LMDB with every setting as the store has it.
#[derive(Debug)]
struct RawLmdb {
    env: Env<WithoutTls>,
    tables: Vec<(Table, Entries)>,
}

impl RawLmdb {
    fn open(folder: &Path) -> Result<Self> {
        let env = open_lmdb(folder)?;
        let mut tables = Vec::new();
        for table in Table::ALL.into_iter().filter(|table| table.area() == Area::Truth) {
            tables.push((table, create_database(&env, table.name())?));
        }
        Ok(Self { env, tables })
    }

    fn entries(&self, table: Table) -> Entries {
        let found = self.tables.iter().find(|(candidate, _)| *candidate == table);
        found.expect("a table of the truth").1
    }

    fn write(&self, batch: &Batch) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        for operation in batch.operations() {
            let Operation::Put { table, key, value } = operation else { continue };
            let entries = self.entries(table);
            if table.is_append_only() {
                entries.put_with_flags(&mut transaction, PutFlags::APPEND, key, value)?;
            } else {
                entries.put(&mut transaction, key, value)?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let transaction = self.env.read_txn()?;
        Ok(self.entries(table).get(&transaction, key)?.map(<[u8]>::to_vec))
    }

    fn scan_log(&self, start: &[u8], limit: usize) -> Result<u64> {
        let transaction = self.env.read_txn()?;
        let mut bytes = 0;
        let range = (std::ops::Bound::Included(start), std::ops::Bound::Unbounded);
        for entry in self.entries(Table::Log).range(&transaction, &range)?.take(limit) {
            bytes += std::hint::black_box(entry?.1).len() as u64;
        }
        Ok(bytes)
    }
}

/// Opens an LMDB environment for up to 16 databases, syncing every commit.
///
/// # Errors
/// If LMDB fails.
#[expect(unsafe_code, reason = "LMDB maps its file, which nobody else may change meanwhile")]
pub fn open_lmdb(folder: &Path) -> Result<Env<WithoutTls>> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(MAP_BYTES).max_dbs(16);
    // SAFETY: The folder is a temporary one of this program, and opened once.
    Ok(unsafe { options.open(folder) }?)
}

/// Makes a named database.
///
/// # Errors
/// If LMDB fails.
pub fn create_database(env: &Env<WithoutTls>, name: &str) -> Result<Entries> {
    let created = env.create_databases_and_commit(env.write_txn()?, |opener, transaction| {
        let entries = opener.create_database(transaction, Some(name))?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(entries))
    })?;
    Ok(created.commit().expect("nothing asks to abort"))
}

#[cfg(feature = "rocks")]
mod rocks;
