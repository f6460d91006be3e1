//! `POST /sync/wants`: events by origin and seq.

use laterbase_core::id::ReplicaId;
use laterbase_core::limits::WANTS_BYTES_MAX;
use laterbase_core::wants::{Want, Wants};

use crate::connection::{Connection, DELTA, Reply, WANTS};
use crate::origins::{origin, push, root, runs};
use crate::running::{Running, in_memory};

fn want(name: &str, origin: ReplicaId, after: u64, until: u64) -> Want {
    Want { root: root(name), origin, after, until }
}

async fn ask(connection: &mut Connection, query: &str, entries: &[Want]) -> Reply {
    let wants = Wants { entries: entries.to_vec() }.encode();
    connection.send("POST", &format!("/sync/wants{query}"), &[WANTS], wants).await
}

#[tokio::test]
async fn what_is_wanted_comes_in_the_order_asked_and_without_a_hole() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let (a, b) = (origin(1), origin(2));
    // The log holds a's events in three runs.
    for seqs in [1..=4, 5..=6, 7..=9] {
        push(&mut connection, &[("order", a, seqs)]).await.check(200);
        push(&mut connection, &[("trip", b, 1..=3)]).await.check(200);
    }
    let wants = [want("trip", b, 1, 2), want("order", a, 3, 8)];
    let page = ask(&mut connection, "", &wants).await.check(200);
    assert_eq!(page.header("content-type"), Some("application/vnd.laterbase.delta"));
    assert_eq!(page.header("laterbase-more"), Some("false"));
    let replica = connection.status().await["replica"].as_str().unwrap().to_owned();
    assert_eq!(page.header("laterbase-replica"), Some(replica.as_str()));
    let expected = [("trip".to_owned(), b, 2..=2), ("order".to_owned(), a, 4..=8)];
    assert_eq!(runs(&page.body), expected);
    server.stop().await;
}

/// Mutation: a page that goes on to the next entry after a full one leaves a hole behind it.
#[tokio::test]
async fn a_page_is_bounded_and_says_that_there_is_more() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let (a, b) = (origin(1), origin(2));
    push(&mut connection, &[("order", a, 1..=9), ("order", b, 1..=2)]).await.check(200);
    let order = || "order".to_owned();
    let wants = [want("order", a, 0, 9), want("order", b, 0, 2)];
    let page = ask(&mut connection, "?limit=4", &wants).await.check(200);
    assert_eq!(runs(&page.body), [(order(), a, 1..=4)]);
    assert_eq!(page.header("laterbase-more"), Some("true"));
    let wants = [want("order", a, 4, 9), want("order", b, 0, 2)];
    let page = ask(&mut connection, "?limit=5", &wants).await.check(200);
    assert_eq!(runs(&page.body), [(order(), a, 5..=9)]);
    assert_eq!(page.header("laterbase-more"), Some("true"));
    let page = ask(&mut connection, "?limit=5", &wants[1..]).await.check(200);
    assert_eq!(runs(&page.body), [(order(), b, 1..=2)]);
    assert_eq!(page.header("laterbase-more"), Some("false"));
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_held_is_left_out() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let (a, b) = (origin(1), origin(2));
    push(&mut connection, &[("order", a, 1..=3)]).await.check(200);
    let wants = [
        want("nowhere", a, 0, 5),
        want("order", b, 0, 5),
        want("order", a, 3, 9),
        want("order", a, 1 << 60, (1 << 62) + 1),
        want("order", a, 1, u64::MAX / 2),
    ];
    let page = ask(&mut connection, "", &wants).await.check(200);
    assert_eq!(runs(&page.body), [("order".to_owned(), a, 2..=3)]);
    assert_eq!(page.header("laterbase-more"), Some("false"));
    let nothing = ask(&mut connection, "", &[]).await.check(200);
    assert_eq!(runs(&nothing.body), []);
    assert_eq!(nothing.header("laterbase-more"), Some("false"));
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_request_list_is_refused() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let good = Wants { entries: vec![want("order", origin(1), 0, 1)] }.encode();
    for cut in 0..good.len() {
        let reply = connection.send("POST", "/sync/wants", &[WANTS], good[..cut].to_vec()).await;
        reply.problem(400, "malformed-wants");
    }
    let reply = connection.send("POST", "/sync/wants", &[DELTA], good.clone()).await;
    reply.problem(415, "unsupported-media-type");
    let reply = connection.send("POST", "/sync/wants", &[], good.clone()).await;
    reply.problem(415, "unsupported-media-type");
    let reply = connection.send("POST", "/sync/wants?limit=0", &[WANTS], good).await;
    assert_eq!(reply.problem(400, "malformed-parameter")["field"], "limit");
    let long = vec![0; WANTS_BYTES_MAX + 1];
    let reply = server.connect().await.send("POST", "/sync/wants", &[WANTS], long).await;
    reply.problem(413, "too-large");
    connection.get("/sync/wants").await.problem(405, "method-not-allowed");
    server.stop().await;
}
