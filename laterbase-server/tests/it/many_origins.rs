//! A root of very many origins: every clone, restore and reinstallation adds one, for ever.

use std::time::{Duration, Instant};

use laterbase_core::chain::{ChainHash, RecordHash};
use laterbase_core::delta::{DeltaBuilder, Outgoing};
use laterbase_core::event::Record;
use laterbase_core::hlc::Hlc;
use laterbase_core::wants::{Want, Wants};
use serde_json::{Value, json};

use crate::connection::{ACCEPT_DELTA, ACCEPT_LINES, Connection, DELTA, JSON, LINES, Reply, WANTS};
use crate::origins::{end, origin, push, root};
use crate::running::{Running, in_memory, order};

const ORIGINS: u128 = 100_000;
const HEAD_BYTES_MAX: usize = 4 * 1024;

/// Generous, for a machine that has other things to do. A hundred pages that each look at the first
/// event of every origin take longer.
const READING_MAX: Duration = Duration::from_secs(40);

/// One event of each of some origins.
fn events(origins: std::ops::Range<u128>) -> Vec<u8> {
    let mut builder = DeltaBuilder::new();
    for number in origins {
        let (name, origin) = (root("order"), origin(number));
        let chain = ChainHash::genesis(&name, origin);
        let run = builder.start_run(&name, origin, 1, chain);
        let mut record = Vec::new();
        Record::json(&format!("o-{}", number % 100), "Changed", "{}")
            .filled_in(0)
            .encode(&mut record);
        // Against the order of the origins.
        let nanos = 1_000_000_000_000 - i64::try_from(number).unwrap() * 1_000;
        let recorded = Hlc::from_unix_nanos(nanos);
        let chain = chain.next(recorded, RecordHash::of(&record));
        builder.push(run, Outgoing { origin, seq: 1, recorded, record: &record, chain });
    }
    builder.finish()
}

#[track_caller]
fn check_head(what: &str, reply: &Reply) {
    let bytes: usize =
        reply.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    assert!(bytes < HEAD_BYTES_MAX, "{what}: a head of {bytes} bytes");
}

/// At 100,000 origins a write of one event was answered with 2.3 MB, and pages of the feed had
/// heads of 2.3 MB, which no client reads.
#[tokio::test]
async fn heads_and_answers_to_writes_stay_short_however_many_origins_there_are() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    for first in (0..ORIGINS).step_by(10_000) {
        let delta = events(first..first + 10_000);
        connection.send("POST", "/sync", &[DELTA], delta).await.check(200);
    }
    for (headers, body) in [
        (&[JSON][..], order("o-1", 1).into_bytes()),
        (&[LINES], order("o-1", 2).into_bytes()),
        (&[DELTA], events(0..1)),
    ] {
        let reply = connection.send("POST", "/e/order", headers, body).await;
        assert!(reply.status.is_success(), "{}", reply.text());
        check_head("a write", &reply);
        assert!(reply.body.len() < 1024, "a write of one event says {} bytes", reply.body.len());
    }
    check_reads(&mut connection).await;
    check_all_pages(&mut connection).await;
    server.stop().await;
}

async fn check_reads(connection: &mut Connection) {
    let start = end(connection).await;
    push(connection, &[("order", origin(1), 2..=2)]).await;
    let wants = Wants { entries: vec![want()] };
    for (method, target, headers, body) in [
        ("GET", "/".to_owned(), &[][..], Vec::new()),
        ("GET", "/e/order?limit=10".to_owned(), &[], Vec::new()),
        ("GET", "/e/order?limit=10".to_owned(), &[ACCEPT_LINES], Vec::new()),
        ("GET", "/e/order?limit=10".to_owned(), &[ACCEPT_DELTA], Vec::new()),
        ("GET", "/a/order?limit=10".to_owned(), &[], Vec::new()),
        ("GET", "/a/order/o-1".to_owned(), &[], Vec::new()),
        ("GET", "/a/order/o-1/events?limit=10".to_owned(), &[ACCEPT_LINES], Vec::new()),
        ("GET", "/sync/heads".to_owned(), &[], Vec::new()),
        ("GET", format!("/sync?cursor={start}"), &[], Vec::new()),
        ("POST", "/sync/wants".to_owned(), &[WANTS], wants.encode()),
        ("GET", "/forks".to_owned(), &[], Vec::new()),
    ] {
        let reply = connection.send(method, &target, headers, body).await;
        assert!(reply.status.is_success(), "{method} {target}: {}", reply.text());
        check_head(&target, &reply);
    }
    // The whole vector, in a body, and back in one.
    let status = connection.status().await;
    let body = json!({ "vv": status["roots"]["order"]["vv"] }).to_string();
    for accept in [ACCEPT_LINES, ACCEPT_DELTA] {
        let reply = connection.send("POST", "/e/order/feed", &[JSON, accept], body.clone()).await;
        check_head("a feed by its vector", &reply.check(200));
    }
}

fn want() -> Want {
    Want { root: root("order"), origin: origin(1), after: 0, until: 1 }
}

/// A page from a cursor costs what is on it, and not what is left.
async fn check_all_pages(connection: &mut Connection) {
    let (mut query, mut count, mut longest) = (String::new(), 0, 0);
    let started = Instant::now();
    loop {
        let reply = connection.get(&format!("/e/order?limit=1000{query}")).await.check(200);
        check_head("a page", &reply);
        let page: Value = reply.json();
        count += page["events"].as_array().unwrap().len() as u128;
        let after = page["after"].as_str().unwrap();
        longest = longest.max(after.len());
        query = format!("&after={after}");
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(count, ORIGINS + 2);
    assert!(longest <= 200, "a cursor of {longest} characters");
    let elapsed = started.elapsed();
    assert!(elapsed < READING_MAX, "{count} events in pages of 1,000: {elapsed:?}");
}
