//! A million events stream into a server and out of it, and its memory stays flat.
//!
//! Takes about half a minute in a release build, so it runs where `LATERBASE_SCALE` is set.

use std::env;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use futures_util::future::join_all;

use crate::connection::{ACCEPT_LINES, ACCEPT_ZSTD, Connection, LINES};
use crate::process::Process;

const EVENTS: u64 = 1_000_000;
const BATCH: u64 = 1_000;
const AGGREGATES: u64 = 10_000;
const WRITERS: u64 = 4;

pub const MIB: u64 = 1024 * 1024;

/// How the events' aggregates follow on each other.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// As things happen: what is new is mostly about what is new.
    Rising,
    /// All over the index.
    Random,
}

impl Order {
    /// Most memory over that of an idle server; the store's mapped file does not count.
    const fn bytes_max(self) -> u64 {
        match self {
            Self::Rising => 64 * MIB,
            // LMDB holds every page that a flush of the index touches: 32 Ki events touch as many
            // pages of 4 KiB at worst.
            Self::Random => 192 * MIB,
        }
    }
}

/// Private memory of a process, in bytes.
pub fn private_bytes(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Looks at a process's memory again and again, and keeps the most that it saw.
pub struct Watch {
    most: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Watch {
    pub fn start(process: u32) -> Self {
        let (most, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, stop) = (Arc::clone(&most), Arc::clone(&is_over));
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                seen.fetch_max(private_bytes(process), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(2));
            }
        });
        Self { most, is_over, thread }
    }

    pub fn end(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.most.load(Ordering::Relaxed)
    }
}

/// Events of about 256 bytes of data.
fn lines(first: u64, order: Order) -> String {
    let line = |number: u64| {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let id = match order {
            Order::Rising => 1_000_000 + number * AGGREGATES / EVENTS,
            Order::Random => mixed % AGGREGATES,
        };
        let day = 1 + mixed % 28;
        let data = format!(r#"{{"n":{number},"pad":"{:0>230}"}}"#, mixed);
        format!(
            r#"{{"aggregate_id":"O-{id}","type":"Moved","occurred_at":"2024-03-{day:02}T00:00:00Z","data":{data}}}"#
        )
    };
    (first..first + BATCH).map(line).collect::<Vec<_>>().join("\n")
}

async fn write(mut connection: Connection, writer: u64, order: Order) {
    for batch in (writer..EVENTS / BATCH).step_by(WRITERS.try_into().unwrap()) {
        connection.send("POST", "/e/order", &[LINES], lines(batch * BATCH, order)).await.check(201);
    }
}

/// All pages of the feed, as lines.
async fn read_feed(mut connection: Connection) -> u64 {
    let (mut after, mut events) = (String::new(), 0);
    loop {
        let target = format!("/e/order?limit=10000{after}");
        let page = connection.send("GET", &target, &[ACCEPT_LINES], "").await.check(200);
        let header = |name: &str| page.headers[name].to_str().unwrap().to_owned();
        events += page.body.iter().filter(|&&byte| byte == b'\n').count() as u64;
        after = format!("&after={}", header("laterbase-after"));
        if header("laterbase-more") == "false" {
            return events;
        }
    }
}

/// All pages of the log behind a cursor, as a device pulls them.
async fn pull(mut connection: Connection, mut cursor: String) -> u64 {
    let mut pages = 0;
    loop {
        let target = format!("/sync?limit=10000&cursor={cursor}");
        let page = connection.send("GET", &target, &[ACCEPT_ZSTD], "").await;
        if page.status == 204 {
            return pages;
        }
        let page = page.check(200);
        let header = |name: &str| page.headers[name].to_str().unwrap().to_owned();
        (cursor, pages) = (header("laterbase-cursor"), pages + 1);
        if header("laterbase-more") == "false" {
            return pages;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stderr, reason = "a test that leaves something out says so")]
async fn a_million_events_stream_in_and_out_in_flat_memory() {
    if env::var_os("LATERBASE_SCALE").is_none() || cfg!(not(target_os = "linux")) {
        eprintln!("left out: runs on Linux with LATERBASE_SCALE set");
        return;
    }
    for order in [Order::Rising, Order::Random] {
        check_memory(order).await;
    }
}

#[expect(clippy::print_stderr, reason = "the figures")]
async fn check_memory(order: Order) {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(directory.path(), &["--root", "order"]);
    // What it held when it was empty: nothing.
    let start = server.connect().await.get("/sync/heads").await.cursor();
    let idle = private_bytes(server.id());
    assert!(idle > 0);
    let mut most = vec![];
    let watch = Watch::start(server.id());
    let mut writers = vec![];
    for writer in 0..WRITERS {
        writers.push(write(server.connect().await, writer, order));
    }
    join_all(writers).await;
    most.push(watch.end());
    let watch = Watch::start(server.id());
    assert_eq!(read_feed(server.connect().await).await, EVENTS);
    most.push(watch.end());
    let watch = Watch::start(server.id());
    assert!(pull(server.connect().await, start).await >= EVENTS / 10_000);
    most.push(watch.end());
    let over: Vec<u64> = most.iter().map(|most| most.saturating_sub(idle) / 1024).collect();
    eprintln!("{order:?}: idle {} KiB; over that: written, read, pulled {over:?} KiB", idle / 1024);
    let bound = idle + order.bytes_max();
    assert!(most.iter().all(|most| *most <= bound), "{order:?}: {idle} idle, {most:?}");
}
