//! `SyncRoots::Known`: roots that the server has no fold for are none of the callers' business.

use std::sync::Arc;
use std::time::Duration;

use laterbase_client::client::Client;
use laterbase_client::transport::ServiceTransport;
use laterbase_core::fold::MergePatch;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::wants::{Want, Wants};
use laterbase_server::{PeerOptions, Server, SyncRoots};
use tokio::time::{sleep, timeout};

use crate::connection::{DELTA, JSON, WANTS};
use crate::origins::{end, origin, push, root, told_delta};
use crate::running::{Running, in_memory};

/// A server that was told of roots that it has no fold for, and then to know nothing of such.
async fn with_a_secret() -> Running {
    let store = MemoryStore::new();
    let server = Running::start(in_memory().store(Arc::new(store.reopen()))).await;
    let mut connection = server.connect().await;
    let stretches = [("order", origin(1), 1..=2), ("secret", origin(2), 1..=3)];
    push(&mut connection, &stretches).await.check(200);
    let other = told_delta(&[("secret", origin(2), 1..=3)], "other");
    connection.send("POST", "/sync", &[DELTA], other).await.problem(409, "fork");
    assert_eq!(connection.status().await["fork_count"], 1);
    drop(connection);
    server.stop().await;
    let known = in_memory().store(Arc::new(store.reopen())).sync_roots(SyncRoots::Known);
    Running::start(known).await
}

/// `GET /` listed all roots, and forks, of a server that syncs those that it knows only.
#[tokio::test]
async fn no_route_speaks_of_a_root_that_is_not_served() {
    let server = with_a_secret().await;
    let mut connection = server.connect().await;
    let status = connection.status().await;
    assert_eq!(
        status["roots"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["order", "shipment"]
    );
    assert_eq!((&status["fork_count"], &status["held_back_count"]), (&0.into(), &0.into()));
    assert_eq!(connection.get("/forks").await.check(200).json()["forks"], serde_json::json!([]));

    let cursor = "AAAAAAAAAAEAAAAAAAAAAgAAAAAAAAAD";
    let entries = vec![Want { root: root("secret"), origin: origin(2), after: 0, until: 3 }];
    let wants = Wants { entries }.encode();
    let left_out = origin(2);
    for (method, target, headers, body) in [
        ("GET", "/".to_owned(), &[][..], Vec::new()),
        ("GET", "/forks".to_owned(), &[], Vec::new()),
        ("GET", "/sync/heads".to_owned(), &[], Vec::new()),
        ("GET", "/sync/heads?roots=secret".to_owned(), &[], Vec::new()),
        ("GET", format!("/sync?cursor={cursor}"), &[], Vec::new()),
        ("POST", "/sync/wants".to_owned(), &[WANTS], wants),
    ] {
        let reply = connection.send(method, &target, headers, body).await;
        assert!(!reply.text().contains("secret"), "{method} {target}");
        let told = [&reply.body[..], format!("{:?}", reply.headers).as_bytes()].concat();
        let id = origin(2);
        let is_told = told.windows(16).any(|bytes| bytes == id.as_bytes());
        assert!(!is_told, "{method} {target} tells of the origin");
    }
    let start = end(&mut connection).await;
    let target = format!("/sync?cursor={start}&not={left_out}");
    let nothing = connection.get(&target).await.check(204);
    assert_eq!(nothing.header("laterbase-left-out"), Some("0"));
    for target in ["/e/secret", "/a/secret", "/a/secret/o-1", "/a/secret/o-1/events"] {
        connection.get(target).await.problem(404, "unknown-root");
    }
    let target = format!("/forks/secret/{}", origin(2));
    connection
        .send("POST", &target, &[JSON], r#"{"keep":"ours"}"#)
        .await
        .problem(404, "unknown-root");
    server.stop().await;
}

/// Whoever sets up a server saw nothing of its roots until there were events, and could not tell a
/// misspelt one from one that waits.
#[tokio::test]
async fn roots_without_events_are_listed_as_what_is_held_of_them() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    connection.post("/e/order@depot-7", crate::running::order("o-1", 1)).await.check(201);
    let empty = connection.status().await["roots"].clone();
    assert_eq!(
        empty.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["order", "order@depot-7", "shipment"]
    );
    for name in ["order", "shipment"] {
        for count in ["events", "aggregates", "unreadable"] {
            assert_eq!(empty[name][count], 0, "{name} {count}");
        }
    }
    let body = serde_json::json!({ "vv": empty["order"]["vv"] }).to_string();
    let page = connection.send("POST", "/e/order/feed", &[JSON], body).await.check(200).json();
    assert_eq!(page["events"], serde_json::json!([]), "the vector of nothing is one to ask with");
    connection.post("/e/order", crate::running::order("o-1", 1)).await.check(201);
    let held = connection.status().await["roots"].clone();
    assert_eq!((&held["order"]["events"], &held["shipment"]), (&1.into(), &empty["shipment"]));
    assert_ne!(held["order"]["digest"], empty["order"]["digest"]);
    assert_eq!(
        empty["order"]["digest"], empty["shipment"]["digest"],
        "equal, as they hold the same"
    );
    server.stop().await;
}

fn memory(server: laterbase_server::Builder) -> Server {
    server.store(Arc::new(MemoryStore::new())).build().unwrap()
}

async fn push_to(server: &Server, name: &str, number: u128) {
    let body = axum::body::Body::from(crate::origins::delta(&[(name, origin(number), 1..=2)]));
    let request = axum::http::Request::post("/sync").header(DELTA.0, DELTA.1).body(body).unwrap();
    let response = tower::ServiceExt::oneshot(server.router(), request).await.unwrap();
    assert_eq!(response.status(), 200);
}

/// A server that takes known roots only turned away a device's foreign events, and stored the same
/// ones when it pulled them from a peer.
///
/// Mutation: `keep_in_sync` that leaves the options' roots as they are.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_known_roots_only_asks_its_peers_for_no_others() {
    let peer = memory(Server::builder().fallback(Arc::new(MergePatch)));
    for (name, number) in [("secret", 1), ("order@x", 2), ("secret@x", 3), ("order", 4)] {
        push_to(&peer, name, number).await;
    }
    let server = memory(in_memory().sync_roots(SyncRoots::Known));
    let transport = ServiceTransport::new(peer.router());
    let client = Client::new("http://127.0.0.1:1".parse().unwrap(), transport);
    server.sync_with(client, PeerOptions::default());
    let names = || {
        let roots = server.reader().roots();
        roots.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let settling = async {
        while !names().contains(&"order".to_owned()) || !names().contains(&"order@x".to_owned()) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(Duration::from_secs(20), settling).await.is_ok(), "{:?}", names());
    // What is written last comes last, so by then all that was to come has come.
    push_to(&peer, "secret", 5).await;
    push_to(&peer, "order", 6).await;
    let settling = async {
        while server.reader().version_vector(&root("order")).get(&origin(6)) < 2 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(Duration::from_secs(20), settling).await.is_ok(), "{:?}", names());
    assert_eq!(names(), ["order", "order@x"]);
    server.close().await.unwrap();
    peer.close().await.unwrap();
}
