//! Senders that do not send.
//!
//! The story: sixteen sockets that each declared a body of 16 MiB and then sent a byte every 25
//! seconds had all the room there was for bodies, and every write was answered 503.

use std::time::Duration;

use laterbase_server::Bounds;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::running::{Running, in_memory, order};

const MIB: usize = 1024 * 1024;

/// Begins a body that claims a length, sends some of it, and then says no more.
async fn begin_body(server: &Running, claimed: usize, sent: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /e/order HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n\
         expect: 100-continue\r\nconnection: close\r\ncontent-length: {claimed}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 25];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&vec![b'\n'; sent]).await.unwrap();
    stream
}

/// What the server has to say, and that it closes the connection then.
async fn hear(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    String::from_utf8(heard).unwrap()
}

#[tokio::test]
async fn what_was_only_declared_takes_no_room() {
    let server = Running::start(in_memory()).await;
    let mut senders = Vec::new();
    for _ in 0..64 {
        senders.push(begin_body(&server, 16 * MIB, 1).await);
    }
    let mut connection = server.connect().await;
    for number in 0..10 {
        // None of them waits for anybody.
        let write = connection.post("/e/order", order("o", number));
        timeout(Duration::from_secs(2), write).await.unwrap().check(201);
    }
    let large = format!("[{}]", vec![order("o", 1); 10_000].join(","));
    connection.post("/e/order", large).await.check(201);
    drop(senders);
    server.stop().await;
}

#[tokio::test]
async fn a_slow_sender_gives_way_to_a_writer_who_finds_no_room() {
    let server = Running::start(in_memory().body_bytes_max(MIB)).await;
    let mut senders = Vec::new();
    for _ in 0..4 {
        senders.push(begin_body(&server, MIB, 256 * 1024).await);
    }
    let mut connection = server.connect().await;
    let write = connection.post("/e/order", format!("{}{}", order("o", 1), " ".repeat(200_000)));
    timeout(Duration::from_secs(20), write).await.unwrap().check(201);
    let heard = hear(&mut senders[0]).await;
    assert!(heard.starts_with("HTTP/1.1 503"), "{heard}");
    assert!(heard.contains("retry-after: 1\r\n"), "{heard}");
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_trickles_is_408_however_much_came_before() {
    let bounds = Bounds {
        lag_time_max: Duration::from_millis(300),
        bytes_per_second_min: 1_000,
        ..Bounds::default()
    };
    let server = Running::start(in_memory().bounds(bounds)).await;
    for sent in [0, MIB] {
        let stream = begin_body(&server, 16 * MIB, sent).await;
        let (mut reading, mut writing) = stream.into_split();
        let trickle = tokio::spawn(async move {
            while writing.write_all(b"\n").await.is_ok() {
                sleep(Duration::from_millis(50)).await;
            }
        });
        let mut answer = [0; 12];
        timeout(Duration::from_secs(20), reading.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 408", "after {sent} bytes");
        trickle.abort();
    }
    server.stop().await;
}

#[tokio::test]
async fn a_body_on_a_slow_link_is_read_to_its_end() {
    let bounds = Bounds {
        lag_time_max: Duration::from_millis(500),
        bytes_per_second_min: 1_000,
        ..Bounds::default()
    };
    let server = Running::start(in_memory().bounds(bounds)).await;
    let mut sender = begin_body(&server, 4_000, 1).await;
    // Four times as fast as it must be, and twice as long as it may lag.
    for _ in 0..20 {
        sleep(Duration::from_millis(50)).await;
        sender.write_all(&[b'\n'; 199]).await.unwrap();
    }
    sender.write_all(&[b'\n'; 19]).await.unwrap();
    let heard = hear(&mut sender).await;
    assert!(heard.starts_with("HTTP/1.1 201"), "{heard}");
    server.stop().await;
}
