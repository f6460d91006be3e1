//! `/forks`: listed in pages, and decided at a running server.

use std::sync::Arc;

use laterbase_core::delta::Delta;
use laterbase_core::fold::{Folds, MergePatch};
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::replica::{Replica, ReplicaOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::connection::{Connection, DELTA, JSON, LINES};
use crate::origins::{delta, origin, push, told_delta};
use crate::process::Process;
use crate::running::{Running, in_memory};

const NOW: i64 = 1_700_000_000_000_000_000;

/// Two histories of an origin: three events here, and five elsewhere.
async fn fork(connection: &mut Connection, number: u128) {
    push(connection, &[("order", origin(number), 1..=3)]).await.check(200);
    let other = told_delta(&[("order", origin(number), 1..=5)], "other");
    connection.send("POST", "/sync", &[DELTA], other).await.problem(409, "fork");
}

/// A fork could be decided by stopping the server only, with its store in another program.
///
/// Mutation: a decision that is staged behind other writes of its group would take their commit
/// for its own (`Uncommitted` in `replica/resolve.rs`).
#[tokio::test(flavor = "multi_thread")]
async fn a_fork_is_decided_while_the_server_runs() {
    for (keep, moves) in [("ours", 5), ("theirs", 3)] {
        let server = Running::start(in_memory()).await;
        let mut connection = server.connect().await;
        fork(&mut connection, 7).await;
        let listed = connection.get("/forks").await.check(200).json();
        assert_eq!(listed["next"], Value::Null);
        let found = &listed["forks"][0];
        assert_eq!((&found["root"], &found["seq"]), (&json!("order"), &json!(1)));
        assert_eq!((&found["ours"], &found["theirs"]), (&json!(3), &json!(5)));
        assert_eq!(found["located"], true);
        assert_eq!(found["branches"].as_array().unwrap().len(), 1);
        let promised = &found["keep"][keep];
        assert_eq!(promised["moves"], moves);

        let target = format!("/forks/order/{}", origin(7));
        let done = connection.post(&target, json!({ "keep": keep }).to_string()).await;
        let done = done.check(200).json();
        assert_eq!((&done["kept"], &done["moved"]), (&json!(keep), &json!(moves)));
        assert_eq!(done["into"], promised["into"]);
        let status = connection.status().await;
        assert_eq!((&status["forks"], &status["fork_count"]), (&json!([]), &json!(0)));
        assert_eq!(status["roots"]["order"]["events"], 8, "nothing is lost");
        connection.post("/e/order", crate::running::order("o-1", 1)).await.check(201);
        let again = connection.post(&target, json!({ "keep": keep }).to_string()).await;
        again.problem(404, "unknown-fork");
        server.stop().await;
    }
}

/// Of three histories the shortest could not be kept.
///
/// Mutation: the longest branch takes the place, whichever is named.
#[tokio::test]
async fn of_three_histories_each_can_be_kept() {
    for shortest in [true, false] {
        let server = Running::start(in_memory()).await;
        let mut connection = server.connect().await;
        fork(&mut connection, 7).await;
        let third = told_delta(&[("order", origin(7), 1..=4)], "third");
        connection.send("POST", "/sync", &[DELTA], third).await.problem(409, "fork");
        let listed = connection.get("/forks").await.check(200).json();
        let mut branches = listed["forks"][0]["branches"].as_array().unwrap().clone();
        branches.sort_by_key(|branch| branch["events"].as_u64());
        let kept = &branches[usize::from(!shortest)];
        assert_eq!(kept["events"], if shortest { 4 } else { 5 });

        let body = json!({ "keep": "theirs", "branch": kept["into"] }).to_string();
        let at_fork = format!("/forks/order/{}", origin(7));
        let done = connection.post(&at_fork, body).await;
        assert_eq!(done.check(200).json()["moved"], 3, "our three");
        let page = connection.get("/events?roots=order&limit=100").await.check(200).json();
        let at_the_origin = format!("order:{}-", origin(7));
        let is_there = |event: &&Value| event["id"].as_str().unwrap().starts_with(&at_the_origin);
        let there = page["events"].as_array().unwrap().iter().filter(is_there).count();
        assert_eq!(there as u64, kept["events"]);
        assert_eq!(connection.status().await["fork_count"], 1, "with the other one");
        let done = connection.post(&at_fork, json!({ "keep": "ours" }).to_string()).await;
        assert_eq!(done.check(200).json()["kept"], "ours");
        let status = connection.status().await;
        assert_eq!(
            (&status["fork_count"], &status["roots"]["order"]["events"]),
            (&json!(0), &json!(12))
        );
        server.stop().await;
    }
}

#[tokio::test]
async fn what_cannot_be_decided_is_said() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    fork(&mut connection, 7).await;
    let there = format!("/forks/order/{}", origin(7));
    let nowhere = format!("/forks/order/{}", origin(8));
    let named =
        |keep, number| json!({ "keep": keep, "branch": origin(number).to_string() }).to_string();
    for (target, headers, body, status, kind) in [
        (there.as_str(), &[JSON][..], r#"{"keep":"both"}"#, 400, "malformed-request"),
        (&there, &[JSON], "{}", 400, "malformed-request"),
        (&there, &[JSON], r#"{"keep":"ours","why":1}"#, 400, "malformed-request"),
        (&there, &[JSON], r#"{"keep":"theirs","branch":"x"}"#, 400, "malformed-request"),
        (&there, &[JSON], named("ours", 9).leak(), 400, "malformed-request"),
        (&there, &[JSON], named("theirs", 9).leak(), 404, "unknown-fork"),
        (&there, &[LINES], r#"{"keep":"ours"}"#, 415, "unsupported-media-type"),
        (&there, &[], r#"{"keep":"ours"}"#, 415, "unsupported-media-type"),
        (&nowhere, &[JSON], r#"{"keep":"ours"}"#, 404, "unknown-fork"),
        ("/forks/order/x", &[JSON], r#"{"keep":"ours"}"#, 400, "malformed-parameter"),
        ("/forks/@/x", &[JSON], r#"{"keep":"ours"}"#, 404, "unknown-root"),
    ] {
        connection.send("POST", target, headers, body).await.problem(status, kind);
    }
    connection.get("/forks?after=x").await.problem(400, "malformed-parameter");
    assert_eq!(connection.status().await["fork_count"], 1, "nothing has changed");
    server.stop().await;
}

/// A store that holds events of many origins, each with another history.
fn store_with_forks(count: u128) -> MemoryStore {
    let store = MemoryStore::new();
    let folds = Arc::new(Folds::new().fallback(Arc::new(MergePatch)));
    let random = Box::new(|| [0xee; 16]);
    let mut replica =
        Replica::open(Arc::new(store.reopen()), folds, ReplicaOptions::default(), random).unwrap();
    let origins: Vec<_> = (0..count).map(|number| ("order", origin(number), 1..=1)).collect();
    replica.merge(&Delta::decode(&delta(&origins)).unwrap(), NOW).unwrap();
    let other = told_delta(&origins, "other");
    let page = replica.stage_merge_page(&Delta::decode(&other).unwrap(), NOW).unwrap();
    assert_eq!(page.held_back.len() as u128, count);
    replica.commit().unwrap();
    replica.close().unwrap();
    store
}

/// `GET /` named every fork twice: with 20,000 of them it answered 7 MB.
#[tokio::test]
async fn the_status_counts_forks_and_their_route_lists_them_in_pages() {
    const COUNT: u128 = 2_000;
    let store = store_with_forks(COUNT);
    let server = Running::start(in_memory().store(Arc::new(store.reopen()))).await;
    let mut connection = server.connect().await;
    let status = connection.status().await;
    assert_eq!((&status["fork_count"], &status["held_back_count"]), (&json!(2_000), &json!(2_000)));
    assert_eq!(status["forks"].as_array().unwrap().len(), 20);
    assert_eq!(status["held_back"].as_array().unwrap().len(), 20);
    let (mut origins, mut query) = (Vec::new(), String::new());
    loop {
        let page = connection.get(&format!("/forks?limit=300{query}")).await.check(200).json();
        for fork in page["forks"].as_array().unwrap() {
            origins.push(fork["origin"].as_str().unwrap().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => query = format!("&after={next}"),
            None => break,
        }
    }
    let expected: Vec<String> = (0..COUNT).map(|number| origin(number).to_string()).collect();
    assert_eq!(origins, expected);
    server.stop().await;
}

/// A push that met a fork was answered with 409, and the server's log did not know.
///
/// Mutation: a log that names an origin with each page that meets it.
#[tokio::test]
async fn the_log_names_an_origin_that_is_held_back_once() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("log");
    let log = std::fs::File::create(&path).unwrap();
    let process = Process::start_logging(&directory.path().join("data"), &[], log);
    let mut connection = process.connect().await;
    for number in [7, 8] {
        fork(&mut connection, number).await;
        let other = told_delta(&[("order", origin(number), 1..=5)], "other");
        connection.send("POST", "/sync", &[DELTA], other).await.problem(409, "fork");
    }
    drop(connection);
    assert!(process.terminate().success());
    let log = std::fs::read_to_string(path).unwrap();
    assert_eq!(log.matches("an origin is held back").count(), 2, "{log}");
    assert_eq!(log.matches(&format!("origin={}", origin(7))).count(), 1, "{log}");
}
