//! A server inside of another program, which writes as well.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use laterbase_client::device::{Device, DeviceOptions};
use laterbase_core::event::{Event, Record};
use laterbase_core::fold::{Aggregate, FoldError, Folds, MergePatch};
use laterbase_core::id::RootName;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::store::Store;
use laterbase_core::typed::{Append, At};
use laterbase_server::{AppendError, Server, ServerHandle};
use serde::{Deserialize, Serialize};

fn root(name: &str) -> RootName {
    RootName::new(name).unwrap()
}

async fn append(handle: &ServerHandle, name: &str) -> Result<u64, AppendError> {
    let mut batch = handle.batch(&root(name));
    batch.push(&Record::json("P1", "Packed", "{}")).unwrap();
    handle.append_batch(batch).await.map(|appended| appended.dots[0].seq)
}

/// A server and a device over one open store both counted on from the same head: each gave the ids
/// that the other gave, and half of what both had acknowledged was gone.
#[tokio::test]
async fn a_device_over_a_servers_store_is_refused_and_the_servers_handle_writes() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let builder = Server::builder().fallback(Arc::new(MergePatch));
    let server = builder.store(Arc::clone(&store)).build().unwrap();
    let second = Device::over(Arc::clone(&store), DeviceOptions::default());
    let told = second.unwrap_err().to_string();
    assert!(told.contains("a server's handle"), "{told}");
    let handle = server.handle();
    for seq in 1..=5 {
        assert_eq!(append(&handle, "pallet").await.unwrap(), seq);
    }
    assert_eq!(handle.reader().head(), 5);
    server.close().await.unwrap();
    assert!(matches!(append(&handle, "pallet").await, Err(AppendError::ShuttingDown)));
    let device = Device::over(store, DeviceOptions::default()).unwrap();
    assert_eq!(device.reader().head(), 5);
}

#[tokio::test]
async fn a_handle_takes_what_the_server_has_a_fold_for() {
    let folds = Server::builder().fold("pallet", Arc::new(MergePatch));
    let server = folds.build().unwrap();
    assert_eq!(append(&server.handle(), "pallet").await.unwrap(), 1);
    let refused = append(&server.handle(), "truck").await;
    assert!(matches!(refused, Err(AppendError::UnknownRoot { .. })), "{refused:?}");
    assert!(Folds::new().default_for(&root("truck")).is_none());
}

/// Is folded once somebody else had a turn.
#[derive(Default, Serialize, Deserialize)]
struct Patient(u32);

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum Called {
    Waited,
}

/// Lets a fold go on.
static GO: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

impl Aggregate for Patient {
    type Event = Called;
    const NAME: &'static str = "patient";

    fn apply(&mut self, Called::Waited: Called, _: &Event<'_>) -> Result<(), FoldError> {
        let (is_told, told) = (GO.0.lock().unwrap(), &GO.1);
        let waited = told.wait_timeout_while(is_told, Duration::from_secs(20), |is_told| !*is_told);
        if waited.unwrap().1.timed_out() {
            return Err("nobody else had a turn".into());
        }
        self.0 += 1;
        Ok(())
    }
}

/// The runtime of the test has one thread, so a fold on it would keep everybody waiting.
#[tokio::test]
async fn a_read_by_a_handle_leaves_the_runtime_to_others() {
    let server = Server::builder().aggregate::<Patient>("pallet").build().unwrap();
    let (handle, root) = (server.handle(), root("pallet"));
    handle.append(&Append::<Patient>::to(&root, "P1").event(Called::Waited)).await.unwrap();
    let others = async {
        *GO.0.lock().unwrap() = true;
        GO.1.notify_all();
    };
    let (read, ()) = tokio::join!(handle.aggregate::<Patient>(&root, "P1", At::now()), others);
    assert_eq!(read.unwrap().unwrap().state.0, 1);
}
