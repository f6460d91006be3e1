//! Everything streams out of a server, over many roots, and its memory stays flat.
//!
//! A million events where `LATERBASE_SCALE` is set, a few otherwise.

use std::collections::BTreeMap;
use std::env;

use http_body_util::BodyExt;

use crate::connection::{ACCEPT_LINES, ACCEPT_LIVE, Connection, LINES};
use crate::memory::{MIB, Watch, private_bytes};
use crate::process::Process;

const ROOTS: u64 = 50;
const BATCH: u64 = 1_000;

/// Lines of one message of a stream, and of its greeting.
const MESSAGE_LINES: u64 = 3;
const GREETING_LINES: u64 = 2;

fn lines(first: u64) -> String {
    let line = |number: u64| {
        let pad = format!("{number:0>230}");
        format!(r#"{{"aggregate_id":"O-{number}","type":"Moved","data":{{"pad":"{pad}"}}}}"#)
    };
    (first..first + BATCH).map(line).collect::<Vec<_>>().join("\n")
}

fn line_count(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte == b'\n').count() as u64
}

/// Reads a stream until so many events have come.
async fn follow(mut connection: Connection, target: &str, events: u64) {
    let response = connection.start("GET", target, &[ACCEPT_LIVE], "").await.unwrap();
    let mut body = response.into_body();
    let mut lines = 0;
    while lines < GREETING_LINES + events * MESSAGE_LINES {
        lines += line_count(&body.frame().await.unwrap().unwrap().into_data().unwrap());
    }
}

/// What a reader keeps of a stream: the last cursor, and of each root the last seq.
#[derive(Default)]
struct Progress {
    cursor: Option<String>,
    seqs: BTreeMap<String, u64>,
    events: u64,
}

impl Progress {
    /// Takes a message: its cursor, and the next event of its root.
    fn take(&mut self, message: &str) {
        let mut lines = message.lines();
        let id = lines.next().and_then(|line| line.strip_prefix("id: "));
        let Some(id) = id else { return };
        let data = lines.next().and_then(|line| line.strip_prefix("data: ")).unwrap();
        let event = data.split('"').nth(3).unwrap();
        let (root, dot) = event.split_once(':').unwrap();
        let seq: u64 = dot.rsplit_once('-').unwrap().1.parse().unwrap();
        let last = self.seqs.entry(root.to_owned()).or_default();
        assert_eq!(seq, *last + 1, "an event of {root} came twice, or was left out");
        *last = seq;
        self.events += 1;
        self.cursor = Some(id.to_owned());
    }

    /// Reads a stream from where the last one was cut, until so many events have come.
    async fn follow(&mut self, mut connection: Connection, events: u64) {
        let cursor = self.cursor.clone().unwrap_or_default();
        let headers = [ACCEPT_LIVE, ("last-event-id", cursor.as_str())];
        let response = connection.start("GET", "/events", &headers, "").await.unwrap();
        let (mut body, mut unread) = (response.into_body(), String::new());
        let until = self.events + events;
        while self.events < until {
            let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
            unread.push_str(str::from_utf8(&frame).unwrap());
            let mut taken = 0;
            while let Some(length) = unread[taken..].find("\n\n") {
                if self.events < until {
                    self.take(&unread[taken..taken + length]);
                }
                taken += length + 2;
            }
            unread.drain(..taken);
        }
    }
}

/// Reads everything, cut off after every so many events.
async fn follow_over_cuts(server: &Process, events: u64) {
    let mut progress = Progress::default();
    let mut dice = 7_u64;
    while progress.events < events {
        dice = dice.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
        let part = 1 + dice % (events / 20);
        progress.follow(server.connect().await, part.min(events - progress.events)).await;
    }
    assert_eq!(progress.seqs.len() as u64, ROOTS.min(events / BATCH));
}

async fn read_pages(mut connection: Connection) -> u64 {
    let (mut after, mut events) = (String::new(), 0);
    loop {
        let target = format!("/events?limit=10000{after}");
        let page = connection.send("GET", &target, &[ACCEPT_LINES], "").await.check(200);
        events += line_count(&page.body);
        after = format!("&after={}", page.header("laterbase-after").unwrap());
        if page.header("laterbase-more") == Some("false") {
            return events;
        }
    }
}

/// Mutation: a stream that collects what it looks at before it sends takes 100,000 entries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stderr, reason = "the figures")]
async fn everything_streams_out_in_flat_memory() {
    let events = if env::var_os("LATERBASE_SCALE").is_some() { 1_000_000 } else { 20_000 };
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(directory.path(), &["--root", "order"]);
    let mut connection = server.connect().await;
    for batch in 0..events / BATCH {
        let root = format!("/e/order@depot-{}", batch % ROOTS);
        connection.send("POST", &root, &[LINES], lines(batch * BATCH)).await.check(201);
    }
    drop(connection);
    server.kill();
    let server = Process::start(directory.path(), &["--root", "order"]);
    server.connect().await.get("/").await.check(200);
    let idle = private_bytes(server.id());
    let watch = Watch::start(server.id());
    follow(server.connect().await, "/events", events).await;
    follow_over_cuts(&server, events).await;
    assert_eq!(read_pages(server.connect().await).await, events);
    // One root of fifty, so that most of what is looked at is passed over.
    follow(server.connect().await, "/events?roots=order@depot-3", events / ROOTS).await;
    let over = watch.end().saturating_sub(idle);
    eprintln!("idle {} KiB, over that {} KiB", idle / 1024, over / 1024);
    assert!(cfg!(not(target_os = "linux")) || over <= 64 * MIB, "{} KiB", over / 1024);
}
