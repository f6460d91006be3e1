//! `GET /sync`: what arrived after a cursor.

use std::sync::Arc;

use laterbase_core::memory_store::MemoryStore;
use laterbase_server::SyncRoots;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::connection::ACCEPT_LIVE;
use crate::origins::{end, origin, push, runs};
use crate::running::{Running, in_memory, order};

#[tokio::test]
async fn what_arrives_comes_once_over_all_roots_in_the_order_of_arrival() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let mut cursor = end(&mut connection).await;
    let (a, b) = (origin(1), origin(2));
    push(&mut connection, &[("order", a, 1..=3), ("trip", b, 1..=4)]).await.check(200);
    push(&mut connection, &[("order", a, 4..=6)]).await.check(200);
    let mut pages = Vec::new();
    loop {
        let page = connection.get(&format!("/sync?cursor={cursor}&limit=4")).await;
        if page.status == 204 {
            break;
        }
        assert_eq!(page.header("content-type"), Some("application/vnd.laterbase.delta"));
        let more = page.header("laterbase-more").unwrap().to_owned();
        cursor = page.cursor();
        pages.push((runs(&page.body), more));
    }
    let (order, trip) = ("order".to_owned(), "trip".to_owned());
    let expected = vec![
        (vec![(order.clone(), a, 1..=3), (trip.clone(), b, 1..=1)], "true".to_owned()),
        (vec![(trip, b, 2..=4), (order.clone(), a, 4..=4)], "true".to_owned()),
        (vec![(order, a, 5..=6)], "false".to_owned()),
    ];
    assert_eq!(pages, expected);
    assert_eq!(cursor, end(&mut connection).await);
    server.stop().await;
}

#[tokio::test]
async fn nothing_new_is_204_with_the_replica_and_a_cursor_only_if_it_moved() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let start = end(&mut connection).await;
    let nothing = connection.get(&format!("/sync?cursor={start}")).await.check(204);
    let replica = connection.status().await["replica"].as_str().unwrap().to_owned();
    assert_eq!(nothing.header("laterbase-replica"), Some(replica.as_str()));
    assert_eq!(nothing.header("laterbase-cursor"), None);
    assert_eq!(nothing.header("laterbase-more"), None);
    assert!(nothing.body.is_empty());

    let own = origin(7);
    push(&mut connection, &[("order", own, 1..=3)]).await.check(200);
    let target = format!("/sync?cursor={start}&not={own}");
    let moved = connection.get(&target).await.check(204).cursor();
    assert_eq!(moved, end(&mut connection).await);
    connection.get(&format!("/sync?cursor={moved}&not={own}")).await.check(204);
    server.stop().await;
}

/// Mutation: with the filter by `not` left out, 7 comes back to its writer.
#[tokio::test]
async fn a_caller_gets_nothing_back_that_it_wrote_under_any_of_its_ids() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let start = end(&mut connection).await;
    for number in [7, 8, 9] {
        push(&mut connection, &[("order", origin(number), 1..=2)]).await.check(200);
    }
    let target = format!("/sync?cursor={start}&not={}&not={}", origin(7), origin(9));
    let page = connection.get(&target).await.check(200);
    assert_eq!(runs(&page.body), [("order".to_owned(), origin(8), 1..=2)]);
    assert_eq!(page.header("laterbase-more"), Some("false"));
    server.stop().await;
}

#[tokio::test]
async fn a_caller_gets_the_roots_that_it_takes() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let start = end(&mut connection).await;
    let names = ["order", "order@a", "order@b", "trip"];
    let stretches = names.map(|name| (name, origin(1), 1..=1));
    push(&mut connection, &stretches).await.check(200);
    for (selection, expected) in [
        ("", &names[..]),
        ("order", &["order"]),
        ("order@b", &["order@b"]),
        ("order@*", &["order@a", "order@b"]),
        ("trip,order@*", &["order@a", "order@b", "trip"]),
    ] {
        let target = format!("/sync?cursor={start}&roots={selection}");
        let page = connection.get(&target).await.check(200);
        let found: Vec<String> = runs(&page.body).into_iter().map(|run| run.0).collect();
        assert_eq!(found, expected, "{selection}");
        assert_eq!(page.cursor(), end(&mut connection).await, "{selection}");
    }
    connection.get(&format!("/sync?cursor={start}&roots=truck")).await.check(204);
    server.stop().await;
}

#[tokio::test]
async fn a_server_of_known_roots_gives_no_others() {
    let store = Arc::new(MemoryStore::new());
    let server = Running::start(in_memory().store(store.clone())).await;
    let mut connection = server.connect().await;
    let start = end(&mut connection).await;
    let stretches = ["order", "truck"].map(|name| (name, origin(1), 1..=1));
    push(&mut connection, &stretches).await.check(200);
    drop(connection);
    server.stop().await;

    let store = Arc::new(store.reopen());
    let server = Running::start(in_memory().store(store).sync_roots(SyncRoots::Known)).await;
    let mut connection = server.connect().await;
    let page = connection.get(&format!("/sync?cursor={start}")).await.check(200);
    assert_eq!(runs(&page.body), [("order".to_owned(), origin(1), 1..=1)]);
    server.stop().await;
}

#[tokio::test]
async fn a_cursor_of_another_log_is_410() {
    let (near, far) = (Running::start(in_memory()).await, Running::start(in_memory()).await);
    let (mut near_side, mut far_side) = (near.connect().await, far.connect().await);
    let cursor = end(&mut near_side).await;
    let gone = far_side.get(&format!("/sync?cursor={cursor}")).await;
    let problem = gone.problem(410, "cursor-gone");
    assert!(problem["detail"].as_str().unwrap().contains("compare heads"));
    near.stop().await;
    far.stop().await;
}

/// Mutation: a cursor that is compared by its position only fits the log that went on otherwise.
#[tokio::test]
async fn a_cursor_of_a_log_that_was_set_back_is_410_and_stays_so() {
    let store = Arc::new(MemoryStore::new());
    let server = Running::start(in_memory().store(store.clone())).await;
    let mut connection = server.connect().await;
    connection.post("/e/order", order("o-1", 1)).await.check(201);
    let backup = Arc::new(store.after_power_loss());
    let kept = end(&mut connection).await;
    connection.post("/e/order", order("o-1", 2)).await.check(201);
    let lost = end(&mut connection).await;
    drop(connection);
    server.stop().await;

    let server = Running::start(in_memory().store(backup)).await;
    let mut connection = server.connect().await;
    let target = format!("/sync?cursor={lost}");
    connection.get(&target).await.problem(410, "cursor-gone");
    connection.post("/e/order", order("o-1", 3)).await.check(201);
    connection.get(&target).await.problem(410, "cursor-gone");
    connection.post("/e/order", order("o-1", 4)).await.check(201);
    connection.get(&target).await.problem(410, "cursor-gone");
    let page = connection.get(&format!("/sync?cursor={kept}")).await.check(200);
    assert_eq!(page.header("laterbase-more"), Some("false"));
    let (now, kept_seen) = (page.cursor(), format!("/sync?cursor={kept}&seen="));
    connection.get(&format!("{kept_seen}{now}")).await.check(200);
    connection.get(&format!("{kept_seen}{kept}")).await.check(200);
    server.stop().await;
}

/// A server set back to a point behind the caller's cursor, but before the place where the caller
/// saw its own push land: what it was told is held there is not.
///
/// Mutation: with `seen` looked at only where there is something new, the first answer is 204.
#[tokio::test]
async fn a_log_that_has_not_come_as_far_as_the_caller_has_seen_is_410() {
    let store = Arc::new(MemoryStore::new());
    let server = Running::start(in_memory().store(store.clone())).await;
    let mut connection = server.connect().await;
    connection.post("/e/order", order("o-1", 1)).await.check(201);
    let backup = Arc::new(store.after_power_loss());
    let cursor = end(&mut connection).await;
    let pushed = push(&mut connection, &[("order", origin(7), 1..=5)]).await.check(200).json();
    let seen = pushed["after"].as_str().unwrap().to_owned();
    connection.get(&format!("/sync?cursor={cursor}&seen={seen}")).await.check(200);
    drop(connection);
    server.stop().await;

    let server = Running::start(in_memory().store(backup)).await;
    let mut connection = server.connect().await;
    let target = format!("/sync?cursor={cursor}&seen={seen}");
    connection.get(&format!("/sync?cursor={cursor}")).await.check(204);
    connection.get(&target).await.problem(410, "cursor-gone");
    let live = connection.send("GET", &target, &[ACCEPT_LIVE], "").await;
    live.problem(410, "cursor-gone");
    connection.post("/e/order", order("o-1", 2)).await.check(201);
    connection.get(&target).await.problem(410, "cursor-gone");
    server.stop().await;
}

/// Mutation: without the selection in the count, the trip's events make it look set back.
#[tokio::test]
async fn an_answer_says_how_much_it_left_out_of_the_roots_that_are_taken() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let start = end(&mut connection).await;
    let (a, b) = (origin(7), origin(8));
    let stretches = [("order", a, 1..=5), ("trip", a, 1..=2), ("order", b, 1..=3)];
    push(&mut connection, &stretches).await.check(200);
    let now = end(&mut connection).await;
    for (query, left_out) in [
        (format!("cursor={start}&not={a}"), Some("7")),
        (format!("cursor={start}&not={a}&roots=order"), Some("5")),
        (format!("cursor={now}&not={a}&not={b}&roots=order"), Some("8")),
        (format!("cursor={now}&not={}", origin(9)), Some("0")),
        (format!("cursor={now}"), None),
    ] {
        let reply = connection.get(&format!("/sync?{query}")).await;
        assert_eq!(reply.header("laterbase-left-out"), left_out, "{query}");
    }
    server.stop().await;
}

#[tokio::test]
async fn malformed_parameters_are_400_with_their_name() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let cursor = end(&mut connection).await;
    let id = origin(1).to_string();
    let many_ids = format!("&not={id}").repeat(17);
    let many_roots: Vec<String> = (0..1_001).map(|number| format!("r{number}")).collect();
    for (target, field) in [
        ("/sync".to_owned(), "cursor"),
        ("/sync?cursor=".to_owned(), "cursor"),
        ("/sync?cursor=AAAA".to_owned(), "cursor"),
        (format!("/sync?cursor={cursor}&cursor={cursor}"), "cursor"),
        (format!("/sync?cursor={cursor}&seen=AAAA"), "seen"),
        (format!("/sync?cursor={cursor}&limit=0"), "limit"),
        (format!("/sync?cursor={cursor}&limit=10001"), "limit"),
        (format!("/sync?cursor={cursor}&roots=a,,b"), "roots"),
        (format!("/sync?cursor={cursor}&roots={}", many_roots.join(",")), "roots"),
        (format!("/sync?cursor={cursor}&not=x"), "not"),
        (format!("/sync?cursor={cursor}{many_ids}"), "not"),
        (format!("/sync?cursor={cursor}&nt={id}"), "nt"),
    ] {
        let problem = connection.get(&target).await.problem(400, "malformed-parameter");
        assert_eq!(problem["field"], field, "{target}");
    }
    let json = [("accept", "application/json")];
    let refused = connection.send("GET", &format!("/sync?cursor={cursor}"), &json, "").await;
    refused.problem(406, "not-acceptable");
    server.stop().await;
}

/// Reads an answer without a body off a socket, as long as its head is.
async fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    head
}

#[tokio::test]
async fn nothing_new_is_at_most_512_bytes_both_ways_together() {
    let server = Running::start(in_memory().host("laterbase.example.com")).await;
    let mut connection = server.connect().await;
    let stretches: Vec<_> = (0..1_000).map(|number| ("order", origin(number), 1..=1)).collect();
    push(&mut connection, &stretches).await.check(200);
    let cursor = end(&mut connection).await;
    let request = format!(
        "GET /sync?cursor={cursor}&seen={cursor}&roots=shipment%40depot-7&not={} HTTP/1.1\r\n\
         host: laterbase.example.com:4920\r\naccept: application/vnd.laterbase.delta\r\n\
         accept-encoding: zstd\r\n\r\n",
        origin(u128::MAX)
    );
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..2 {
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_head(&mut stream).await;
        assert!(answer.starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&answer));
        let bytes = request.len() + answer.len();
        assert!(bytes <= 512, "{bytes} bytes");
    }
    drop(stream);
    server.stop().await;
}
