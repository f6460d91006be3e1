//! `POST /sync`: a delta of any roots.

use std::sync::Arc;

use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_server::SyncRoots;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::connection::{Connection, DELTA, JSON, Reply};
use crate::gate_store::GateStore;
use crate::origins::{delta, end, origin, push, runs, told_delta};
use crate::running::{Running, in_memory, order};

fn text(document: &Value, member: &str) -> String {
    document[member].as_str().unwrap().to_owned()
}

async fn post(connection: &mut Connection, body: Vec<u8>) -> Reply {
    connection.send("POST", "/sync", &[DELTA], body).await
}

#[tokio::test]
async fn a_push_says_what_is_held_and_where_it_landed() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let start = end(&mut connection).await;
    let stretches = [("order", origin(1), 1..=3), ("trip", origin(1), 1..=2)];
    let reply = push(&mut connection, &stretches).await.check(200);
    let document = reply.json();
    assert_eq!((document["stored"].as_u64(), document["known"].as_u64()), (Some(5), Some(0)));
    assert_eq!(text(&document, "before"), start);
    assert_eq!(text(&document, "after"), end(&mut connection).await);
    let replica = connection.status().await["replica"].as_str().unwrap().to_owned();
    assert_eq!(reply.header("laterbase-replica"), Some(replica.as_str()));
    connection.get(&format!("/sync?cursor={}", text(&document, "after"))).await.check(204);

    let again = push(&mut connection, &stretches).await.check(200).json();
    assert_eq!((again["stored"].as_u64(), again["known"].as_u64()), (Some(0), Some(5)));
    assert_eq!(again["before"], again["after"], "nothing to step over");
    let more = push(&mut connection, &[("order", origin(1), 2..=4)]).await.check(200).json();
    assert_eq!((more["stored"].as_u64(), more["known"].as_u64()), (Some(1), Some(2)));
    assert_eq!(more["before"], document["after"]);
    server.stop().await;
}

/// Pushes that wait while the first one's commit is held up, and share the next one.
const WAITING: u32 = 5;

/// Mutation: with the log's end before and after the whole group as the cursors, the second
/// pusher steps over what the first one brought.
#[tokio::test]
async fn pushes_that_share_a_commit_land_one_behind_the_other() {
    let store = GateStore::new();
    let of_server: Arc<GateStore> = Arc::clone(&store);
    let builder = in_memory().store(of_server).queue_length_max(WAITING as usize);
    let server = Running::start(builder).await;
    let mut watcher = server.connect().await;
    let commits_before = store.commits();
    store.shut();
    let (answers, mut inbox) = mpsc::unbounded_channel();
    let pushed = (0..u64::from(WAITING) + 2).map(|number| (number, number % 3 == 2));
    for (number, is_local) in pushed {
        let (mut connection, answers) = (server.connect().await, answers.clone());
        tokio::spawn(async move {
            // A local write between two pushes is in nobody's stretch.
            let reply = if is_local {
                connection.post("/e/order", order("o-1", 1)).await
            } else {
                push(&mut connection, &[("order", origin(number.into()), 1..=number + 1)]).await
            };
            answers.send((number, is_local, reply)).unwrap();
        });
        if number == 0 {
            store.wait_for_commits(commits_before + 1).await;
        }
    }
    // One is turned away, which says that all others wait.
    inbox.recv().await.unwrap().2.check(503);
    store.open();
    for _ in 0..=WAITING {
        let (number, is_local, reply) = inbox.recv().await.unwrap();
        if !is_local {
            check_landing(&mut watcher, number, &reply.check(200).json()).await;
        }
    }
    assert_eq!(store.commits() - commits_before, 2);
    server.stop().await;
}

/// Between a push's two cursors lies what it brought, and nothing else.
async fn check_landing(connection: &mut Connection, number: u64, document: &Value) {
    let (before, after) = (text(document, "before"), text(document, "after"));
    assert_eq!(document["stored"], number + 1);
    let target = format!("/sync?cursor={before}&limit={}", number + 1);
    let page = connection.get(&target).await.check(200);
    let own = origin(u128::from(number));
    assert_eq!(runs(&page.body), [("order".to_owned(), own, 1..=number + 1)]);
    assert_eq!(page.cursor(), after);
}

/// Mutation: a merge that takes the runs before the hole stores the trip.
#[tokio::test]
async fn a_hole_is_409_and_names_what_is_held() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    push(&mut connection, &[("order", origin(1), 1..=2)]).await.check(200);
    let before = connection.status().await;
    for (root, held) in [("order", 2), ("trip", 0)] {
        let stretches = [("order", origin(5), 1..=1), (root, origin(1), 4..=5)];
        let problem = push(&mut connection, &stretches).await.problem(409, "hole");
        assert_eq!(problem["root"], root);
        assert_eq!(problem["origin"], origin(1).to_string());
        assert_eq!(problem["held"], held);
        assert_eq!(problem["seq"], held + 1);
        assert_eq!(problem.get("vv"), None, "as long as there are origins");
        assert_eq!(connection.status().await, before);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_fork_is_409_and_names_where_it_is_in_doubt() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    push(&mut connection, &[("order", origin(1), 1..=3)]).await.check(200);
    let before = connection.status().await["roots"].clone();
    let other = told_delta(&[("trip", origin(2), 1..=1), ("order", origin(1), 1..=4)], "other");
    let problem = post(&mut connection, other).await.problem(409, "fork");
    assert_eq!(problem["root"], "order");
    assert_eq!(problem["origin"], origin(1).to_string());
    assert_eq!(problem["seq"], 1);
    let status = connection.status().await;
    assert_eq!(status["roots"], before);
    let fork = &status["forks"][0];
    assert_eq!((&fork["root"], &fork["origin"]), (&problem["root"], &problem["origin"]));
    assert_eq!((&fork["seq"], &fork["located"]), (&problem["seq"], &true.into()));
    assert_eq!((fork["ours"].as_u64(), fork["theirs"].as_u64()), (Some(3), Some(4)));
    let held_back = &status["held_back"][0];
    assert_eq!((&held_back["origin"], &held_back["reason"]), (&fork["origin"], &"fork".into()));
    push(&mut connection, &[("trip", origin(2), 1..=1)]).await.check(200);
    server.stop().await;
}

/// The story: a server that was shown an event of its own that it did not know moved to another id
/// without a word.
#[tokio::test]
async fn a_server_that_gives_up_its_id_says_from_where_on_and_why() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let before = connection.status().await;
    assert_eq!(before["renewals"], serde_json::json!([]));
    let own = text(&before, "replica").parse().unwrap();
    push(&mut connection, &[("order", own, 1..=2)]).await.check(200);
    let status = connection.status().await;
    let renewal = serde_json::json!({
        "old": before["replica"],
        "new": status["replica"],
        "from": {"order": 1},
        "reason": "peer-has-more",
    });
    assert_eq!(status["renewals"], serde_json::json!([renewal]));
    server.stop().await;
}

#[tokio::test]
async fn a_root_that_is_not_taken_is_404_and_named() {
    let server = Running::start(in_memory().sync_roots(SyncRoots::Known)).await;
    let mut connection = server.connect().await;
    let stretches = [("order@b", origin(1), 1..=1), ("truck@b", origin(1), 1..=1)];
    let problem = push(&mut connection, &stretches).await.problem(404, "unknown-root");
    assert_eq!(problem["root"], "truck@b");
    assert_eq!(connection.event_count().await, 0);
    push(&mut connection, &stretches[..1]).await.check(200);
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_delta_is_refused() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let good = delta(&[("order", origin(1), 1..=2)]);
    for cut in 0..good.len() {
        post(&mut connection, good[..cut].to_vec()).await.problem(400, "malformed-delta");
    }
    let reply = connection.send("POST", "/sync", &[JSON], good.clone()).await;
    reply.problem(415, "unsupported-media-type");
    let reply = connection.send("POST", "/sync?root=order", &[DELTA], good).await;
    assert_eq!(reply.problem(400, "malformed-parameter")["field"], "root");
    let long = vec![0; BATCH_BYTES_MAX + 1];
    post(&mut server.connect().await, long).await.problem(413, "too-large");
    connection.send("PUT", "/sync", &[DELTA], "").await.problem(405, "method-not-allowed");
    assert_eq!(connection.event_count().await, 0);
    server.stop().await;
}
