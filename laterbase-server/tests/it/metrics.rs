//! `GET /metrics`: everything that is counted moves when what it counts happens.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use laterbase_client::client::Client;
use laterbase_client::transport::HttpTransport;
use laterbase_server::{Engine, PeerOptions};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::connection::{ACCEPT_LIVE, Connection, DELTA};
use crate::gate_store::GateStore;
use crate::origins::{end, origin, push, told_delta};
use crate::process::Process;
use crate::running::{Running, in_memory, order};

/// What happens to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Start,
    Write,
    Fold,
    Rest,
    Refuse,
    Follow,
    Log,
    Fork,
    Odd,
    Sync,
    Wait,
    Join,
}

/// Every metric that there is, and what moves it.
const MOVED_BY: [(&str, Step); 33] = [
    ("laterbase_server", Step::Start),
    ("laterbase_store_size_bytes", Step::Start),
    ("laterbase_store_left_bytes", Step::Start),
    ("laterbase_request_seconds", Step::Write),
    ("laterbase_request_body_bytes", Step::Write),
    ("laterbase_response_body_bytes", Step::Write),
    ("laterbase_queue_wait_seconds", Step::Write),
    ("laterbase_group_requests", Step::Write),
    ("laterbase_group_events", Step::Write),
    ("laterbase_commit_seconds", Step::Write),
    ("laterbase_front_events", Step::Write),
    ("laterbase_flush_lag_seconds", Step::Write),
    ("laterbase_events", Step::Write),
    ("laterbase_folded_events", Step::Fold),
    ("laterbase_flush_seconds", Step::Rest),
    ("laterbase_snapshots", Step::Rest),
    ("laterbase_refused_requests", Step::Refuse),
    ("laterbase_streams", Step::Follow),
    ("laterbase_unlogged_requests", Step::Log),
    ("laterbase_forks", Step::Fork),
    ("laterbase_held_back_origins", Step::Fork),
    ("laterbase_unreadable_events", Step::Odd),
    ("laterbase_clock_suspect_events", Step::Odd),
    ("laterbase_future_events", Step::Odd),
    ("laterbase_peers", Step::Sync),
    ("laterbase_sync_pages", Step::Sync),
    ("laterbase_sync_page_bytes", Step::Sync),
    ("laterbase_peer_lacks_events", Step::Sync),
    ("laterbase_peer_behind_seconds", Step::Sync),
    ("laterbase_queue_length", Step::Wait),
    ("laterbase_peer_syncs", Step::Join),
    ("laterbase_pending_events", Step::Join),
    ("laterbase_peer_sync_failures", Step::Join),
];

/// By name, the samples.
type Scrape = BTreeMap<String, Vec<String>>;

async fn scrape(connection: &mut Connection) -> Scrape {
    let reply = connection.get("/metrics").await.check(200);
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(reply.header("content-type"), Some(media_type));
    let text = reply.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let mut found = Scrape::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(told) = line.strip_prefix("# TYPE ") {
            name = told.split(' ').next().unwrap().to_owned();
            assert!(found.insert(name.clone(), Vec::new()).is_none(), "{name} twice");
        } else if !line.starts_with('#') {
            assert!(line.starts_with(&name), "{line} is none of {name}");
            found.get_mut(&name).unwrap().push(line.to_owned());
        }
    }
    found
}

#[track_caller]
fn check_moved(step: Step, before: &Scrape, after: &Scrape) {
    for (name, _) in MOVED_BY.iter().filter(|(_, by)| *by == step) {
        assert_ne!(after.get(*name), before.get(*name), "{name} did not move by {step:?}");
        assert_ne!(after.get(*name), None, "{name} is gone");
    }
}

/// What a metric without labels says.
fn value(scrape: &Scrape, name: &str) -> f64 {
    scrape[name][0].rsplit(' ').next().unwrap().parse().unwrap()
}

async fn step(step: Step, server: &Running, connection: &mut Connection) {
    match step {
        Step::Start | Step::Wait | Step::Join | Step::Log => {}
        Step::Write => {
            let events: Vec<String> = (0..1_000).map(|n| order("o-1", n)).collect();
            connection.post("/e/order", format!("[{}]", events.join(","))).await.check(201);
        }
        Step::Fold => drop(connection.get("/a/order/o-1").await.check(200)),
        Step::Rest => {
            let is_flushed = async {
                while value(&scrape(connection).await, "laterbase_front_events") > 0.0 {
                    sleep(Duration::from_millis(20)).await;
                }
            };
            timeout(Duration::from_secs(20), is_flushed).await.unwrap();
        }
        Step::Refuse => drop(connection.get("/a/nothing").await.check(404)),
        Step::Follow => {
            let mut follower = server.connect().await;
            let stream = follower.start("GET", "/events", &[ACCEPT_LIVE], "").await.unwrap();
            // For as long as the test runs.
            std::mem::forget((follower, stream));
        }
        Step::Fork => {
            push(connection, &[("order", origin(7), 1..=5)]).await.check(200);
            let other = told_delta(&[("order", origin(7), 1..=5)], "other");
            connection.send("POST", "/sync", &[DELTA], other).await.problem(409, "fork");
        }
        Step::Odd => {
            // The server's clock stands in 1970, and these were recorded minutes later.
            let page = told_delta(&[("order", origin(8), 1..=400)], r"\ud83d");
            connection.send("POST", "/sync", &[DELTA], page).await.check(200);
        }
        Step::Sync => {
            let start = "/sync?cursor=";
            let cursor = end(connection).await;
            let mut device = server.connect().await;
            device.get(&format!("{start}{cursor}&not={}", origin(9))).await.check(204);
            push(connection, &[("order", origin(10), 1..=5)]).await.check(200);
        }
    }
}

/// A metric without a row, and a row without a metric, fail; so does one that nothing moves.
#[tokio::test]
async fn every_metric_moves_by_what_it_counts() {
    let folder = tempfile::tempdir().unwrap();
    let builder = in_memory().clock(Arc::new(|| 1_000_000_000));
    let server = Running::start(builder.data_in(folder.path(), Engine::Lmdb)).await;
    let mut connection = server.connect().await;
    let mut before = Scrape::new();
    for by in [
        Step::Start,
        Step::Write,
        Step::Fold,
        Step::Rest,
        Step::Refuse,
        Step::Follow,
        Step::Fork,
        Step::Odd,
        Step::Sync,
    ] {
        step(by, &server, &mut connection).await;
        let after = scrape(&mut connection).await;
        check_moved(by, &before, &after);
        before = after;
    }
    let told: BTreeSet<&str> = before.keys().map(String::as_str).collect();
    // Where there is nobody to have them, no events wait to be had.
    let rows = MOVED_BY.iter().map(|(name, _)| *name);
    let rows: BTreeSet<&str> = rows.filter(|name| *name != "laterbase_pending_events").collect();
    assert_eq!(told, rows);
    server.stop().await;
}

/// A dashboard that asks for what nobody counts shows nothing, and nobody notices.
#[test]
fn dashboard_alerts_and_page_speak_of_metrics_that_there_are() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let known: BTreeSet<&str> = MOVED_BY.iter().map(|(name, _)| *name).collect();
    for file in ["monitoring/dashboard.json", "monitoring/alerts.yml", "operations.md"] {
        let text = std::fs::read_to_string(docs.join(file)).unwrap();
        let is_of_name = |c: char| c.is_ascii_lowercase() || c == '_';
        let words = text.split(|c| !is_of_name(c)).filter(|word| word.starts_with("laterbase_"));
        let suffixes = ["_total", "_bucket", "_count", "_sum", "_info"];
        let names: BTreeSet<&str> = words
            .map(|word| suffixes.iter().find_map(|it| word.strip_suffix(it)).unwrap_or(word))
            .collect();
        let unknown: Vec<&&str> = names.difference(&known).collect();
        assert!(unknown.is_empty(), "{file} speaks of {unknown:?}");
        let is_whole = file != "monitoring/alerts.yml";
        let untold: Vec<&&str> = known.difference(&names).filter(|_| is_whole).collect();
        assert!(untold.is_empty(), "{file} says nothing of {untold:?}");
    }
    let dashboard = std::fs::read_to_string(docs.join("monitoring/dashboard.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    assert_eq!(dashboard["uid"], "laterbase");
}

/// With a log that was to have warnings only, a busy server warned that it did not log requests
/// which nobody wanted to be logged.
#[tokio::test]
async fn requests_are_left_out_of_a_log_that_has_them_alone() {
    for (filter, is_told) in [("info", true), ("warn", false)] {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("log");
        let log = File::create(&path).unwrap();
        let data = directory.path().join("data");
        let process = Process::start_logging(&data, &["--log", filter], log);
        let mut connection = process.connect().await;
        let before = scrape(&mut connection).await;
        // More than are logged in the second that they begin in, or in the next one.
        for _ in 0..2_000 {
            connection.get("/healthz").await.check(200);
        }
        let after = scrape(&mut connection).await;
        if is_told {
            check_moved(Step::Log, &before, &after);
        } else {
            assert_eq!(after["laterbase_unlogged_requests"], before["laterbase_unlogged_requests"]);
        }
        // Whoever comes a second later is told how many there were.
        sleep(Duration::from_millis(1_100)).await;
        connection.get("/healthz").await.check(200);
        drop(connection);
        assert!(process.terminate().success());
        let log = std::fs::read_to_string(&path).unwrap();
        assert_eq!(log.contains("too many requests to log them all"), is_told, "{filter}");
        assert_eq!(log.contains("/healthz"), is_told, "{filter}");
    }
}

#[tokio::test]
async fn writes_that_wait_are_counted() {
    let store = GateStore::new();
    let server = Running::start(in_memory().store(Arc::clone(&store) as _)).await;
    let mut watching = server.connect().await;
    let before = scrape(&mut watching).await;
    store.shut();
    let mut writing = Vec::new();
    for number in 0..4 {
        let mut connection = server.connect().await;
        writing.push(tokio::spawn(async move {
            connection.post("/e/order", order("o-1", number)).await.check(201)
        }));
    }
    let waiting = async {
        loop {
            let after = scrape(&mut watching).await;
            if value(&after, "laterbase_queue_length") >= 1.0 {
                return after;
            }
        }
    };
    let after = timeout(Duration::from_secs(20), waiting).await.unwrap();
    check_moved(Step::Wait, &before, &after);
    store.open();
    for write in writing {
        write.await.unwrap();
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn syncs_with_servers_are_counted_and_what_waits_for_them() {
    let other = Running::start(in_memory()).await;
    let server = in_memory().build().unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let handle = server.handle();
    for address in [other.address, gone] {
        let url = format!("http://{address}").parse().unwrap();
        let client = Client::new(url, HttpTransport::new().unwrap());
        server.sync_with(client, PeerOptions::default());
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(server.serve(listener));
    let mut connection = Connection::open(address).await;
    let counted = async {
        loop {
            let after = scrape(&mut connection).await;
            let has = |name: &str| after.contains_key(name) && value(&after, name) >= 1.0;
            if has("laterbase_peer_syncs") && has("laterbase_peer_sync_failures") {
                return after;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    let after = timeout(Duration::from_secs(20), counted).await.unwrap();
    check_moved(Step::Join, &Scrape::new(), &after);
    other.stop().await;
    connection.post("/e/order", order("o-1", 1)).await.check(201);
    let waits = async {
        while value(&scrape(&mut connection).await, "laterbase_pending_events") < 1.0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), waits).await.unwrap();
    handle.stop();
    task.await.unwrap().unwrap();
}

/// Whoever asks for made-up paths, roots and peers gets no labels for them.
#[tokio::test]
async fn labels_are_bounded_whatever_is_asked_for() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    connection.post("/e/order", order("o-1", 1)).await.check(201);
    let cursor = end(&mut connection).await;
    for number in 0..1_500_u128 {
        connection.get(&format!("/{number}/x?y={number}")).await.check(404);
        connection.get(&format!("/a/root-{number}/z")).await.check(404);
        let target = format!("/sync?cursor={cursor}&not={}", origin(1_000 + number));
        connection.get(&target).await.check(204);
    }
    for number in 0..150 {
        connection.post(&format!("/e/order@{number}"), order("o-1", 1)).await.check(201);
    }
    let text = connection.get("/metrics").await.check(200).text();
    assert!(text.lines().count() < 2_000, "{} lines", text.lines().count());
    let roots = text.lines().filter(|line| line.starts_with("laterbase_events{")).count();
    assert_eq!(roots, 101, "and all others in one");
    assert!(!text.contains("root-7") && text.contains(r#"{root="(others)"}"#));
    let peers = connection.get("/peers").await.check(200).json()["peers"].clone();
    assert_eq!(peers.as_array().unwrap().len(), 1_000);
    server.stop().await;
}
