//! What happens when the store fails under the server.

use std::sync::Arc;

use laterbase_core::memory_store::MemoryStore;
use laterbase_core::store::Area;
use laterbase_testkit::fault_store::{Fault, FaultStore};

use crate::running::{Running, in_memory, order};

async fn start() -> (Running, Arc<FaultStore<MemoryStore>>) {
    let store = Arc::new(FaultStore::new(MemoryStore::new()));
    let server = Running::start(in_memory().store(Arc::clone(&store) as _)).await;
    let mut connection = server.connect().await;
    connection.post("/e/order", order("o-1", 1)).await.check(201);
    (server, store)
}

#[tokio::test]
async fn a_full_store_is_507_and_takes_writes_again_once_there_is_room() {
    let (server, store) = start().await;
    let mut connection = server.connect().await;
    let before = connection.status().await;
    store.fail_commit(Area::Truth, 1, Fault::Full);
    let reply = connection.post("/e/order", order("o-1", 2)).await.check(507);
    assert_eq!(reply.json()["type"], "urn:laterbase:problem:store-full");
    assert!(reply.json()["correlation_id"].is_string());
    assert_eq!(connection.status().await, before);
    connection.get("/readyz").await.check(200);
    let ids = connection.post("/e/order", order("o-1", 3)).await.check(201).json()["ids"].clone();
    assert!(ids[0].as_str().unwrap().ends_with("-2"), "the seq was not used up: {ids}");
    server.stop().await;
}

/// Mutation: a writer that answers before the commit says 201 here.
#[tokio::test]
async fn a_store_that_fails_takes_no_more_writes_and_still_reads() {
    let (server, store) = start().await;
    let mut connection = server.connect().await;
    let before = connection.status().await;
    store.fail_commit(Area::Truth, 1, Fault::Before);
    let reply = connection.post("/e/order", order("o-1", 2)).await.check(500);
    assert_eq!(reply.json()["type"], "urn:laterbase:problem:internal");
    assert!(reply.json()["correlation_id"].is_string());
    assert!(reply.json().get("detail").is_none(), "nothing of the inside: {}", reply.text());
    let reply = connection.post("/e/order", order("o-1", 3)).await.check(503);
    assert_eq!(reply.json()["type"], "urn:laterbase:problem:read-only");
    connection.get("/readyz").await.check(503);
    connection.get("/healthz").await.check(200);
    connection.get("/a/order/o-1").await.check(200);
    connection.get("/e/order").await.check(200);
    assert_eq!(connection.status().await, before);
    drop(connection);
    server.handle.stop();
}
