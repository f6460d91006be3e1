//! Acknowledged means durable: the server is killed under load, again and again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::sync::Notify;

use crate::connection::{Connection, LINES};
use crate::process::Process;
use crate::running::order;

const ROUNDS: usize = 3;
const WRITERS: usize = 8;
/// Batches that are acknowledged before the server is killed.
const BATCHES: usize = 150;

/// Event id → the number in its data.
type Acknowledged = BTreeMap<String, u64>;

/// Writes batches of 1 to 40 events until the connection breaks, and says what was acknowledged.
async fn write_until_cut(
    mut connection: Connection,
    writer: usize,
    count: Arc<AtomicUsize>,
    enough: Arc<Notify>,
) -> Acknowledged {
    let mut acknowledged = Acknowledged::new();
    for batch in 0.. {
        let numbers: Vec<usize> = (0..batch % 40 + 1).map(|event| batch * 100 + event).collect();
        let id = format!("{writer}/{}", batch % 7);
        let lines: Vec<String> = numbers.iter().map(|number| order(&id, *number)).collect();
        let sent = connection.try_send("POST", "/e/order", &[LINES], lines.join("\n")).await;
        let Ok(reply) = sent else { break };
        if reply.status == 503 {
            break;
        }
        let reply = reply.check(201).json();
        let ids = reply["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned());
        acknowledged.extend(ids.zip(numbers.iter().map(|number| *number as u64)));
        if count.fetch_add(1, Ordering::Relaxed) + 1 == BATCHES {
            enough.notify_one();
        }
    }
    acknowledged
}

/// Everything that the server holds, in feed order.
async fn read_all(connection: &mut Connection) -> Vec<(String, u64)> {
    let (mut vv, mut events) = (String::new(), Vec::new());
    loop {
        let page = connection.get(&format!("/e/order?limit=10000&vv={vv}")).await.check(200).json();
        for event in page["events"].as_array().unwrap() {
            let id = event["id"].as_str().unwrap().to_owned();
            events.push((id, event["data"]["n"].as_u64().unwrap()));
        }
        vv = page["vv"].as_str().unwrap().to_owned();
        if page["more"] == false {
            return events;
        }
    }
}

/// A server under load, until enough batches are acknowledged; `end` it, and say what was.
async fn run_under_load(server: Process, end: impl FnOnce(Process)) -> Acknowledged {
    let (count, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let connection = server.connect().await;
        let (count, enough) = (Arc::clone(&count), Arc::clone(&enough));
        writers.push(tokio::spawn(write_until_cut(connection, writer, count, enough)));
    }
    enough.notified().await;
    tokio::task::block_in_place(|| end(server));
    let mut acknowledged = Acknowledged::new();
    for written in join_all(writers).await {
        acknowledged.append(&mut written.unwrap());
    }
    acknowledged
}

/// Mutation: a writer that answers before the commit loses acknowledged events here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_event_survives_the_death_of_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let start = || Process::start(directory.path(), &["--root", "order"]);
    let mut acknowledged = Acknowledged::new();
    let mut replica = None;
    for _ in 0..ROUNDS {
        acknowledged.append(&mut run_under_load(start(), Process::kill).await);
        let server = start();
        let mut connection = server.connect().await;
        let events = read_all(&mut connection).await;
        let held: Acknowledged = events.iter().cloned().collect();
        assert_eq!(held.len(), events.len(), "an event came twice");
        for (id, number) in &acknowledged {
            assert_eq!(held.get(id), Some(number), "{id} was acknowledged");
        }
        let status = connection.status().await;
        assert_eq!(status["roots"]["order"]["events"], events.len());
        assert_eq!(*replica.get_or_insert(status["replica"].clone()), status["replica"]);
        check_aggregates(&mut connection, &events).await;
        server.kill();
    }
    assert!(acknowledged.len() > ROUNDS * BATCHES);
}

/// Mutation: a server that exits at once leaves, every other time, events that are stored and were
/// never acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_told_to_end_answers_everything_it_stores() {
    let directory = tempfile::tempdir().unwrap();
    let start = || Process::start(directory.path(), &["--root", "order"]);
    let end = |server: Process| assert!(server.terminate().success());
    let acknowledged = run_under_load(start(), end).await;
    let server = start();
    let events = read_all(&mut server.connect().await).await;
    assert_eq!(events.into_iter().collect::<Acknowledged>(), acknowledged);
}

/// The derived tables were cut off anywhere; what is read through them is whole all the same.
async fn check_aggregates(connection: &mut Connection, events: &[(String, u64)]) {
    let page = connection.get("/a/order?limit=10000").await.check(200).json();
    let mut count = 0;
    for aggregate in page["aggregates"].as_array().unwrap() {
        let id = crate::connection::segment(aggregate["id"].as_str().unwrap());
        let reply = connection.get(&format!("/a/order/{id}")).await.check(200);
        count += reply.header("laterbase-event-count").unwrap().parse::<usize>().unwrap();
    }
    assert_eq!(count, events.len());
}
