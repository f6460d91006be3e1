//! `Idempotency-Key`, `If-Match` and `If-None-Match` on `POST /e/{root}`.

use std::sync::Arc;

use futures_util::future::join_all;
use laterbase_core::memory_store::MemoryStore;

use crate::connection::{Connection, DELTA, JSON, Reply};
use crate::running::{Running, in_memory, order};

async fn post(connection: &mut Connection, headers: &[(&str, &str)], body: String) -> Reply {
    let headers = [&[JSON], headers].concat();
    connection.send("POST", "/e/order", &headers, body).await
}

fn pair() -> String {
    format!("[{},{}]", order("a", 1), order("b", 2))
}

/// Mutation: without `check_whole`, a third event under the same key is stored.
#[tokio::test]
async fn a_request_with_a_key_is_replayed_as_a_whole_also_after_a_restart() {
    let store = MemoryStore::new();
    let mut first = None;
    for restart in 0..2 {
        let server = Running::start(in_memory().store(Arc::new(store.reopen()))).await;
        let mut connection = server.connect().await;
        let key = [("idempotency-key", "request-7")];
        let expected = if restart == 0 { 201 } else { 200 };
        let ids = post(&mut connection, &key, pair()).await.check(expected).json()["ids"].clone();
        assert_eq!(*first.get_or_insert_with(|| ids.clone()), ids);
        post(&mut connection, &key, pair()).await.check(200);
        let fewer = post(&mut connection, &key, order("a", 1)).await.check(409);
        assert_eq!(fewer.json()["type"], "urn:laterbase:problem:key-conflict");
        let more = format!("[{},{},{}]", order("a", 1), order("b", 2), order("c", 3));
        post(&mut connection, &key, more).await.check(409);
        post(&mut connection, &key, format!("[{},{}]", order("a", 1), order("b", 3)))
            .await
            .check(409);
        assert_eq!(connection.status().await["roots"]["order"]["events"], 2);
        server.stop().await;
    }
}

#[tokio::test]
async fn an_etag_that_was_read_is_what_a_write_may_depend_on() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let absent = [("if-none-match", "*")];
    post(&mut connection, &[("if-match", "*")], order("a", 0)).await.check(412);
    post(&mut connection, &absent, order("a", 1)).await.check(201);
    let read = connection.get("/a/order/a").await.check(200);
    let etag = read.header("etag").unwrap().to_owned();
    assert!(read.header("laterbase-covered").unwrap().contains("arrivals=1"));
    for target in ["/a/order", "/a/order/a/events"] {
        let reply = connection.get(target).await.check(200);
        assert_eq!(reply.header("laterbase-covered"), Some("arrivals=1"));
        let before = format!("{target}?known_at=2001-01-01T00:00:00Z");
        let reply = connection.get(&before).await;
        assert!(reply.header("laterbase-covered").is_none_or(|covered| covered == "arrivals=0"));
    }
    let refused = post(&mut connection, &absent, order("a", 2)).await.check(412).json();
    assert_eq!(refused["type"], "urn:laterbase:problem:precondition-failed");
    assert_eq!(format!("\"{}\"", refused["etag"].as_str().unwrap()), etag);
    post(&mut connection, &[("if-match", &etag)], order("a", 3)).await.check(201);
    post(&mut connection, &[("if-match", &etag)], order("a", 4)).await.check(412);
    post(&mut connection, &[("if-match", "*")], order("a", 5)).await.check(201);
    assert_eq!(connection.status().await["roots"]["order"]["events"], 3);
    server.stop().await;
}

#[tokio::test]
async fn a_write_answers_the_etag_of_its_one_aggregate() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let mut condition = ("if-none-match", "*".to_owned());
    for number in 0..20 {
        let headers = [(condition.0, condition.1.as_str())];
        let reply = post(&mut connection, &headers, order("a", number)).await.check(201);
        let etag = reply.header("etag").unwrap().to_owned();
        assert_eq!(format!("\"{}\"", reply.json()["etag"].as_str().unwrap()), etag);
        let read = connection.get("/a/order/a").await.check(200);
        assert_eq!(read.header("etag"), Some(etag.as_str()));
        condition = ("if-match", etag);
    }
    let of_two = post(&mut connection, &[], pair()).await.check(201);
    assert_eq!((of_two.header("etag"), of_two.json().get("etag")), (None, None));
    // One that is repeated later is answered with what holds then.
    let keyed = [("idempotency-key", "k")];
    post(&mut connection, &keyed, order("a", 90)).await.check(201);
    post(&mut connection, &[], order("a", 91)).await.check(201);
    let again = post(&mut connection, &keyed, order("a", 90)).await.check(200);
    let read = connection.get("/a/order/a").await.check(200);
    assert_eq!(again.header("etag"), read.header("etag"));
    server.stop().await;
}

/// Mutation: hashing up to the head instead of the batch's own end gives one writer's etag to
/// another.
#[tokio::test]
async fn racing_writers_are_answered_their_own_etags() {
    let server = Running::start(in_memory()).await;
    let writers = (0..20).map(|number| {
        let server = &server;
        async move {
            let mut connection = server.connect().await;
            let reply = post(&mut connection, &[], order("a", number)).await.check(201);
            reply.header("etag").unwrap().to_owned()
        }
    });
    let mut etags = join_all(writers).await;
    etags.sort_unstable();
    etags.dedup();
    assert_eq!(etags.len(), 20);
    let read = server.connect().await.get("/a/order/a").await.check(200);
    assert!(etags.iter().any(|etag| Some(etag.as_str()) == read.header("etag")), "{etags:?}");
    server.stop().await;
}

/// However long an aggregate is, its writes hash a bounded part of it; a read leaves a snapshot to
/// go on from.
#[tokio::test]
async fn a_long_aggregate_answers_etags_once_it_was_read() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let many: Vec<String> = (0..1_000).map(|number| order("a", number)).collect();
    let many = post(&mut connection, &[], format!("[{}]", many.join(","))).await.check(201);
    assert!(many.header("etag").is_some(), "of the events just written, each is hashed");
    let unread = post(&mut connection, &[], order("a", 1)).await.check(201);
    assert_eq!(unread.header("etag"), None);
    connection.get("/a/order/a").await.check(200);
    let written = post(&mut connection, &[], order("a", 2)).await.check(201);
    let read = connection.get("/a/order/a").await.check(200);
    assert_eq!(written.header("etag"), read.header("etag"));
    server.stop().await;
}

/// Mutation: without `Uncommitted`, writers of one group all win.
#[tokio::test]
async fn of_many_racing_writers_one_wins() {
    let server = Running::start(in_memory()).await;
    for round in 0..5 {
        let id = format!("o-{round}");
        let writers = (0..20).map(|number| {
            let (id, server) = (id.clone(), &server);
            async move {
                let mut connection = server.connect().await;
                post(&mut connection, &[("if-none-match", "*")], order(&id, number)).await
            }
        });
        let replies = join_all(writers).await;
        let winners = replies.iter().filter(|reply| reply.status == 201).count();
        assert_eq!(winners, 1);
        let etag = server.connect().await.get(&format!("/a/order/{id}")).await;
        let etag = etag.header("etag").unwrap().trim_matches('"').to_owned();
        for loser in replies.iter().filter(|reply| reply.status != 201) {
            assert_eq!(loser.status, 412, "{}", loser.text());
            assert_eq!(loser.json()["etag"], etag.as_str());
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_replay_is_answered_before_the_precondition_is_asked() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let headers = [("idempotency-key", "k"), ("if-none-match", "*")];
    let first = post(&mut connection, &headers, order("a", 1)).await.check(201).json();
    let again = post(&mut connection, &headers, order("a", 1)).await.check(200).json();
    assert_eq!(first["ids"], again["ids"]);
    server.stop().await;
}

#[tokio::test]
async fn conditions_that_make_no_sense_are_refused() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let long = "k".repeat(251);
    let keyed = order("a", 1).replacen('{', r#"{"idempotency_key":"own","#, 1);
    for (headers, body, status, field) in [
        (&[("if-match", "*"), ("if-none-match", "*")][..], order("a", 1), 400, "if-match"),
        (&[("if-none-match", "\"x\"")], order("a", 1), 400, "if-none-match"),
        (&[("if-match", "\"x\"")], pair(), 400, "aggregate_id"),
        (&[("idempotency-key", "")], order("a", 1), 422, "idempotency-key"),
        (&[("idempotency-key", &long)], order("a", 1), 422, "idempotency-key"),
        (
            &[("idempotency-key", "a"), ("idempotency-key", "b")],
            order("a", 1),
            400,
            "idempotency-key",
        ),
        (&[("idempotency-key", "a")], keyed, 400, "idempotency_key"),
    ] {
        let reply = post(&mut connection, headers, body).await.check(status).json();
        assert_eq!(reply["field"], field, "{reply}");
    }
    let delta = [DELTA, ("if-match", "*")];
    connection.send("POST", "/e/order", &delta, "x").await.check(400);
    assert_eq!(connection.event_count().await, 0);
    server.stop().await;
}
