//! A store that was copied, opened by hand and not by its directory.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use laterbase_client::device::{Device, DeviceOptions};
use laterbase_core::event::Record;
use laterbase_core::id::ReplicaId;
use laterbase_server::Server;
use laterbase_store_lmdb::{LmdbOptions, LmdbStore};

use crate::forged::root;

fn store(path: &Path) -> Arc<LmdbStore> {
    Arc::new(LmdbStore::open(path, LmdbOptions::default()).unwrap())
}

fn id_as_device(path: &Path) -> ReplicaId {
    let device = Device::over(store(path), DeviceOptions::default()).unwrap();
    let mut batch = device.batch(&root("pallet"));
    batch.push(&Record::json("P1", "Packed", "{}")).unwrap();
    device.record(&batch).unwrap();
    let id = device.id();
    // Waits for the device's own work, so that nothing changes while the files are copied.
    device.close().unwrap();
    id
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// The story: a program opened its store itself, and handed it over. Nobody told the replica where
/// it lived, so a copy wrote on under the same id.
///
/// Mutation: a store that says zeros.
#[tokio::test]
async fn a_copy_takes_an_id_of_its_own_whoever_opened_its_store() {
    let folder = tempfile::tempdir().unwrap();
    let [original, clone, other] = ["original", "clone", "other"].map(|at| folder.path().join(at));
    let first = id_as_device(&original);
    copy(&original, &clone);
    copy(&original, &other);
    assert_eq!(id_as_device(&original), first, "it stays who it is");
    let second = id_as_device(&clone);
    assert_ne!(second, first);
    assert_eq!(id_as_device(&clone), second);
    let server = Server::builder().store(store(&other)).build().unwrap();
    assert!(![first, second].contains(&server.reader().replica_id()));
    server.close().await.unwrap();
}
