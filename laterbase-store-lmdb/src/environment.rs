//! One area of the store: an LMDB environment with a named database for each table.

use std::io::{ErrorKind, Write as _};
use std::path::Path;

use heed::types::Bytes;
use heed::{
    CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, MdbError, PutFlags, RoTxn, RwTxn,
    WithoutTls,
};
use laterbase_core::limits::KEY_BYTES_MAX;
use laterbase_core::store::{Area, Batch, Operation, StoreError, Table};
use laterbase_directory::OpenError;

use crate::data_file::{FileFault, Tree};
use crate::error::engine;
use crate::page_map::PageMap;
use crate::repair::{DATA_NAME, file_error};
use crate::seal;
use crate::tree_reader::{TreeReader, trees_of};

/// Snapshots that may be open at a time. Each costs 64 bytes in the lock file.
const SNAPSHOTS_MAX: u32 = 4_096;

/// Smallest map that is tried where the system has no room for the one that was asked for.
const MAP_BYTES_MIN: u64 = 64 * 1024 * 1024;

/// Map sizes are multiples of this: a page, which is 64 KiB at most on the systems that LMDB knows.
pub(crate) const MAP_STEP_BYTES: u64 = 64 * 1024;

/// Tables that an environment may have, with room for later ones.
const TABLES_MAX: u32 = 16;
const _: () = assert!(Table::ALL.len() <= TABLES_MAX as usize);

/// One table.
pub(crate) type Entries = Database<'static, Bytes, Bytes>;

/// The trees of an area's tables, as one transaction sees them.
pub(crate) type Trees = Vec<(Table, Tree)>;

/// Keys of a table, from one on, for which a way was checked; to an end, if there is one.
type Checked<'c> = (Table, &'c [u8], Option<&'c [u8]>);

/// One area of the store.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) env: Env<WithoutTls>,
    /// What everything is read through. Nothing on machines whose words are not of 64 bits, where
    /// the form of the file is another one: there LMDB reads, and is believed.
    pub(crate) pages: Option<PageMap>,
    area: Area,
    /// In the order of `Table::ALL`, the area's tables only.
    tables: Vec<(Table, Entries)>,
}

impl Environment {
    pub(crate) fn open(
        folder: &Path,
        area: Area,
        map_bytes_max: u64,
        flags: EnvFlags,
    ) -> Result<Self, OpenError> {
        let env = open_env(folder, map_bytes_max, flags);
        let env = env.map_err(engine("open its environment"))?;
        assert!(env.max_key_size() >= KEY_BYTES_MAX, "heed is built with `longer-keys`");
        let tables = Self::open_tables(&env, area).map_err(engine("open the tables"))?;
        let page_bytes = {
            let transaction = env.read_txn().map_err(engine("begin a read transaction"))?;
            let stat = tables[0].1.stat(&transaction).map_err(engine("count its pages"))?;
            stat.page_size as usize
        };
        let pages = (usize::BITS == 64)
            .then(|| PageMap::open(&folder.join(DATA_NAME), page_bytes))
            .transpose()
            .map_err(|error| StoreError::engine("open its file", error))?;
        Ok(Self { env, pages, area, tables })
    }

    /// Begins a view of the area. The trees are those of its tables.
    pub(crate) fn look(&self) -> Result<(RoTxn<'static, WithoutTls>, Trees), StoreError> {
        loop {
            let begin = self.env.clone().static_read_txn();
            let transaction = begin.map_err(engine("begin a read transaction"))?;
            let Some(pages) = &self.pages else { return Ok((transaction, Trees::new())) };
            // Two commits since the transaction began have written over where its trees began.
            if let Some(trees) = self.trees(pages, transaction.id() as u64)? {
                return Ok((transaction, trees));
            }
        }
    }

    /// Says what is wrong with the area's file.
    pub(crate) fn fault(&self, error: FileFault) -> StoreError {
        file_error(self.area, error)
    }

    fn trees(&self, pages: &PageMap, transaction: u64) -> Result<Option<Trees>, StoreError> {
        let tables = self.tables.iter().map(|(table, _)| *table);
        trees_of(pages, transaction, tables).map_err(|error| self.fault(error))
    }

    /// Checks all pages that LMDB touches when it writes a batch.
    pub(crate) fn check_ways(
        &self,
        transaction: &RwTxn<'_>,
        batch: &Batch,
    ) -> Result<(), StoreError> {
        let Some(pages) = &self.pages else { return Ok(()) };
        let committed = (transaction.id() as u64).saturating_sub(1);
        let trees = self.trees(pages, committed)?.ok_or_else(|| {
            StoreError::corrupt("the file's beginning is not that of the last transaction")
        })?;
        let reader = |table: Table| {
            let found = trees.iter().find(|(candidate, _)| *candidate == table);
            TreeReader::new(pages, found.expect("the table is of this area").1)
        };
        let mut last: Option<Checked<'_>> = None;
        for operation in batch.operations() {
            let (table, key, may_join) = match operation {
                Operation::Put { table, key, .. } => (table, key, false),
                Operation::Delete { table, key } => (table, key, true),
                Operation::Clear { table } => {
                    reader(table).check_all().map_err(|error| self.fault(error))?;
                    continue;
                }
            };
            // Sorted keys go the same way often.
            let is_checked = !may_join
                && last.is_some_and(|(other, from, end)| {
                    other == table && from <= key && end.is_none_or(|end| key < end)
                });
            if !is_checked {
                let way = reader(table).check_way(key, may_join);
                let way = way.map_err(|error| self.fault(error))?;
                last = way.is_for_all.then_some((table, key, way.end));
            }
        }
        Ok(())
    }

    fn open_tables(env: &Env<WithoutTls>, area: Area) -> heed::Result<Vec<(Table, Entries)>> {
        let tables = Table::ALL.into_iter().filter(|table| table.area() == area);
        let open = |table: Table| -> heed::Result<(Table, Entries)> {
            let created =
                env.create_databases_and_commit(env.write_txn()?, |opener, transaction| {
                    let entries = opener.create_database(transaction, Some(table.name()))?;
                    Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(entries))
                })?;
            Ok((table, created.commit().expect("nothing asks to abort")))
        };
        tables.map(open).collect()
    }

    pub(crate) fn entries(&self, table: Table) -> Entries {
        let found = self.tables.iter().find(|(candidate, _)| *candidate == table);
        found.expect("the table is of this area").1
    }

    pub(crate) fn apply(
        &self,
        transaction: &mut RwTxn<'_>,
        operation: Operation<'_>,
    ) -> heed::Result<()> {
        match operation {
            Operation::Put { table, key, value } if !seal::is_sealed(table) => {
                append(self.entries(table), transaction, key, value)
            }
            Operation::Put { table, key, value } => {
                let bytes = value.len() + seal::BYTES;
                self.entries(table).put_reserved(transaction, key, bytes, |space| {
                    space.write_all(value)?;
                    space.write_all(&seal::of(table, key, value))
                })
            }
            Operation::Delete { table, key } => {
                self.entries(table).delete(transaction, key).map(drop)
            }
            Operation::Clear { table } => self.entries(table).clear(transaction),
        }
    }

    pub(crate) fn size_bytes(&self) -> Result<u64, StoreError> {
        Ok(self.table_bytes()?.into_iter().map(|(_, bytes)| bytes).sum())
    }

    /// Bytes of the pages that each table takes.
    pub(crate) fn table_bytes(&self) -> Result<Vec<(Table, u64)>, StoreError> {
        let transaction = self.env.read_txn().map_err(engine("begin a read transaction"))?;
        table_bytes(&self.tables, &transaction)
    }
}

/// Bytes of the pages that each of some tables takes.
pub(crate) fn table_bytes(
    tables: &[(Table, Entries)],
    transaction: &RoTxn<'_, WithoutTls>,
) -> Result<Vec<(Table, u64)>, StoreError> {
    let bytes = |(table, entries): &(Table, Entries)| {
        let stat = entries.stat(transaction).map_err(engine("count its pages"))?;
        let pages = stat.branch_pages + stat.leaf_pages + stat.overflow_pages;
        Ok((*table, pages as u64 * u64::from(stat.page_size)))
    };
    tables.iter().map(bytes).collect()
}

/// Puts a key at the end, which fills pages to the brim where a plain put splits them in halves.
fn append(
    entries: Entries,
    transaction: &mut RwTxn<'_>,
    key: &[u8],
    value: &[u8],
) -> heed::Result<()> {
    match entries.put_with_flags(transaction, PutFlags::APPEND, key, value) {
        // The key does not sort after the last one, and LMDB has changed nothing.
        Err(heed::Error::Mdb(MdbError::KeyExist)) => entries.put(transaction, key, value),
        done => done,
    }
}

/// Opens an environment on a map of `map_bytes_max`, or of the largest size that the system gives.
///
/// The map is reserved in full from the start, although the file behind it grows only as it is
/// written. LMDB can also enlarge a map later, but not while a transaction is open, so that one
/// slow reader would stop all writers, and they all new readers. Reserving costs address space
/// and nothing else. Systems differ in how much of that they give (39 bits on some handhelds, and
/// macOS counts the whole map as the process's virtual size), hence the halving.
pub(crate) fn open_env(
    folder: &Path,
    map_bytes_max: u64,
    flags: EnvFlags,
) -> heed::Result<Env<WithoutTls>> {
    let mut map_bytes = map_bytes_max.max(MAP_STEP_BYTES);
    map_bytes -= map_bytes % MAP_STEP_BYTES;
    loop {
        match open_env_with_map(folder, map_bytes, flags) {
            Err(heed::Error::Io(error))
                if error.kind() == ErrorKind::OutOfMemory && map_bytes / 2 >= MAP_BYTES_MIN =>
            {
                map_bytes = map_bytes / 2 / MAP_STEP_BYTES * MAP_STEP_BYTES;
            }
            opened => return opened,
        }
    }
}

#[expect(unsafe_code, reason = "LMDB maps its file, which nobody else may change meanwhile")]
fn open_env_with_map(
    folder: &Path,
    map_bytes: u64,
    flags: EnvFlags,
) -> heed::Result<Env<WithoutTls>> {
    // Where addresses have 32 bits, more than half of them cannot be had in one piece anyway.
    let map_bytes = usize::try_from(map_bytes).unwrap_or(usize::MAX / 2 + 1);
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(map_bytes).max_dbs(TABLES_MAX).max_readers(SNAPSHOTS_MAX);
    // SAFETY: Where the environment is opened to be written, the directory's lock, which is held
    // already and outlives it, keeps other writers from the files, in this process and in others;
    // `MDB_NOMETASYNC` costs durability and never integrity. Where it is opened with `MDB_RDONLY`,
    // nothing is written through it, and LMDB's own lock file keeps what its transaction sees. On
    // a read-only medium, where there is no such file, the directory's lock keeps writers out.
    unsafe { options.flags(flags).open(folder) }
}
