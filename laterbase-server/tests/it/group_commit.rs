//! Many writers, one commit.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::mpsc;

use crate::connection::Reply;
use crate::gate_store::GateStore;
use crate::running::{Running, in_memory, order};

const WRITERS: usize = 100;
const TOO_MANY: usize = 5;

/// Starts a writer per number, whose answers come out of the channel.
pub async fn start_writers(server: &Running, count: usize) -> mpsc::UnboundedReceiver<Reply> {
    let (answers, inbox) = mpsc::unbounded_channel();
    for number in 0..count {
        let mut connection = server.connect().await;
        let answers = answers.clone();
        tokio::spawn(async move {
            let reply = connection.post("/e/order", order(&format!("o-{number}"), number)).await;
            answers.send(reply).unwrap();
        });
    }
    inbox
}

/// Mutation: a group of one job at a time makes 100 commits.
#[tokio::test]
async fn a_hundred_writers_share_a_commit() {
    let store = GateStore::new();
    let store_of_server: Arc<GateStore> = Arc::clone(&store);
    let builder = in_memory().store(store_of_server).queue_length_max(WRITERS - 1);
    let server = Running::start(builder).await;
    let commits_before = store.commits();
    store.shut();

    let mut first = start_writers(&server, 1).await;
    store.wait_for_commits(commits_before + 1).await;
    let mut others = start_writers(&server, WRITERS - 1 + TOO_MANY).await;
    // Those turned away are answered at once, and say that the queue is full: 99 wait in it.
    for _ in 0..TOO_MANY {
        let reply = others.recv().await.unwrap().check(503);
        assert_eq!(reply.json()["type"], "urn:laterbase:problem:busy");
        assert_eq!(reply.header("retry-after"), Some("1"));
        assert!(reply.json()["correlation_id"].is_string());
    }
    store.open();
    first.recv().await.unwrap().check(201);
    for _ in 1..WRITERS {
        others.recv().await.unwrap().check(201);
    }
    assert_eq!(store.commits() - commits_before, 2, "one for the first, one for all others");

    let mut connection = server.connect().await;
    assert_eq!(connection.status().await["roots"]["order"]["events"], WRITERS);
    server.stop().await;
}

#[tokio::test]
async fn concurrent_batches_are_each_whole() {
    let server = Running::start(in_memory()).await;
    let writers = (0..8).map(async |writer: usize| {
        let mut connection = server.connect().await;
        for batch in 0..20 {
            let events: Vec<String> =
                (0..50).map(|number| order(&format!("{writer}-{batch}"), number)).collect();
            let body = format!("[{}]", events.join(","));
            let reply = connection.post("/e/order", body).await.check(201);
            let ids = reply.json()["ids"].as_array().unwrap().clone();
            let seqs: Vec<u64> = ids
                .iter()
                .map(|id| id.as_str().unwrap().rsplit_once('-').unwrap().1.parse().unwrap())
                .collect();
            assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
        }
    });
    join_all(writers).await;
    let mut connection = server.connect().await;
    let status = connection.status().await;
    assert_eq!(status["roots"]["order"]["events"], 8 * 20 * 50);
    assert_eq!(status["roots"]["order"]["aggregates"], 8 * 20);
    server.stop().await;
}
