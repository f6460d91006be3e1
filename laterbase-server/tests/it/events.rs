//! `GET /events`: one stream over all roots, by a short cursor.

use std::sync::Arc;

use laterbase_core::memory_store::MemoryStore;
use serde_json::{Value, json};

use crate::connection::{ACCEPT_LINES, ACCEPT_LIVE, Connection, DELTA};
use crate::event_stream::EventStream;
use crate::origins::{origin, push, told_delta};
use crate::running::{Running, in_memory, order};

const ACCEPT_CLOUD: (&str, &str) = ("accept", "application/cloudevents+json");
const ACCEPT_CLOUDS: (&str, &str) = ("accept", "application/cloudevents-batch+json");

fn arrived(id: &str, place: &str) -> String {
    format!(r#"{{"aggregate_id":"{id}","type":"Arrived","data":{{"at": "{place}"}}}}"#)
}

/// Seven events in four roots, in this order: two orders, one shipment, one shipment of each of
/// two depots, and two orders of another origin that were recorded long before.
async fn seven(connection: &mut Connection) {
    let two = format!("[{},{}]", order("o-1", 1), order("o-2", 2));
    connection.post("/e/order", two).await.check(201);
    connection.post("/e/shipment", arrived("s-1", "Lagos")).await.check(201);
    connection.post("/e/shipment@depot-1", arrived("s-2", "Abuja")).await.check(201);
    connection.post("/e/shipment@depot-2", arrived("s-3", "Kano")).await.check(201);
    push(connection, &[("order", origin(9), 1..=2)]).await.check(200);
}

fn ids(events: &Value) -> Vec<&str> {
    events.as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap()).collect()
}

/// The aggregates of a page's events.
async fn aggregates(connection: &mut Connection, query: &str) -> Vec<String> {
    let page = connection.get(&format!("/events{query}")).await.check(200).json();
    let events = page["events"].as_array().unwrap();
    events.iter().map(|event| event["aggregate_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn events_of_all_roots_come_in_the_order_of_their_arrival() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let start = connection.get("/events").await.check(200).json();
    assert_eq!((&start["events"], &start["more"]), (&json!([]), &json!(false)));
    seven(&mut connection).await;
    let all = ["o-1", "o-2", "s-1", "s-2", "s-3", "o-1", "o-2"];
    assert_eq!(aggregates(&mut connection, "").await, all);
    let mut after = start["after"].as_str().unwrap().to_owned();
    let mut found = Vec::new();
    for more in [true, true, true, false] {
        let page = connection.get(&format!("/events?limit=2&after={after}")).await.check(200);
        let page = page.json();
        assert_eq!(page["more"], more);
        found.extend(ids(&page["events"]).into_iter().map(str::to_owned));
        page["after"].as_str().unwrap().clone_into(&mut after);
        assert_eq!(after.len(), 32);
    }
    let page = connection.get("/events?limit=10000").await.check(200).json();
    assert_eq!(found, ids(&page["events"]));
    assert_eq!(page["after"], after, "the end is one place");
    let feed = connection.get("/e/shipment@depot-1").await.check(200).json();
    assert_eq!(feed["events"][0], page["events"][3], "an event is the same wherever it is read");
    server.stop().await;
}

/// Mutation: a filter that asks the selection only shows roots that are merely relayed.
#[tokio::test]
async fn a_reader_gets_the_roots_types_and_aggregate_that_it_names() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    push(&mut connection, &[("secret", origin(5), 1..=2)]).await.check(200);
    seven(&mut connection).await;
    for (query, expected) in [
        ("", &["o-1", "o-2", "s-1", "s-2", "s-3", "o-1", "o-2"][..]),
        ("?roots=", &["o-1", "o-2", "s-1", "s-2", "s-3", "o-1", "o-2"]),
        ("?roots=shipment", &["s-1"]),
        ("?roots=shipment@*", &["s-2", "s-3"]),
        ("?roots=shipment@*,shipment", &["s-1", "s-2", "s-3"]),
        ("?roots=shipment%40depot-2,order", &["o-1", "o-2", "s-3", "o-1", "o-2"]),
        ("?roots=shipment@nowhere", &[]),
        ("?types=Arrived", &["s-1", "s-2", "s-3"]),
        ("?types=Arrived,Changed&aggregate=o-2", &["o-2", "o-2"]),
        ("?types=Arrived&type=a,b&roots=order", &[]),
        ("?type=Changed&type=Arrived&roots=shipment", &["s-1"]),
        ("?aggregate=s-2", &["s-2"]),
        ("?aggregate=nobody", &[]),
    ] {
        assert_eq!(aggregates(&mut connection, query).await, expected, "{query}");
    }
    for query in ["roots=secret", "roots=order,secret@*", "roots=truck", "roots=truck@*"] {
        let problem = connection.get(&format!("/events?{query}")).await;
        let detail = problem.problem(404, "unknown-root")["detail"].to_string();
        assert!(detail.contains(query.rsplit(['=', ',']).next().unwrap()), "{detail}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_other_forms_say_the_same_and_where_they_end() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    seven(&mut connection).await;
    let bytes = r#"{"aggregate_id":"o-3","type":"Scanned","data_base64":"AP8="}"#;
    connection.post("/e/order", bytes).await.check(201);
    let page = connection.get("/events?limit=3").await.check(200).json();
    let lines = connection.send("GET", "/events?limit=3", &[ACCEPT_LINES], "").await.check(200);
    assert_eq!(lines.header("laterbase-after"), page["after"].as_str());
    assert_eq!(lines.header("laterbase-more"), Some("true"));
    let events: Vec<Value> =
        lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(Value::from(events), page["events"]);

    let target = format!("/events?after={}", page["after"].as_str().unwrap());
    let clouds = connection.send("GET", &target, &[ACCEPT_CLOUDS], "").await.check(200);
    assert_eq!(clouds.header("content-type"), Some(ACCEPT_CLOUDS.1));
    assert_eq!(clouds.header("laterbase-more"), Some("false"));
    let clouds = clouds.json();
    let rest = connection.get(&target).await.check(200).json();
    assert_eq!(ids(&clouds), ids(&rest["events"]));
    let (first, last) = (&clouds[0], &clouds[4]);
    assert_eq!((&first["specversion"], &first["type"]), (&json!("1.0"), &json!("Arrived")));
    assert_eq!(first["source"], "urn:laterbase:root:shipment@depot-1");
    assert_eq!((&first["subject"], &first["data"]), (&json!("s-2"), &json!({"at": "Abuja"})));
    assert_eq!(first["time"], rest["events"][0]["occurred_at"]);
    assert_eq!(last["data_base64"], "AP8=");
    let nothing = connection.send("GET", "/events?types=x", &[ACCEPT_CLOUDS], "").await;
    assert_eq!(nothing.check(200).text(), "[]");
    server.stop().await;
}

/// An event is asked for by its id: one that somebody names in a mail, or in `voids`.
#[tokio::test]
async fn events_are_found_by_their_ids() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    seven(&mut connection).await;
    push(&mut connection, &[("secret", origin(5), 1..=1)]).await.check(200);
    let page = connection.get("/events").await.check(200).json();
    let held = ids(&page["events"]);
    for (id, event) in held.iter().zip(page["events"].as_array().unwrap()) {
        assert_eq!(&connection.get(&format!("/events/{id}")).await.check(200).json(), event);
    }
    let encoded = held[3].replace(':', "%3A").replace('@', "%40");
    let target = format!("/events/{encoded}");
    let cloud = connection.send("GET", &target, &[ACCEPT_CLOUD], "").await.check(200);
    assert_eq!(cloud.header("content-type"), Some(ACCEPT_CLOUD.1));
    assert_eq!(cloud.json()["subject"], "s-2");

    let (absent, secret) = (format!("order:{}-3", origin(9)), format!("secret:{}-1", origin(5)));
    connection.get(&format!("/events/{absent}")).await.problem(404, "unknown-event");
    connection.get(&format!("/events/{secret}")).await.problem(404, "unknown-root");
    let asked = [held[6], &absent, held[0], &secret, held[6]].join(",");
    let found = connection.get(&format!("/events?ids={asked}")).await.check(200).json();
    assert_eq!(found["events"], json!([page["events"][6], page["events"][0]]));
    assert_eq!(found["missing"], json!([absent, secret]), "what is not public is not there");
    assert_eq!(found["rest"], json!([]));
    server.stop().await;
}

/// The end of the stream said that something had failed, without a correlation id.
#[tokio::test(flavor = "multi_thread")]
async fn a_live_reader_is_told_when_the_log_is_written_anew() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    push(&mut connection, &[("order", origin(7), 1..=3)]).await.check(200);
    let other = told_delta(&[("order", origin(7), 1..=5)], "other");
    connection.send("POST", "/sync", &[DELTA], other).await.problem(409, "fork");
    let mut stream = EventStream::open(&server, "/events", None).await;
    let mut last = None;
    for _ in 0..3 {
        last = stream.next().await.unwrap().id;
    }
    let decision = json!({ "keep": "theirs" }).to_string();
    connection.post(&format!("/forks/order/{}", origin(7)), decision).await.check(200);
    let end = stream.next().await.unwrap();
    assert_eq!(end.event.as_deref(), Some("end"));
    assert_eq!(end.data.as_deref(), Some(r#"{"reason":"cursor-gone"}"#));
    assert_eq!(stream.next().await, None);
    let headers = [ACCEPT_LIVE, ("last-event-id", last.as_deref().unwrap())];
    connection.send("GET", "/events", &headers, "").await.problem(410, "cursor-gone");
    server.stop().await;
}

/// Who read it before learns of it from the event that takes it back.
#[tokio::test]
async fn what_was_taken_back_is_marked_in_every_root() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    seven(&mut connection).await;
    let before = connection.get("/events").await.check(200).json();
    let wrong = ids(&before["events"])[4].to_owned();
    assert_eq!(before["events"][4].get("voided_by"), None);
    let event = json!({"aggregate_id": "s-3", "type": "Arrived", "data": {"at": "Jos"},
                       "voids": [wrong]});
    connection.post("/e/shipment@depot-2", event.to_string()).await.check(201);
    let target = format!("/events?after={}", before["after"].as_str().unwrap());
    let news = connection.get(&target).await.check(200).json();
    let correction = &news["events"][0];
    assert_eq!(correction["voids"], json!([wrong]));
    let again = connection.get("/events").await.check(200).json();
    let marked = json!([correction["id"]]);
    for (number, event) in again["events"].as_array().unwrap().iter().enumerate() {
        let expected = (number == 4).then_some(&marked);
        assert_eq!(event.get("voided_by"), expected, "{event}");
    }
    let one = connection.get(&format!("/events/{wrong}")).await.check(200).json();
    assert_eq!(one["voided_by"], marked);
    server.stop().await;
}

/// A page of events that are asked for by id is as long as any other, and says what it left.
#[tokio::test]
async fn ids_whose_events_are_too_long_for_a_page_are_given_back() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    for number in 0..20 {
        let data = "x".repeat(1024 * 1024 - 2);
        let event = format!(r#"{{"aggregate_id":"o-{number}","type":"T","data":"{data}"}}"#);
        connection.post("/e/order", event).await.check(201);
    }
    let id = connection.get("/events?limit=1").await.check(200).json()["events"][0]["id"].clone();
    let origin = id.as_str().unwrap().strip_suffix("-1").unwrap().to_owned();
    let mut asked: Vec<String> = (1..=20).map(|seq| format!("{origin}-{seq}")).collect();
    let (mut found, mut pages) = (0, 0);
    while !asked.is_empty() {
        let page = connection.get(&format!("/events?ids={}", asked.join(","))).await.check(200);
        assert!(page.body.len() < 18 * 1024 * 1024);
        let page = page.json();
        found += page["events"].as_array().unwrap().len();
        asked = serde_json::from_value(page["rest"].clone()).unwrap();
        pages += 1;
    }
    assert_eq!(found, 20);
    assert!(pages > 1);
    server.stop().await;
}

#[tokio::test]
async fn a_live_reader_gets_what_arrives_and_is_told_how_far_it_came_where_nothing_is_for_it() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    seven(&mut connection).await;
    let mut stream = EventStream::open(&server, "/events?roots=shipment@*", None).await;
    for name in ["s-2", "s-3"] {
        let event: Value =
            serde_json::from_str(&stream.next().await.unwrap().data.unwrap()).unwrap();
        assert_eq!(event["aggregate_id"], name);
    }
    connection.post("/e/shipment@depot-3", arrived("s-4", "Jos")).await.check(201);
    let event: Value = serde_json::from_str(&stream.next().await.unwrap().data.unwrap()).unwrap();
    assert_eq!(event["root"], "shipment@depot-3");
    connection.post("/e/order", order("o-9", 9)).await.check(201);
    let end = connection.get("/events").await.check(200).json()["after"].clone();
    // The clock of the test runs by itself, so that heartbeats need no waiting.
    tokio::time::pause();
    let told = loop {
        let block = stream.next().await.unwrap();
        // The first heartbeats may come before the order was looked at.
        match block.id {
            Some(id) => break (id, block.data),
            None => assert_eq!(block.comment.as_deref(), Some("heartbeat")),
        }
    };
    assert_eq!((Value::from(told.0), told.1), (end, None));
    assert_eq!(stream.next().await.unwrap().comment.as_deref(), Some("heartbeat"));
    tokio::time::resume();
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn a_cursor_outlives_the_server_and_is_of_one_log() {
    let store = MemoryStore::new();
    let server = Running::start(in_memory().store(Arc::new(store.reopen()))).await;
    let mut connection = server.connect().await;
    seven(&mut connection).await;
    let page = connection.get("/events?limit=5").await.check(200).json();
    let after = page["after"].as_str().unwrap().to_owned();
    drop(connection);
    server.stop().await;
    let again = Running::start(in_memory().store(Arc::new(store.reopen()))).await;
    let mut connection = again.connect().await;
    let rest = aggregates(&mut connection, &format!("?after={after}")).await;
    assert_eq!(rest, ["o-1", "o-2"]);
    again.stop().await;

    let other = Running::start(in_memory()).await;
    let mut connection = other.connect().await;
    seven(&mut connection).await;
    for accept in [("accept", "application/json"), ACCEPT_LINES, ACCEPT_LIVE, ACCEPT_CLOUDS] {
        let reply = connection.send("GET", &format!("/events?after={after}"), &[accept], "").await;
        let problem = reply.problem(410, "cursor-gone");
        assert!(problem["detail"].as_str().unwrap().contains("from the start"), "{problem}");
    }
    let headers = [ACCEPT_LIVE, ("last-event-id", after.as_str())];
    connection.send("GET", "/events", &headers, "").await.problem(410, "cursor-gone");
    other.stop().await;
}

/// A fork's other branch has no place in the log before it is decided. If it takes the place of
/// ours, the end of the log is written anew: who made something of it is told to begin again, and
/// then gets all of it, the moved events under their new ids.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_held_back_arrives_when_it_is_released() {
    for keep in ["ours", "theirs"] {
        let server = Running::start(in_memory()).await;
        let mut connection = server.connect().await;
        push(&mut connection, &[("order", origin(7), 1..=3)]).await.check(200);
        let other = told_delta(&[("order", origin(7), 1..=5)], "other");
        connection.send("POST", "/sync", &[DELTA], other).await.problem(409, "fork");
        seven(&mut connection).await;
        let before = connection.get("/events").await.check(200).json();
        assert_eq!(ids(&before["events"]).len(), 10, "what is held back is not there");
        let decision = json!({ "keep": keep }).to_string();
        connection.post(&format!("/forks/order/{}", origin(7)), decision).await.check(200);
        let target = format!("/events?after={}", before["after"].as_str().unwrap());
        let rest = connection.get(&target).await;
        if keep == "ours" {
            let rest = rest.check(200).json();
            assert_eq!(ids(&rest["events"]).len(), 5, "the other branch, under its new id");
        } else {
            rest.problem(410, "cursor-gone");
        }
        let all = connection.get("/events").await.check(200).json();
        let mut found = ids(&all["events"]);
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), 15);
        server.stop().await;
    }
}
