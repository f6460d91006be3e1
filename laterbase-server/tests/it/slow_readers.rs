//! Readers that do not read.
//!
//! The story: 64 clients that asked for a page of 16 MiB each, and then did not read, took 1.8 GB;
//! 400 of them took 6.7 GB, and everybody else waited for 22 s meanwhile.

use std::fmt::Write as _;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::connection::{ACCEPT_DELTA, ACCEPT_LINES, ACCEPT_LIVE, LINES};
use crate::memory::{MIB, private_bytes};
use crate::process::Process;

const EVENTS: usize = 4_000;
const EVENT_BYTES: usize = 5_000;
const READERS: usize = 500;

const FILES_MAX: u64 = 10_000;

/// Asks for something and reads the first bytes of the answer only.
async fn ask(server: &Process, target: &str, accept: (&str, &str)) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    let head =
        format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n{}: {}\r\n\r\n", accept.0, accept.1);
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Each of these tests has as many files open as it has readers, and they run side by side.
fn have_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(FILES_MAX, |most| most.min(FILES_MAX));
    // Where the system says no, the first reader that finds no file says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit });
}

async fn check_memory(accept: (&str, &str), target: &str) {
    have_many_files();
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(directory.path(), &[]);
    let mut connection = server.connect().await;
    let mut batch = String::new();
    for number in 0..EVENTS / 4 {
        let data = "x".repeat(EVENT_BYTES);
        writeln!(batch, r#"{{"aggregate_id":"o{number}","type":"T","data":"{data}"}}"#).unwrap();
    }
    for _ in 0..4 {
        connection.send("POST", "/e/order", &[LINES], batch.clone()).await.check(201);
    }
    let before = private_bytes(server.id());
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(ask(&server, target, accept).await);
    }
    for reader in &mut readers {
        let mut begin = [0; 12];
        timeout(Duration::from_secs(60), reader.read_exact(&mut begin)).await.unwrap().unwrap();
        assert_eq!(&begin, b"HTTP/1.1 200", "everybody is answered");
    }
    // A reader that reads gets its page meanwhile, and then the next one.
    for _ in 0..3 {
        let page = connection.send("GET", "/e/order?limit=100", &[ACCEPT_LINES], "");
        let page = timeout(Duration::from_secs(20), page).await.unwrap().check(200);
        assert!(!page.body.is_empty());
    }
    let grown = private_bytes(server.id()).saturating_sub(before);
    assert!(grown < 128 * MIB, "{} MiB for {READERS} of {target} as {accept:?}", grown / MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_slow_readers_of_large_pages_take_bounded_memory() {
    check_memory(ACCEPT_DELTA, "/e/order?limit=10000").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_slow_readers_of_lines_take_bounded_memory() {
    check_memory(ACCEPT_LINES, "/e/order?limit=10000").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_slow_live_readers_take_bounded_memory() {
    check_memory(ACCEPT_LIVE, "/e/order").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_slow_live_readers_of_all_roots_take_bounded_memory() {
    check_memory(ACCEPT_LIVE, "/events").await;
}
