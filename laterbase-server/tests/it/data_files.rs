//! Real event logs through every route. They are not part of this repository: where they are
//! absent, these tests say what they left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::connection::{ACCEPT_LINES, Connection, LINES, segment};
use crate::process::Process;

#[derive(Deserialize)]
struct Line<'a> {
    root: &'a str,
    aggregate_id: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    events: Vec<Out<'a>>,
    vv: String,
    more: bool,
}

#[derive(Deserialize)]
struct Out<'a> {
    id: &'a str,
    hlc: &'a str,
    aggregate_id: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// The lines of a sample, or nothing and a word about it.
#[expect(clippy::print_stderr, reason = "a test that leaves something out says so")]
pub fn sample(name: &str) -> Option<String> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!("LEFT OUT: there is no {}, so its events went through no route", path.display());
        return None;
    };
    Some(String::from_utf8(zstd::decode_all(bytes.as_slice()).unwrap()).unwrap())
}

fn parse(line: &str) -> Line<'_> {
    serde_json::from_str(line).unwrap()
}

async fn post(connection: &mut Connection, root: &str, lines: &[&str]) {
    for batch in lines.chunks(1_000) {
        let target = format!("/e/{root}");
        let reply = connection.send("POST", &target, &[LINES], batch.join("\n")).await.check(201);
        assert_eq!(reply.json()["ids"].as_array().unwrap().len(), batch.len());
    }
}

/// Reads the feed page by page and checks that it is the lines, each once, in clock order.
async fn check_feed(connection: &mut Connection, root: &str, lines: &[&str]) {
    let (mut vv, mut position, mut ids) = (String::new(), 0, BTreeSet::new());
    let mut last_hlc = String::new();
    loop {
        let target = format!("/e/{root}?limit=997&vv={vv}");
        let reply = connection.get(&target).await.check(200);
        let page: Page<'_> = serde_json::from_slice(&reply.body).unwrap();
        for event in &page.events {
            let line = parse(lines[position]);
            assert_eq!(event.data.get(), line.data.get(), "byte for byte");
            assert_eq!(event.aggregate_id, line.aggregate_id);
            assert!(event.hlc > last_hlc.as_str(), "{} after {last_hlc}", event.hlc);
            event.hlc.clone_into(&mut last_hlc);
            assert!(ids.insert(event.id.to_owned()), "{} came twice", event.id);
            position += 1;
        }
        vv = page.vv;
        if !page.more {
            break;
        }
    }
    assert_eq!(position, lines.len());
}

/// Reads the listing page by page and gives the ids.
async fn aggregate_ids(connection: &mut Connection, root: &str) -> Vec<String> {
    let (mut after, mut ids) = (String::new(), Vec::new());
    loop {
        let page = connection.get(&format!("/a/{root}?limit=500{after}")).await.check(200).json();
        for aggregate in page["aggregates"].as_array().unwrap() {
            assert!(aggregate["state"].is_object(), "{aggregate}");
            ids.push(aggregate["id"].as_str().unwrap().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return ids,
        }
    }
}

#[tokio::test]
async fn the_shipments_of_a_decade_come_back_whole_also_after_a_kill() {
    let Some(text) = sample("scms.jsonl.zst") else { return };
    let lines: Vec<&str> = text.lines().collect();
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(directory.path(), &["--root", "shipment"]);
    let mut connection = server.connect().await;
    post(&mut connection, "shipment", &lines).await;
    let expected: BTreeSet<String> = lines.iter().map(|line| parse(line).aggregate_id).collect();
    assert_eq!((lines.len(), expected.len()), (22_559, 7_030));
    let before = check_shipments(&mut connection, &lines, &expected).await;
    server.kill();

    let server = Process::start(directory.path(), &["--root", "shipment"]);
    let mut connection = server.connect().await;
    let after = check_shipments(&mut connection, &lines, &expected).await;
    assert_eq!(after, before);
}

async fn check_shipments(
    connection: &mut Connection,
    lines: &[&str],
    expected: &BTreeSet<String>,
) -> serde_json::Value {
    check_feed(connection, "shipment", lines).await;
    let ids = aggregate_ids(connection, "shipment").await;
    assert!(ids.iter().eq(expected), "in the order of the ids, each once");
    let status = connection.status().await;
    assert_eq!(status["roots"]["shipment"]["events"], lines.len());
    assert_eq!(status["roots"]["shipment"]["aggregates"], expected.len());
    status
}

/// Posts a log of several roots, and reads each event through every route.
async fn check_many_roots(name: &str) {
    let Some(text) = sample(name) else { return };
    let mut roots: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in text.lines() {
        roots.entry(parse(line).root).or_default().push(line);
    }
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(directory.path(), &[]);
    let mut connection = server.connect().await;
    for (root, lines) in &roots {
        post(&mut connection, root, lines).await;
        check_feed(&mut connection, root, lines).await;
        check_aggregates(&mut connection, root, lines).await;
    }
    let status = connection.status().await;
    assert_eq!(status["roots"].as_object().unwrap().len(), roots.len());
}

async fn check_aggregates(connection: &mut Connection, root: &str, lines: &[&str]) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for line in lines {
        *counts.entry(parse(line).aggregate_id).or_default() += 1;
    }
    let ids = aggregate_ids(connection, root).await;
    assert!(ids.iter().eq(counts.keys()), "{root}");
    for (id, count) in &counts {
        let target = format!("/a/{root}/{}", segment(id));
        let state = connection.get(&target).await.check(200);
        assert_eq!(state.header("laterbase-event-count"), Some(count.to_string().as_str()), "{id}");
        let target = format!("{target}/events?limit=10000");
        let events = connection.send("GET", &target, &[ACCEPT_LINES], "").await.check(200);
        assert_eq!(events.text().lines().count(), *count, "{id}");
    }
}

#[tokio::test]
async fn orders_containers_and_vessels_are_roots_side_by_side() {
    check_many_roots("container_logistics.jsonl.zst").await;
}

#[tokio::test]
async fn ids_that_are_urns_work_on_every_route() {
    check_many_roots("epcis_gs1.jsonl.zst").await;
}
