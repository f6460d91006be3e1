//! What RocksDB promises beyond the contract.

use std::fs;

use laterbase_core::store::{Area, Batch, Store, Table};
use laterbase_store_rocks::{RocksOptions, RocksStore};
use tempfile::TempDir;

#[test]
fn text_takes_less_room_than_it_is_long() {
    let root = TempDir::new().unwrap();
    let text = r#"{"carrier":"UA","flight":1545,"tail":"N14228","dest":"IAH"}"#.repeat(5);
    let text_bytes = 200 * 1_000 * text.len() as u64;
    {
        let store = RocksStore::open(root.path(), RocksOptions::default()).unwrap();
        for number in 0..200_u64 {
            let mut batch = Batch::new(Area::Truth);
            for position in number * 1_000..(number + 1) * 1_000 {
                batch.put(Table::Log, &position.to_be_bytes(), text.as_bytes());
            }
            store.commit(&batch).unwrap();
        }
    }
    // All of it is in table files once the store has been closed.
    let store = RocksStore::open(root.path(), RocksOptions::default()).unwrap();
    let bytes = store.size_bytes().unwrap();
    assert!(bytes < text_bytes / 2, "{bytes} bytes for {text_bytes} of text");
}

#[test]
fn the_home_stays_while_files_are_rewritten() {
    let root = TempDir::new().unwrap();
    let open = || RocksStore::open(root.path(), RocksOptions::default()).unwrap();
    let before = open().home().unwrap();
    let mut batch = Batch::new(Area::Truth);
    batch.put(Table::Meta, b"key", b"value");
    open().commit(&batch).unwrap();
    assert_eq!(open().home().unwrap(), before);
}

/// RocksDB makes anew what it misses, and would open as an empty store.
#[test]
fn a_database_that_is_gone_is_not_made_anew() {
    for gone in ["truth/CURRENT", "truth"] {
        let root = TempDir::new().unwrap();
        {
            let store = RocksStore::open(root.path(), RocksOptions::default()).unwrap();
            for table in [Table::Meta, Table::Progress] {
                let mut batch = Batch::new(table.area());
                batch.put(table, b"key", b"value");
                store.commit(&batch).unwrap();
            }
        }
        let path = root.path().join(gone);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
        let told = RocksStore::open(root.path(), RocksOptions::default()).err().unwrap();
        assert!(told.to_string().contains("CURRENT is missing"), "{gone}: {told}");
    }
}
