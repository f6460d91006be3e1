//! Bodies compressed with zstd, both ways.

use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::wants::{Want, Wants};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::connection::{ACCEPT_ZSTD, Connection, DELTA, JSON, LINES, Reply, WANTS, ZSTD};
use crate::event_stream::EventStream;
use crate::origins::{delta, end, origin, push, root, runs};
use crate::running::{Running, in_memory, order};

fn compressed(plain: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(plain, 3).unwrap()
}

fn plain(reply: &Reply) -> Vec<u8> {
    assert_eq!(reply.header("content-encoding"), Some("zstd"));
    zstd::bulk::decompress(&reply.body, BATCH_BYTES_MAX).unwrap()
}

async fn get(connection: &mut Connection, target: &str) -> Reply {
    connection.send("GET", target, &[ACCEPT_ZSTD], "").await.check(200)
}

/// A gigabyte of zeros in frames' blocks of 4 bytes for 128 KiB.
fn bomb() -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (17 - 10) << 3];
    for block in 1..=8_192 {
        let header = (128_u32 * 1024) << 3 | 1 << 1 | u32::from(block == 8_192);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

#[tokio::test]
async fn every_body_may_come_compressed() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let page = compressed(&delta(&[("order", origin(1), 1..=50)]));
    connection.send("POST", "/sync", &[DELTA, ZSTD], page.clone()).await.check(200);
    connection.send("POST", "/e/order", &[DELTA, ZSTD], page).await.check(200);
    let event = compressed(order("o-9", 1).as_bytes());
    connection.send("POST", "/e/order", &[JSON, ZSTD], event.clone()).await.check(201);
    connection.send("POST", "/e/order", &[LINES, ZSTD], event.clone()).await.check(201);
    let as_it_is = ("content-encoding", "identity");
    let line = order("o-9", 1);
    connection.send("POST", "/e/order", &[LINES, as_it_is], line).await.check(201);
    let want = Want { root: root("order"), origin: origin(1), after: 0, until: 50 };
    let list = compressed(&Wants { entries: vec![want] }.encode());
    let reply = connection.send("POST", "/sync/wants", &[WANTS, ZSTD], list).await.check(200);
    assert_eq!(runs(&reply.body), [("order".to_owned(), origin(1), 1..=50)]);
    assert_eq!(connection.status().await["roots"]["order"]["events"], 53);
    server.stop().await;
}

#[tokio::test]
async fn large_answers_come_compressed_to_those_who_take_it() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let start = end(&mut connection).await;
    push(&mut connection, &[("order", origin(1), 1..=2_000)]).await.check(200);
    for target in [
        format!("/sync?cursor={start}"),
        format!("/sync?cursor={start}&limit=10000"),
        "/e/order".to_owned(),
        "/a/order/o-1/events".to_owned(),
    ] {
        let as_it_is = connection.get(&target).await.check(200);
        assert_eq!(as_it_is.header("content-encoding"), None);
        assert_eq!(as_it_is.header("vary"), Some("accept-encoding"));
        let small = get(&mut connection, &target).await;
        assert_eq!(plain(&small), as_it_is.body, "{target}");
        assert!(small.body.len() * 2 < as_it_is.body.len(), "{target}");
        for name in
            ["laterbase-cursor", "laterbase-more", "laterbase-after", "content-type", "vary"]
        {
            assert_eq!(small.header(name), as_it_is.header(name), "{target}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn some_answers_are_left_as_they_are() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let start = end(&mut connection).await;
    let long = format!(r#"{{"aggregate_id":"o","type":"t","data":"{}"}}"#, "x".repeat(9_000));
    connection.post("/e/order", long).await.check(201);
    let state = get(&mut connection, "/a/order/o").await;
    assert_eq!(state.header("content-encoding"), None, "its etag is of these bytes");
    let small = get(&mut connection, "/").await;
    assert_eq!(small.header("content-encoding"), None);
    let stream = EventStream::open(&server, &format!("/sync?cursor={start}"), None).await;
    assert_eq!(stream.headers.get("content-encoding"), None);
    drop((stream, connection));
    server.stop().await;
}

#[tokio::test]
async fn a_bomb_is_413_on_every_route() {
    let server = Running::start(in_memory()).await;
    let bomb = bomb();
    for (target, media_type) in
        [("/sync", DELTA), ("/e/order", DELTA), ("/e/order", JSON), ("/sync/wants", WANTS)]
    {
        let mut connection = server.connect().await;
        let reply = connection.send("POST", target, &[media_type, ZSTD], bomb.clone()).await;
        reply.problem(413, "too-large");
    }
    assert_eq!(server.connect().await.event_count().await, 0);
    server.stop().await;
}

/// A request whose body is still to come: the server has set room aside for its first part.
async fn start_body(server: &Running, bytes: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /e/order HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {bytes}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 25];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

/// Mutation: where only what is sent takes room, the page is taken.
#[tokio::test]
async fn what_a_body_decompresses_to_takes_room() {
    let server = Running::start(in_memory().body_bytes_max(64 * 1024)).await;
    let mut connection = server.connect().await;
    let page = delta(&[("order", origin(2), 1..=1_000)]);
    let small = compressed(&page);
    assert!(page.len() > 24 * 1024 && small.len() < 24 * 1024);
    let mut other = start_body(&server, 40 * 1024).await;
    connection.send("POST", "/sync", &[DELTA, ZSTD], small).await.check(200);
    // There was no room for both, and the one that did not go on gave way.
    let mut answer = Vec::new();
    other.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 503"), "{}", String::from_utf8_lossy(&answer));
    let large = compressed(&delta(&[("order", origin(3), 1..=5_000)]));
    connection.send("POST", "/sync", &[DELTA, ZSTD], large).await.check(200);
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_decompressed_is_refused() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let whole = compressed(&delta(&[("order", origin(1), 1..=2)]));
    for cut in 1..whole.len() {
        let reply = connection.send("POST", "/sync", &[DELTA, ZSTD], whole[..cut].to_vec()).await;
        reply.problem(400, "malformed-request");
    }
    let wide = [&[0x28, 0xb5, 0x2f, 0xfd, 0, (27 - 10) << 3][..], &[0x0b, 0, 0, 0]].concat();
    let reply = connection.send("POST", "/sync", &[DELTA, ZSTD], wide).await;
    reply.problem(413, "too-large");
    for encoding in ["gzip", "br", "zstd, zstd", ""] {
        let headers = [DELTA, ("content-encoding", encoding)];
        let reply = connection.send("POST", "/sync", &headers, whole.clone()).await;
        let problem = reply.problem(415, "unsupported-media-type");
        assert_eq!(problem["field"], "Content-Encoding", "{encoding}");
    }
    assert_eq!(connection.event_count().await, 0);
    server.stop().await;
}
