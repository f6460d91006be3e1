//! `POST` and `GET /e/{root}` with deltas.

use laterbase_core::chain::{ChainHash, RecordHash};
use laterbase_core::delta::{DeltaBuilder, Outgoing};
use laterbase_core::event::Record;
use laterbase_core::hlc::Hlc;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::version_vector::VersionVector;
use laterbase_server::SyncRoots;

use crate::connection::{ACCEPT_DELTA, Connection, DELTA, Reply};
use crate::running::{Running, in_memory, order};

const ORIGIN: ReplicaId = ReplicaId::from_bytes([0x77; 16]);

/// The events of one origin as a delta: those from `first` (from 1) on, the data of each given.
fn delta(root: &str, first: usize, data: &[&str]) -> Vec<u8> {
    let root = RootName::new(root).unwrap();
    let mut chain = ChainHash::genesis(&root, ORIGIN);
    let mut builder = DeltaBuilder::new();
    let mut run = None;
    for (seq, data) in (1..).zip(data) {
        if seq == first {
            run = Some(builder.start_run(&root, ORIGIN, seq as u64, chain));
        }
        let mut record = Vec::new();
        Record::json("o-1", "Changed", data).filled_in(0).encode(&mut record);
        let recorded = Hlc::from_unix_nanos(seq as i64 * 1_000_000_000);
        chain = chain.next(recorded, RecordHash::of(&record));
        let event = Outgoing { origin: ORIGIN, seq: seq as u64, recorded, record: &record, chain };
        if let Some(run) = run {
            builder.push(run, event);
        }
    }
    builder.finish()
}

fn vv(seq: u64) -> String {
    VersionVector::from_iter([(ORIGIN, seq)]).to_string()
}

async fn push(connection: &mut Connection, root: &str, delta: Vec<u8>) -> Reply {
    connection.send("POST", &format!("/e/{root}?vv=true"), &[DELTA], delta).await
}

async fn pull(connection: &mut Connection, target: &str) -> Reply {
    connection.send("GET", target, &[ACCEPT_DELTA], "").await
}

#[tokio::test]
async fn a_delta_carries_everything_from_server_to_server() {
    let (near, far) = (Running::start(in_memory()).await, Running::start(in_memory()).await);
    let (mut near_side, mut far_side) = (near.connect().await, far.connect().await);
    for number in 0..25 {
        near_side.post("/e/order", order(&format!("o-{}", number % 4), number)).await.check(201);
    }
    let mut after = String::new();
    loop {
        let target = format!("/e/order?limit=10{after}");
        let page = pull(&mut near_side, &target).await.check(200);
        assert_eq!(page.header("content-type"), Some("application/vnd.laterbase.delta"));
        after = format!("&after={}", page.header("laterbase-after").unwrap());
        let mut held = Vec::new();
        for _ in 0..2 {
            let pushed = push(&mut far_side, "order", page.body.to_vec()).await.check(200);
            held.push(pushed.json()["vv"].clone());
        }
        assert_eq!(held[0], held[1], "a delta may come twice");
        if page.header("laterbase-more") == Some("false") {
            break;
        }
    }
    let (near_status, far_status) = (near_side.status().await, far_side.status().await);
    assert_eq!(near_status["roots"], far_status["roots"]);
    assert_ne!(near_status["replica"], far_status["replica"]);
    let (near_feed, far_feed) =
        (near_side.get("/e/order").await.json(), far_side.get("/e/order").await.json());
    assert_eq!((&near_feed["events"], &near_feed["vv"]), (&far_feed["events"], &far_feed["vv"]));
    // What arrived where is each replica's own.
    let mut lists = [near_side.get("/a/order").await.json(), far_side.get("/a/order").await.json()];
    for list in &mut lists {
        assert!(list.as_object_mut().unwrap().remove("changed_since").is_some());
    }
    assert_eq!(lists[0], lists[1]);
    let events = "/a/order/o-1/events";
    assert_eq!(near_side.get(events).await.body, far_side.get(events).await.body);
    let (near_one, far_one) =
        (near_side.get("/a/order/o-1").await, far_side.get("/a/order/o-1").await);
    assert_eq!(near_one.header("etag"), far_one.header("etag"));
    drop((near_side, far_side));
    near.stop().await;
    far.stop().await;
}

#[track_caller]
fn check_problem(reply: &Reply, status: u16, kind: &str) {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert_eq!(reply.json()["type"], format!("urn:laterbase:problem:{kind}"));
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
}

/// Mutation: a merge that takes what fits of a delta stores 4 behind the hole.
#[tokio::test]
async fn a_delta_with_a_hole_is_409_with_what_is_held() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    push(&mut connection, "order", delta("order", 1, &["1", "2"])).await.check(200);
    let before = connection.status().await;
    let reply = push(&mut connection, "order", delta("order", 4, &["1", "2", "3", "4"])).await;
    check_problem(&reply, 409, "hole");
    assert_eq!(reply.json()["vv"], vv(2));
    assert_eq!(reply.json()["origin"], ORIGIN.to_string());
    assert_eq!(connection.status().await, before);
    push(&mut connection, "order", delta("order", 2, &["1", "2", "3"])).await.check(200);
    server.stop().await;
}

#[tokio::test]
async fn a_fork_is_409_and_names_where_it_is_in_doubt() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    push(&mut connection, "order", delta("order", 1, &["1", "2"])).await.check(200);
    let before = connection.status().await["roots"].clone();
    for other in [
        delta("order", 1, &["1", "other"]),
        delta("order", 1, &["1", "other", "3"]),
        delta("order", 3, &["1", "other", "3"]),
    ] {
        let reply = push(&mut connection, "order", other).await;
        check_problem(&reply, 409, "fork");
        assert_eq!(reply.json()["root"], "order");
        assert_eq!(reply.json()["origin"], ORIGIN.to_string());
        assert!(reply.json()["seq"].is_u64(), "{}", reply.text());
        assert_eq!(connection.status().await["roots"], before);
    }
    server.stop().await;
}

/// Mutation: without the page's hash, some of the flipped bits are stored.
#[tokio::test]
async fn a_damaged_delta_is_400_wherever_the_damage_is() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let good = delta("order", 1, &["1", "2"]);
    for cut in 0..good.len() {
        let reply = push(&mut connection, "order", good[..cut].to_vec()).await;
        check_problem(&reply, 400, "malformed-delta");
    }
    for index in 0..good.len() {
        let mut flipped = good.clone();
        flipped[index] ^= 0x10;
        check_problem(&push(&mut connection, "order", flipped).await, 400, "malformed-delta");
    }
    let other_root = push(&mut connection, "order@b", good.clone()).await;
    check_problem(&other_root, 400, "malformed-delta");
    assert_eq!(other_root.json()["field"], "root");
    assert_eq!(connection.event_count().await, 0);
    push(&mut connection, "order", good).await.check(200);
    server.stop().await;
}

#[tokio::test]
async fn an_unknown_root_is_relayed_but_not_read() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let page = delta("truck", 1, &["1", "2"]);
    push(&mut connection, "truck", page.clone()).await.check(200);
    assert_eq!(connection.status().await["roots"]["truck"]["events"], 2);
    assert_eq!(pull(&mut connection, "/e/truck").await.check(200).body, page, "byte for byte");
    connection.get("/e/truck").await.check(404);
    connection.get("/a/truck/o-1").await.check(404);
    server.stop().await;
}

#[tokio::test]
async fn a_server_can_be_told_to_take_known_roots_only() {
    let server = Running::start(in_memory().sync_roots(SyncRoots::Known)).await;
    let mut connection = server.connect().await;
    let reply = push(&mut connection, "truck", delta("truck", 1, &["1"])).await;
    check_problem(&reply, 404, "unknown-root");
    check_problem(&pull(&mut connection, "/e/truck").await, 404, "unknown-root");
    push(&mut connection, "order", delta("order", 1, &["1"])).await.check(200);
    server.stop().await;
}

#[tokio::test]
async fn data_that_only_claims_to_be_json_breaks_no_page() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    push(&mut connection, "order", delta("order", 1, &["1}]", "{"])).await.check(200);
    let page = connection.get("/e/order").await.check(200).json();
    assert_eq!(page["events"][0]["data_base64"], "MX1d");
    assert_eq!(page["events"][1]["data_base64"], "ew==");
    server.stop().await;
}
