//! A feed that is followed by the short cursor of its pages.

use std::collections::BTreeSet;
use std::sync::Arc;

use laterbase_core::delta::Delta;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::version_vector::VersionVector;
use serde_json::{Value, json};

use crate::connection::{ACCEPT_DELTA, ACCEPT_LINES, ACCEPT_LIVE, Connection, JSON, LINES};
use crate::event_stream::EventStream;
use crate::origins::{origin, push};
use crate::running::{Running, in_memory, order};

const CURSOR_BYTES_MAX: usize = 200;

fn ids(page: &Value) -> Vec<String> {
    let events = page["events"].as_array().unwrap();
    events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

async fn page(connection: &mut Connection, query: &str) -> Value {
    connection.get(&format!("/e/order?{query}")).await.check(200).json()
}

/// Everything behind a cursor, in pages.
async fn rest(connection: &mut Connection, mut after: String) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let page = page(connection, &format!("limit=3&after={after}")).await;
        found.extend(ids(&page));
        after = page["after"].as_str().unwrap().to_owned();
        assert!(after.len() <= CURSOR_BYTES_MAX, "{after}");
        if page["more"] == false {
            return found;
        }
    }
}

/// From 2,900 origins on, the vector of a page was longer than a URL may be, so the feed could not
/// be read to its end.
///
/// Mutation: a cursor whose next pass begins behind the head that it was given at leaves out what
/// arrived during the pass.
#[tokio::test]
async fn what_arrives_during_a_reading_comes_behind_it_and_once() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    for number in 1..=5 {
        push(&mut connection, &[("order", origin(number), 1..=3)]).await.check(200);
    }
    let first = page(&mut connection, "limit=7").await;
    let mut found = ids(&first);
    // An origin whose events are the first in feed order, and more of one that is known.
    push(&mut connection, &[("order", origin(0), 1..=3)]).await.check(200);
    push(&mut connection, &[("order", origin(3), 4..=4)]).await.check(200);
    found.extend(rest(&mut connection, first["after"].as_str().unwrap().to_owned()).await);
    assert_eq!(found.len(), 19, "{found:?}");
    let all: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(all.len(), 19, "nothing comes twice");
    assert_eq!(found[15..18].iter().filter(|id| id.starts_with("order:0000")).count(), 3);
    server.stop().await;
}

#[tokio::test]
async fn the_vector_may_come_in_the_body_and_every_form_goes_on_from_it() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    for number in 1..=4 {
        push(&mut connection, &[("order", origin(number), 1..=3)]).await.check(200);
    }
    let held: VersionVector =
        [(origin(1), 3), (origin(4), 2), (origin(9), 7)].into_iter().collect();
    let body = json!({ "vv": held.to_string() }).to_string();
    let by_url = page(&mut connection, &format!("limit=2&vv={held}")).await;
    let by_body = connection.post("/e/order/feed?limit=2", body.clone()).await.check(200).json();
    assert_eq!(by_url, by_body);
    assert_eq!(ids(&by_body).len(), 2);
    let after = by_body["after"].as_str().unwrap().to_owned();
    let rest_of_it = rest(&mut connection, after.clone()).await;
    assert_eq!(rest_of_it.len(), 5, "{rest_of_it:?}");

    let headers = [JSON, ACCEPT_LINES];
    let lines = connection.send("POST", "/e/order/feed?limit=2", &headers, body.clone()).await;
    let lines = lines.check(200);
    assert_eq!(lines.header("laterbase-after"), Some(after.as_str()));
    assert_eq!(lines.header("laterbase-vv"), None, "a header is no place for a vector");
    let headers = [JSON, ACCEPT_DELTA];
    let delta = connection.send("POST", "/e/order/feed?limit=2", &headers, body).await.check(200);
    assert_eq!(delta.header("laterbase-after"), Some(after.as_str()));
    assert_eq!(Delta::decode(&delta.body).unwrap().event_count(), 2);
    let target = format!("/e/order?after={after}");
    let delta = connection.send("GET", &target, &[ACCEPT_DELTA], "").await.check(200);
    assert_eq!(Delta::decode(&delta.body).unwrap().event_count(), 5);
    assert_eq!(delta.header("laterbase-more"), Some("false"));

    for (headers, body, status, kind) in [
        (&[LINES][..], "{}", 415, "unsupported-media-type"),
        (&[], "{}", 415, "unsupported-media-type"),
        (&[JSON], "", 400, "malformed-request"),
        (&[JSON], r#"{"vvv":""}"#, 400, "malformed-request"),
        (&[JSON], r#"{"vv":"zz"}"#, 400, "malformed-parameter"),
    ] {
        let reply = connection.send("POST", "/e/order/feed", headers, body).await;
        reply.problem(status, kind);
    }
    let nothing = connection.post("/e/order/feed", "{}").await.check(200).json();
    assert_eq!(ids(&nothing).len(), 12, "who says nothing holds nothing");
    server.stop().await;
}

#[tokio::test]
async fn a_cursor_excludes_a_vector_and_is_of_one_root_and_one_log() {
    let (store, server) = (MemoryStore::new(), in_memory());
    let server = Running::start(server.store(Arc::new(store.reopen()))).await;
    let mut connection = server.connect().await;
    connection.post("/e/order", order("o-1", 1)).await.check(201);
    let after = page(&mut connection, "").await["after"].as_str().unwrap().to_owned();
    let both = connection.get(&format!("/e/order?after={after}&vv=")).await;
    assert_eq!(both.problem(400, "malformed-parameter")["field"], "after");
    let elsewhere = connection.get(&format!("/e/shipment?after={after}")).await;
    assert_eq!(elsewhere.problem(400, "malformed-parameter")["field"], "after");
    drop(connection);
    server.stop().await;

    let again = Running::start(in_memory().store(Arc::new(store.reopen()))).await;
    let mut connection = again.connect().await;
    let page = page(&mut connection, &format!("after={after}")).await;
    assert_eq!(page["events"], json!([]), "it outlives the server");
    again.stop().await;

    let other = Running::start(in_memory()).await;
    let mut connection = other.connect().await;
    for accept in [ACCEPT_LINES, ACCEPT_DELTA, ACCEPT_LIVE] {
        let reply = connection.send("GET", &format!("/e/order?after={after}"), &[accept], "").await;
        let problem = reply.problem(410, "cursor-gone");
        assert!(problem["detail"].as_str().unwrap().contains("`vv`"), "{problem}");
    }
    other.stop().await;
}

/// A live reader that is cut off behind any event goes on behind it, in a root of any number of
/// origins, with what was synced late meanwhile. An empty `Last-Event-ID` is none.
#[tokio::test]
async fn a_live_reader_goes_on_by_the_cursor_of_each_event() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    for number in 1..=40 {
        push(&mut connection, &[("order", origin(number), 1..=1)]).await.check(200);
    }
    let vv: VersionVector = [(origin(1), 1)].into_iter().collect();
    let target = format!("/e/order?vv={vv}");
    let (mut found, mut last_id) = (Vec::new(), String::new());
    for round in 0..5 {
        let mut stream = EventStream::open(&server, &target, Some(&last_id)).await;
        for _ in 0..10 {
            let block = stream.next().await.unwrap();
            let event: Value = serde_json::from_str(&block.data.unwrap()).unwrap();
            found.push(event["id"].as_str().unwrap().to_owned());
            last_id = block.id.unwrap();
            assert!(last_id.len() <= CURSOR_BYTES_MAX, "{last_id}");
        }
        drop(stream);
        let stretch = ("order", origin(50 + round), 1..=3);
        push(&mut connection, &[stretch]).await.check(200);
    }
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 50, "{found:?}");
    let after = rest(&mut connection, last_id).await;
    assert_eq!(after.len(), 39 + 15 - 50, "{after:?}");
    server.stop().await;
}
