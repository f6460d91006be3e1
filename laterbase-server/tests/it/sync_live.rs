//! `GET /sync` as an event stream: the wake-up.

use std::time::Duration;

use crate::connection::{ACCEPT_LIVE, Connection};
use crate::event_stream::EventStream;
use crate::origins::{end, origin, push};
use crate::running::{Running, in_memory, order};

async fn open(server: &Running, cursor: &str) -> EventStream {
    EventStream::open(server, &format!("/sync?cursor={cursor}"), None).await
}

/// The cursor of the next notice.
async fn notice(stream: &mut EventStream) -> String {
    let block = stream.next().await.unwrap();
    assert_eq!(block.event.as_deref(), Some("arrived"), "{block:?}");
    assert_eq!(block.data.as_deref(), Some("{}"));
    block.id.unwrap()
}

async fn write(connection: &mut Connection) {
    connection.post("/e/order", order("o-1", 1)).await.check(201);
}

#[tokio::test]
async fn a_caller_is_told_that_something_arrived_and_fetches_it() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let cursor = end(&mut connection).await;
    let mut stream = open(&server, &cursor).await;
    let replica = connection.status().await["replica"].as_str().unwrap().to_owned();
    assert_eq!(stream.headers["laterbase-replica"], replica.as_str());
    write(&mut connection).await;
    let id = notice(&mut stream).await;
    assert_eq!(id, end(&mut connection).await);
    let page = connection.get(&format!("/sync?cursor={cursor}")).await.check(200);
    assert_eq!(page.cursor(), id);
    write(&mut connection).await;
    assert_ne!(notice(&mut stream).await, id);
    drop((stream, connection));
    server.stop().await;
}

#[tokio::test]
async fn a_caller_who_is_behind_is_told_at_once_and_once() {
    let server = Running::start(in_memory().heartbeat_period(Duration::from_millis(50))).await;
    let mut connection = server.connect().await;
    let cursor = end(&mut connection).await;
    for _ in 0..20 {
        write(&mut connection).await;
    }
    let mut stream = open(&server, &cursor).await;
    assert_eq!(notice(&mut stream).await, end(&mut connection).await);
    assert_eq!(stream.next().await.unwrap().comment.as_deref(), Some("heartbeat"));
    drop((stream, connection));
    server.stop().await;
}

/// Mutation: with the cursor of the query before `Last-Event-ID`, the notice comes again.
#[tokio::test]
async fn a_caller_who_comes_back_says_what_it_was_told_last() {
    let server = Running::start(in_memory().heartbeat_period(Duration::from_millis(50))).await;
    let mut connection = server.connect().await;
    let cursor = end(&mut connection).await;
    write(&mut connection).await;
    let target = format!("/sync?cursor={cursor}");
    let mut stream = EventStream::open(&server, &target, None).await;
    let id = notice(&mut stream).await;
    drop(stream);
    let mut stream = EventStream::open(&server, &target, Some(&id)).await;
    assert_eq!(stream.next().await.unwrap().comment.as_deref(), Some("heartbeat"));
    drop(stream);
    let mut stream = EventStream::open(&server, "/sync", Some(&cursor)).await;
    assert_eq!(notice(&mut stream).await, id);
    drop((stream, connection));
    server.stop().await;
}

#[tokio::test]
async fn a_caller_is_not_woken_for_what_it_does_not_take() {
    let server = Running::start(in_memory().heartbeat_period(Duration::from_millis(50))).await;
    let mut connection = server.connect().await;
    let cursor = end(&mut connection).await;
    let own = origin(7);
    let target = format!("/sync?cursor={cursor}&roots=order&not={own}");
    let mut stream = EventStream::open(&server, &target, None).await;
    push(&mut connection, &[("order", own, 1..=2)]).await.check(200);
    push(&mut connection, &[("trip", origin(8), 1..=2)]).await.check(200);
    assert_eq!(stream.next().await.unwrap().comment.as_deref(), Some("heartbeat"));
    push(&mut connection, &[("order", origin(8), 1..=2)]).await.check(200);
    let id = loop {
        let block = stream.next().await.unwrap();
        if block.event.is_some() {
            break block.id.unwrap();
        }
    };
    assert_eq!(id, end(&mut connection).await);
    drop((stream, connection));
    server.stop().await;
}

#[tokio::test]
async fn a_stopping_server_says_so_and_ends_the_stream() {
    let server = Running::start(in_memory()).await;
    let cursor = end(&mut server.connect().await).await;
    let mut stream = open(&server, &cursor).await;
    server.handle.stop();
    let last = stream.next().await.unwrap();
    assert_eq!(last.event.as_deref(), Some("end"));
    assert_eq!(last.data.as_deref(), Some(r#"{"reason":"shutting-down"}"#));
    assert_eq!(stream.next().await, None);
    server.stop().await;
}

/// The clock of the test runs by itself, so that heartbeats need no waiting.
#[tokio::test]
async fn a_caller_who_hears_nothing_is_told_that_the_stream_is_there() {
    let server = Running::start(in_memory()).await;
    let cursor = end(&mut server.connect().await).await;
    let mut stream = open(&server, &cursor).await;
    tokio::time::pause();
    for _ in 0..3 {
        assert_eq!(stream.next().await.unwrap().comment.as_deref(), Some("heartbeat"));
    }
    tokio::time::resume();
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn a_caller_who_does_not_read_holds_up_nobody() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let cursor = end(&mut connection).await;
    let mut slow = open(&server, &cursor).await;
    let mut quick = open(&server, &cursor).await;
    for _ in 0..300 {
        write(&mut connection).await;
    }
    let last = end(&mut connection).await;
    for stream in [&mut quick, &mut slow] {
        while notice(stream).await != last {}
    }
    drop((slow, quick, connection));
    server.stop().await;
}

#[tokio::test]
async fn a_stream_from_a_cursor_of_another_log_is_410() {
    let (near, far) = (Running::start(in_memory()).await, Running::start(in_memory()).await);
    let cursor = end(&mut near.connect().await).await;
    let mut connection = far.connect().await;
    let target = format!("/sync?cursor={cursor}");
    connection.send("GET", &target, &[ACCEPT_LIVE], "").await.problem(410, "cursor-gone");
    let headers = [ACCEPT_LIVE, ("last-event-id", "zz")];
    let bad = connection.send("GET", &target, &headers, "").await;
    assert_eq!(bad.problem(400, "malformed-parameter")["field"], "Last-Event-ID");
    let none = connection.send("GET", "/sync", &[ACCEPT_LIVE], "").await;
    assert_eq!(none.problem(400, "malformed-parameter")["field"], "cursor");
    near.stop().await;
    far.stop().await;
}
