//! The end of a server.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use laterbase_server::Server;
use tower::ServiceExt;

use crate::connection::JSON;
use crate::gate_store::GateStore;
use crate::group_commit::start_writers;
use crate::running::{Running, in_memory, order};

#[tokio::test]
async fn what_was_accepted_is_committed_and_answered() {
    const QUEUED: usize = 3;
    let store = GateStore::new();
    let store_of_server: Arc<GateStore> = Arc::clone(&store);
    let builder = in_memory().store(store_of_server).queue_length_max(QUEUED);
    let server = Running::start(builder).await;
    let commits_before = store.commits();
    store.shut();

    let mut first = start_writers(&server, 1).await;
    store.wait_for_commits(commits_before + 1).await;
    let mut others = start_writers(&server, QUEUED + 1).await;
    // One is turned away, so the others wait in the queue when the server is told to stop.
    others.recv().await.unwrap().check(503);
    server.handle.stop();
    store.open();
    first.recv().await.unwrap().check(201);
    for _ in 0..QUEUED {
        others.recv().await.unwrap().check(201);
    }
    server.stop().await;

    let again = in_memory().store(store).build().unwrap();
    let order = "order".parse().unwrap();
    assert_eq!(again.reader().version_vector(&order).event_count(), QUEUED as u64 + 1);
}

#[tokio::test]
async fn a_server_that_stops_turns_writes_away_and_still_reads() {
    let server = in_memory().build().unwrap();
    let router = server.router();
    let call = async |method: &str, target: &str, body: String| {
        let request = Request::builder().method(method).uri(target).header(JSON.0, JSON.1);
        router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap()
    };
    assert_eq!(call("POST", "/e/order", order("o", 1)).await.status(), 201);
    assert_eq!(call("GET", "/readyz", String::new()).await.status(), 200);
    server.handle().stop();
    let turned = call("POST", "/e/order", order("o", 2)).await;
    assert_eq!(turned.status(), 503);
    assert_eq!(turned.headers()["retry-after"], "1");
    assert_eq!(call("GET", "/readyz", String::new()).await.status(), 503);
    assert_eq!(call("GET", "/healthz", String::new()).await.status(), 200);
    server.close().await.unwrap();
    assert_eq!(call("POST", "/e/order", order("o", 3)).await.status(), 503);
    assert_eq!(call("GET", "/a/order/o", String::new()).await.status(), 200);
}

#[tokio::test]
async fn the_data_of_a_stopped_server_is_served_by_the_next_under_the_same_id() {
    let directory = tempfile::tempdir().unwrap();
    let builder = || in_memory().data(directory.path());
    let server = Running::start(builder()).await;
    let mut connection = server.connect().await;
    connection.post("/e/order", order("o", 1)).await.check(201);
    let before = connection.status().await;
    drop(connection);
    server.stop().await;

    let server = Running::start(builder()).await;
    assert_eq!(server.connect().await.status().await, before);
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_is_only_dropped_has_committed_and_let_go_of_its_data() {
    let directory = tempfile::tempdir().unwrap();
    for number in 1..=3 {
        let server: Server = in_memory().data(directory.path()).build().unwrap();
        let router = server.router();
        let request = Request::builder().method("POST").uri("/e/order").header(JSON.0, JSON.1);
        let request = request.body(Body::from(order("o", number))).unwrap();
        assert_eq!(router.oneshot(request).await.unwrap().status(), 201);
        let held = server.reader().version_vector(&"order".parse().unwrap());
        assert_eq!(held.event_count(), number as u64);
        drop(server);
    }
}
