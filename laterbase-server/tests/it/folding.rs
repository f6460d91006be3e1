//! Many folds at once: long ones, slow ones, ones that nobody waits for, ones that never end.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use laterbase_core::event::{Event, Record};
use laterbase_core::fold::{Applied, Fold, FoldError, FoldState, MergePatch, Refusal};
use laterbase_core::snapshot::SnapshotPolicy;
use laterbase_server::Server;
use serde_json::json;
use tokio::sync::watch;

use crate::connection::{Connection, Reply};
use crate::running::Running;

/// Counts events. One of the type `Wait` waits for a token, of which the test has as many as it
/// likes.
#[derive(Clone, Debug, Default)]
struct Turnstile {
    tokens: Arc<(Mutex<u64>, Condvar)>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    started: watch::Sender<u64>,
    ended: watch::Sender<u64>,
    /// Events that have come to the turnstile, and those that are through.
    come: watch::Sender<u64>,
    through: watch::Sender<u64>,
}

impl Turnstile {
    fn give(&self, tokens: u64) {
        let (left, given) = &*self.tokens;
        let mut left = left.lock().unwrap();
        *left = left.saturating_add(tokens);
        given.notify_all();
    }

    fn pass(&self) {
        let add_one = |count: &mut u64| *count += 1;
        self.counts.come.send_modify(add_one);
        let (left, given) = &*self.tokens;
        let mut left = given.wait_while(left.lock().unwrap(), |left| *left == 0).unwrap();
        *left -= 1;
        self.counts.through.send_modify(add_one);
    }
}

/// Lets everything through in the end, also where a test fails: a runtime waits for its threads.
struct Opens(Turnstile);

impl Drop for Opens {
    fn drop(&mut self) {
        self.0.give(u64::MAX);
    }
}

async fn wait_for(count: &watch::Sender<u64>, least: u64) {
    count.subscribe().wait_for(|count| *count >= least).await.unwrap();
}

impl Fold for Turnstile {
    fn name(&self) -> &'static str {
        "turnstile"
    }

    fn version(&self) -> u32 {
        1
    }

    fn validate(&self, _: &Record<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn snapshots(&self) -> SnapshotPolicy {
        SnapshotPolicy::Never
    }

    fn start(&self) -> Box<dyn FoldState> {
        self.counts.started.send_modify(|count| *count += 1);
        Box::new(Passed { turnstile: self.clone(), count: 0 })
    }

    fn resume(&self, _: &[u8]) -> Result<Box<dyn FoldState>, FoldError> {
        Err("it leaves no snapshots".into())
    }
}

struct Passed {
    turnstile: Turnstile,
    count: u64,
}

impl FoldState for Passed {
    fn apply(&mut self, event: &Event<'_>) -> Result<Applied, FoldError> {
        if event.record.event_type == "Wait" {
            self.turnstile.pass();
        }
        self.count += 1;
        Ok(Applied::Folded)
    }

    fn to_json(&self) -> Result<Vec<u8>, FoldError> {
        Ok(self.count.to_string().into_bytes())
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        self.turnstile.counts.ended.send_modify(|count| *count += 1);
    }
}

async fn start(fold_time_max: Duration) -> (Turnstile, Running, Connection) {
    let turnstile = Turnstile::default();
    let builder = Server::builder()
        .fold("gate", Arc::new(turnstile.clone()))
        .fold("order", Arc::new(MergePatch))
        .fold_time_max(fold_time_max);
    let server = Running::start(builder).await;
    let connection = server.connect().await;
    (turnstile, server, connection)
}

async fn write(connection: &mut Connection, id: &str, event_type: &str, count: usize) {
    let event = format!(r#"{{"aggregate_id":"{id}","type":"{event_type}","data":1}}"#);
    connection.post("/e/gate", format!("[{}]", vec![event; count].join(","))).await.check(201);
}

/// Reads at once, each on a connection of its own.
async fn read_all(
    server: &Running,
    target: &str,
    count: usize,
) -> Vec<tokio::task::JoinHandle<Reply>> {
    let connections = join_all((0..count).map(|_| server.connect())).await;
    let read = |mut connection: Connection| {
        let target = target.to_owned();
        tokio::spawn(async move { connection.get(&target).await })
    };
    connections.into_iter().map(read).collect()
}

const LONG: Duration = Duration::from_secs(3_600);

/// A hundred connections with an old `known_at` took every slot: a plain read waited for 26 s, and
/// a write for more than half a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_number_of_long_folds_leaves_room_for_quick_reads_and_writes() {
    let (turnstile, server, mut connection) = start(LONG).await;
    let _opens = Opens(turnstile.clone());
    for _ in 0..2 {
        write(&mut connection, "long", "Step", 5_500).await;
    }
    write(&mut connection, "long", "Wait", 1).await;
    write(&mut connection, "short", "Step", 3).await;
    let past = read_all(&server, "/a/gate/long?recorded_until=2200-01-01T00:00:00Z", 100).await;
    wait_for(&turnstile.counts.come, 1).await;
    for _ in 0..3 {
        assert_eq!(connection.get("/a/gate/short").await.check(200).json(), json!(3));
        connection.get("/e/gate?limit=1").await.check(200);
        let order = r#"{"aggregate_id":"O-1","type":"Changed","data":{"n":1}}"#;
        connection.post("/e/order", order).await.check(201);
        assert_eq!(connection.get("/a/order/O-1").await.check(200).json(), json!({ "n": 1 }));
    }
    assert!(*turnstile.counts.come.borrow() <= 4, "few of one aggregate run at once");
    turnstile.give(u64::MAX);
    for reply in join_all(past).await {
        assert_eq!(reply.unwrap().check(200).json(), json!(11_001));
    }
    server.stop().await;
}

/// Two hundred readers that had hung up made another one wait for 8 s: all of their folds ran to
/// their ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_whose_readers_hung_up_stop_or_never_begin() {
    let (turnstile, server, mut connection) = start(LONG).await;
    let _opens = Opens(turnstile.clone());
    write(&mut connection, "a", "Wait", 5_000).await;
    let readers = read_all(&server, "/a/gate/a", 70).await;
    wait_for(&turnstile.counts.come, 4).await;
    for reader in readers {
        reader.abort();
    }
    // Each passes one event at a time, until the server has noticed.
    let counts = &turnstile.counts;
    while *counts.ended.borrow() < 4 {
        let through = *counts.through.borrow();
        turnstile.give(1);
        tokio::select! {
            () = wait_for(&counts.through, through + 1) => {}
            () = wait_for(&counts.ended, 4) => {}
        }
        assert!(*counts.come.borrow() < 4 * 4_000, "they go on to their ends");
    }
    turnstile.give(u64::MAX);
    assert_eq!(connection.get("/a/gate/a").await.check(200).json(), json!(5_000));
    // A turn may come to one whose end has not been noticed yet; that one stops at its first event.
    let started = *counts.started.borrow();
    assert!(started < 70 / 2, "whose turn had not come never begins: {started} of 70");
    server.stop().await;
}

/// What a user's code does between two events cannot be cut short. But it takes nothing from
/// others, and is not begun again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fold_that_does_not_come_back_takes_no_slot_for_good() {
    let (turnstile, server, mut connection) = start(Duration::from_secs(5)).await;
    let _opens = Opens(turnstile.clone());
    write(&mut connection, "stuck", "Wait", 1).await;
    write(&mut connection, "free", "Step", 1).await;
    for reply in join_all(read_all(&server, "/a/gate/stuck", 200).await).await {
        let problem = reply.unwrap();
        problem.problem(503, "fold-too-slow");
        assert!(problem.headers.contains_key("retry-after"));
    }
    assert!(*turnstile.counts.started.borrow() <= 4, "it is not begun again");
    assert_eq!(connection.get("/a/gate/free").await.check(200).json(), json!(1));
    connection.get("/a/gate/stuck").await.problem(503, "fold-too-slow");
    // What would never come back in production has to, or the server does not stop.
    turnstile.give(u64::MAX);
    wait_for(&turnstile.counts.ended, *turnstile.counts.started.borrow()).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_of_folds_can_be_another_while_the_server_runs() {
    let (turnstile, server, mut connection) = start(LONG).await;
    let _opens = Opens(turnstile.clone());
    write(&mut connection, "stuck", "Wait", 1).await;
    let other = || Server::builder().fold_time_max(Duration::from_millis(20));
    assert!(server.handle.reconfigure(other().host("a b")).is_err());
    server.handle.reconfigure(other()).unwrap();
    connection.get("/a/gate/stuck").await.problem(503, "fold-too-slow");
    turnstile.give(u64::MAX);
    wait_for(&turnstile.counts.ended, *turnstile.counts.started.borrow()).await;
    server.stop().await;
}

#[tokio::test]
async fn a_state_that_is_too_long_is_a_problem_of_its_own() {
    let builder = Server::builder().fold("order", Arc::new(MergePatch)).state_bytes_max(1_000);
    let server = Running::start(builder).await;
    let mut connection = server.connect().await;
    for (id, length) in [("a", 10), ("b", 1_000), ("c", 10)] {
        let text = "x".repeat(length);
        let event = format!(r#"{{"aggregate_id":"{id}","type":"t","data":{{"text":"{text}"}}}}"#);
        connection.post("/e/order", event).await.check(201);
    }
    let problem = connection.get("/a/order/b").await.problem(500, "state-too-large");
    assert_eq!(problem["detail"], "a state has at most 1000 bytes of JSON here");
    let listed = connection.get("/a/order").await.check(200).json();
    let listed = listed["aggregates"].as_array().unwrap();
    assert_eq!(listed[0]["state"], json!({ "text": "xxxxxxxxxx" }));
    assert_eq!(listed[1]["problem"]["type"], "urn:laterbase:problem:state-too-large");
    assert_eq!(listed[2]["state"], json!({ "text": "xxxxxxxxxx" }));
    server.stop().await;
}
