//! `GET /peers`: who synced with the server lately, and how far behind they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use laterbase_client::client::Client;
use laterbase_client::device::{Device, DeviceOptions};
use laterbase_client::sync::{SyncOptions, sync};
use laterbase_client::transport::HttpTransport;
use laterbase_core::event::Record;
use laterbase_core::memory_store::MemoryStore;
use serde_json::Value;

use crate::connection::{ACCEPT_DELTA, Connection, DELTA};
use crate::origins::{delta, end, origin, push, root};
use crate::running::{Running, in_memory, order};

const START: i64 = 1_772_000_000_000_000_000;

/// A server whose clock stands still unless it is moved.
async fn with_a_clock() -> (Running, Arc<AtomicI64>) {
    let now = Arc::new(AtomicI64::new(START));
    let clock = Arc::clone(&now);
    let builder = in_memory().clock(Arc::new(move || clock.load(Ordering::Relaxed)));
    (Running::start(builder).await, now)
}

fn pass(clock: &AtomicI64, seconds: i64) {
    clock.fetch_add(seconds * 1_000_000_000, Ordering::Relaxed);
}

async fn peers(connection: &mut Connection) -> Vec<Value> {
    let reply = connection.get("/peers").await.check(200).json();
    reply["peers"].as_array().unwrap().clone()
}

async fn only_peer(connection: &mut Connection) -> Value {
    let mut peers = peers(connection).await;
    assert_eq!(peers.len(), 1, "{peers:?}");
    peers.remove(0)
}

#[track_caller]
fn check_lag(peer: &Value, lacks: u64, seconds: u64) {
    let expected = (&Value::from(lacks), &Value::from(seconds), &Value::from(false));
    assert_eq!((&peer["lacks"], &peer["behind_seconds"], &peer["lacks_at_most"]), expected);
}

#[tokio::test]
async fn who_pulls_is_told_of_with_what_it_lacks_and_since_when() {
    let (server, clock) = with_a_clock().await;
    let (mut watching, mut device) = (server.connect().await, server.connect().await);
    assert_eq!(peers(&mut watching).await, Vec::<Value>::new());
    let start = end(&mut device).await;
    let pull = |cursor: &str| format!("/sync?cursor={cursor}&roots=order&not={}", origin(7));
    device.get(&pull(&start)).await.check(204);
    pass(&clock, 5);
    let peer = only_peer(&mut watching).await;
    assert_eq!(peer["replica"], origin(7).to_string());
    assert_eq!((&peer["address"], &peer["seen_seconds"]), (&"127.0.0.1".into(), &5.into()));
    assert_eq!((&peer["roots"], &peer["held"]), (&serde_json::json!(["order"]), &0.into()));
    check_lag(&peer, 0, 0);
    // Of what arrives, its own events and roots that it does not take are none that it lacks.
    push(&mut watching, &[("order", origin(7), 1..=4), ("truck", origin(8), 1..=9)]).await;
    watching.post("/e/order", order("a", 1)).await.check(201);
    pass(&clock, 60);
    watching.post("/e/order", order("a", 2)).await.check(201);
    pass(&clock, 2);
    let mut seen = peers(&mut watching).await;
    seen.retain(|peer| !peer["replica"].is_null());
    check_lag(&seen[0], 2, 62);
    assert_eq!(seen[0]["held"], 4);
    // A page at a time, and what was sent counts as held.
    let target = format!("{}&limit=1", pull(&start));
    let page = device.send("GET", &target, &[ACCEPT_DELTA], "").await.check(200);
    let cursor = page.cursor();
    let mut seen = peers(&mut watching).await;
    seen.retain(|peer| !peer["replica"].is_null());
    check_lag(&seen[0], 1, 2);
    assert_eq!((&seen[0]["pages_given"], &seen[0]["seen_seconds"]), (&1.into(), &0.into()));
    assert_eq!(seen[0]["bytes_given"], page.body.len());
    let page = device.send("GET", &pull(&cursor), &[ACCEPT_DELTA], "").await.check(200);
    device.get(&pull(&page.cursor())).await.check(204);
    let mut seen = peers(&mut watching).await;
    seen.retain(|peer| !peer["replica"].is_null());
    check_lag(&seen[0], 0, 0);
    server.stop().await;
}

#[tokio::test]
async fn what_a_cursor_of_another_log_lacks_is_not_known() {
    let (server, _clock) = with_a_clock().await;
    let mut connection = server.connect().await;
    let target = format!("/sync?cursor=AAAAAAAAAAEAAAAAAAAAAgAAAAAAAAAD&not={}", origin(7));
    connection.get(&target).await.problem(410, "cursor-gone");
    let peer = only_peer(&mut connection).await;
    assert_eq!((&peer["lacks"], &peer["behind_seconds"]), (&Value::Null, &Value::Null));
    connection.get("/sync/heads").await.check(200);
    assert_eq!(only_peer(&mut connection).await["roots"], Value::Null);
    server.stop().await;
}

/// As the reference client syncs: it compares, pushes and pulls, and is one peer all the time.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_one_peer_that_lacks_nothing_behind_its_sync() {
    let (server, clock) = with_a_clock().await;
    let mut connection = server.connect().await;
    connection.post("/e/order", order("a", 1)).await.check(201);
    let device = Device::over(Arc::new(MemoryStore::new()), DeviceOptions::default()).unwrap();
    let mut batch = device.batch(&root("order"));
    batch.push(&Record::json("b", "Placed", "1")).unwrap();
    device.record(&batch).unwrap();
    let url = format!("http://{}", server.address).parse().unwrap();
    let client = Client::new(url, HttpTransport::new().unwrap());
    let report = sync(&device, &client, &SyncOptions::default(), &mut |_| {}).await.unwrap();
    assert_eq!((report.pushed, report.pulled), (1, 1));
    let peer = only_peer(&mut connection).await;
    assert_eq!(peer["replica"], device.reader().replica_id().to_string());
    check_lag(&peer, 0, 0);
    assert_eq!((&peer["pages_taken"], &peer["pages_given"]), (&1.into(), &1.into()));
    assert_eq!((&peer["held"], &peer["roots"]), (&1.into(), &serde_json::json!([])));
    connection.post("/e/order", order("a", 2)).await.check(201);
    pass(&clock, 90);
    check_lag(&only_peer(&mut connection).await, 1, 90);
    sync(&device, &client, &SyncOptions::default(), &mut |_| {}).await.unwrap();
    check_lag(&only_peer(&mut connection).await, 0, 0);
    server.stop().await;
}

/// A caller that is far behind costs a look of so many log entries, and no more.
#[tokio::test]
async fn who_is_far_behind_lacks_at_most_what_was_not_looked_at() {
    let (server, _clock) = with_a_clock().await;
    let mut connection = server.connect().await;
    let start = end(&mut connection).await;
    let target = format!("/sync?cursor={start}&not={}&limit=1", origin(7));
    let mut first = 1;
    while first < 25_000 {
        let body = delta(&[("order", origin(8), first..=first + 4_999)]);
        connection.send("POST", "/sync", &[DELTA], body).await.check(200);
        first += 5_000;
    }
    connection.send("GET", &target, &[ACCEPT_DELTA], "").await.check(200);
    for (at_most, looks) in [(true, 1), (false, 2)] {
        let peer = only_peer(&mut connection).await;
        assert_eq!((&peer["lacks"], &peer["lacks_at_most"]), (&24_999.into(), &at_most.into()));
        assert_eq!(peer["behind_seconds"], 0, "after {looks} looks");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_peer_says_what_it_is_called_and_what_its_clock_shows() {
    let (server, _clock) = with_a_clock().await;
    let (mut watching, mut device) = (server.connect().await, server.connect().await);
    let start = end(&mut device).await;
    let target = format!("/sync?cursor={start}&roots=order");
    let time = START / 1_000_000_000;
    let id = origin(7);
    for (said, name, ahead) in [
        (format!("{id};time={};name=truck%207", time + 90), "truck 7".into(), 90.into()),
        (format!("{id}; name=L%C3%BC ; time={}", time - 4), "Lü".into(), Value::from(-4)),
        // Who says nothing of it that makes sense is known by what they said before.
        (format!("{id};name=%ff;time=soon;size=9"), "Lü".into(), Value::from(-4)),
        (format!("{id};time={time};name={}", "x".repeat(65)), Value::Null, 0.into()),
    ] {
        let headers = [("laterbase-replica", said.as_str()), ACCEPT_DELTA];
        device.send("GET", &target, &headers, "").await.check(204);
        let peer = only_peer(&mut watching).await;
        assert_eq!((&peer["name"], &peer["clock_ahead"]), (&name, &ahead), "{said}");
        assert_eq!(peer["replica"], id.to_string());
    }
}
