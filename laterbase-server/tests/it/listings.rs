//! `GET /a/{root}` over partitions and by what changed, and lists of events in a window.

use std::collections::BTreeMap;
use std::sync::Arc;

use laterbase_core::fold::MergePatch;
use laterbase_server::Server;
use serde_json::{Value, json};

use crate::connection::{ACCEPT_LIVE, Connection};
use crate::running::Running;

const ROOTS: [&str; 4] = ["shipment", "shipment@depot-1", "shipment@depot-2", "shipment@depot-3"];

async fn start() -> Running {
    let kinds = ["shipment", "order", "elsewhere"];
    let builder = kinds
        .into_iter()
        .fold(Server::builder(), |builder, kind| builder.fold(kind, Arc::new(MergePatch)));
    Running::start(builder).await
}

async fn write(connection: &mut Connection, root: &str, id: &str, number: u64) -> Value {
    let event = json!({"aggregate_id": id, "type": "T", "data": {"n": number}});
    connection.post(&format!("/e/{root}"), event.to_string()).await.check(201).json()
}

/// Rows as root and id, with the number in their state.
fn rows(page: &Value) -> Vec<(String, u64)> {
    let row = |row: &Value| {
        let key =
            format!("{}/{}", row["root"].as_str().unwrap_or("?"), row["id"].as_str().unwrap());
        (key, row["state"]["n"].as_u64().unwrap())
    };
    page["aggregates"].as_array().unwrap().iter().map(row).collect()
}

/// Reads all pages of a list.
async fn all(connection: &mut Connection, target: &str) -> Vec<(String, u64)> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = connection.get(&format!("{target}{after}")).await.check(200).json();
        found.extend(rows(&page));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return found,
        }
    }
}

async fn with_partitions() -> (Running, Connection) {
    let server = start().await;
    let mut connection = server.connect().await;
    for (number, root) in ROOTS.iter().enumerate() {
        for id in 0..number {
            write(&mut connection, root, &format!("a{id}"), number as u64).await;
        }
    }
    write(&mut connection, "order", "a0", 9).await;
    (server, connection)
}

#[tokio::test]
async fn one_list_goes_over_all_partitions_of_a_name_and_says_of_which_each_is() {
    let (server, mut connection) = with_partitions().await;
    let expected: Vec<(String, u64)> = [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)]
        .map(|(depot, id)| (format!("shipment@depot-{depot}/a{id}"), depot))
        .to_vec();
    for limit in [1, 2, 3, 4, 100] {
        let found = all(&mut connection, &format!("/a/shipment@*?limit={limit}")).await;
        assert_eq!(found, expected, "{limit} at a time");
    }
    let one = connection.get("/a/shipment@depot-1").await.check(200).json();
    assert_eq!(one["aggregates"][0].get("root"), None, "one root needs no word of it");
    // A cursor of one list is none of another.
    let page = connection.get("/a/shipment@*?limit=1").await.check(200).json();
    let next = page["next"].as_str().unwrap();
    connection.get(&format!("/a/shipment@depot-1?after={next}")).await.check(400);
    connection.get("/a/truck@*").await.check(404);
    connection.get("/a/shipment@depot-1@*").await.check(404);
    server.stop().await;
}

#[tokio::test]
async fn who_asks_for_what_changed_since_has_what_a_list_has() {
    let (server, mut connection) = with_partitions().await;
    for (target, root) in [("/a/shipment@*", "shipment@depot-2"), ("/a/order", "order")] {
        let first = connection.get(&format!("{target}?limit=1")).await.check(200).json();
        let mut states: BTreeMap<String, u64> =
            all(&mut connection, &format!("{target}?limit=2")).await.into_iter().collect();
        let mut since = first["changed_since"].as_str().unwrap().to_owned();
        for number in 10..17 {
            write(&mut connection, root, &format!("a{}", number % 3), number).await;
            write(&mut connection, "elsewhere", "a", number).await;
        }
        let mut pages = 0;
        loop {
            let asked = format!("{target}?limit=2&changed_since={since}");
            let page = connection.get(&asked).await.check(200).json();
            assert!(page.get("next").is_none());
            states.extend(rows(&page));
            since = page["changed_since"].as_str().unwrap().to_owned();
            pages += 1;
            if page["more"] == false {
                break;
            }
        }
        assert!(pages >= 2, "three of them do not fit on a page of two");
        let listed: BTreeMap<String, u64> =
            all(&mut connection, &format!("{target}?limit=2")).await.into_iter().collect();
        assert_eq!(states, listed);
        let asked = format!("{target}?changed_since={since}");
        let page = connection.get(&asked).await.check(200).json();
        assert_eq!((rows(&page), &page["more"]), (Vec::new(), &json!(false)));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_list_s_first_page_alone_says_where_changes_begin() {
    let (server, mut connection) = with_partitions().await;
    let first = connection.get("/a/shipment@depot-3?limit=1").await.check(200).json();
    let next = first["next"].as_str().unwrap();
    let target = format!("/a/shipment@depot-3?limit=1&after={next}");
    let second = connection.get(&target).await.check(200).json();
    assert!(first["changed_since"].is_string());
    assert!(second.get("changed_since").is_none(), "it would pass over what changed in between");
    let since = first["changed_since"].as_str().unwrap();
    let both = format!("/a/shipment@depot-3?changed_since={since}&after={next}");
    connection.get(&both).await.check(400);
    connection.get("/a/shipment@depot-3?changed_since=nonsense").await.check(400);
    let (other, mut elsewhere) = with_partitions().await;
    let gone = format!("/a/shipment@depot-3?changed_since={since}");
    let problem = elsewhere.get(&gone).await.check(410).json();
    assert!(problem["type"].as_str().unwrap().ends_with("cursor-gone"), "{problem}");
    other.stop().await;
    server.stop().await;
}

fn numbers(page: &Value) -> Vec<u64> {
    let events = page["events"].as_array().unwrap();
    events.iter().map(|event| event["data"]["n"].as_u64().unwrap()).collect()
}

/// Events that arrive in the order 0 to 5, and happened in the order 1, 0, 3, 2, 5, 4.
async fn with_late_ones() -> (Running, Connection) {
    let server = start().await;
    let mut connection = server.connect().await;
    for number in 0..6_u64 {
        let occurred = format!("2024-03-01T08:00:0{}Z", number ^ 1);
        let data = json!({"n": number});
        let event =
            json!({"aggregate_id": "a", "type": "T", "occurred_at": occurred, "data": data});
        connection.post("/e/order", event.to_string()).await.check(201);
    }
    (server, connection)
}

#[tokio::test]
async fn an_aggregate_s_events_are_listed_from_a_time_on_and_from_the_end() {
    let (server, mut connection) = with_late_ones().await;
    for (parameters, expected) in [
        ("order=asc", &[1, 0, 3, 2, 5, 4][..]),
        ("order=desc", &[4, 5, 2, 3, 0, 1]),
        ("occurred_from=2024-03-01T08:00:02Z", &[3, 2, 5, 4]),
        ("occurred_from=2024-03-01T08:00:02Z&order=desc", &[4, 5, 2, 3]),
        (
            "occurred_from=2024-03-01T08:00:02Z&occurred_until=2024-03-01T08:00:04Z&order=desc",
            &[5, 2, 3],
        ),
        ("recorded_from=2024-03-01T08:00:02Z", &[1, 0, 3, 2, 5, 4]),
        ("recorded_from=2999-01-01T00:00:00Z", &[]),
    ] {
        for limit in [1, 2, 4, 100] {
            let (mut found, mut after) = (Vec::new(), String::new());
            loop {
                let target = format!("/a/order/a/events?limit={limit}&{parameters}{after}");
                let page = connection.get(&target).await.check(200).json();
                found.extend(numbers(&page));
                match page["next"].as_str() {
                    Some(next) => after = format!("&after={next}"),
                    None => break,
                }
            }
            assert_eq!(found, expected, "{parameters}, {limit} at a time");
        }
    }
    connection.get("/a/order/a/events?order=up").await.check(400);
    connection.get("/a/order/a/events?fold=nope").await.check(400);
    // A place among the events of one aggregate is none among those of another.
    write(&mut connection, "order", "c", 1).await;
    let page = connection.get("/a/order/a/events?limit=1").await.check(200).json();
    let next = page["next"].as_str().unwrap();
    connection.get(&format!("/a/order/c/events?after={next}")).await.check(400);
    connection.get("/a/order/b/events?order=desc").await.check(404);
    server.stop().await;
}

#[tokio::test]
async fn all_events_are_listed_from_a_time_on_and_from_the_end() {
    let (server, mut connection) = with_late_ones().await;
    for (parameters, expected) in [
        ("order=desc", &[5, 4, 3, 2, 1, 0][..]),
        ("occurred_from=2024-03-01T08:00:02Z", &[2, 3, 4, 5]),
        ("occurred_from=2024-03-01T08:00:02Z&order=desc&types=T", &[5, 4, 3, 2]),
        ("recorded_from=2999-01-01T00:00:00Z&order=desc", &[]),
    ] {
        for limit in [1, 2, 100] {
            let (mut found, mut after) = (Vec::new(), String::new());
            loop {
                let target = format!("/events?limit={limit}&{parameters}{after}");
                let page = connection.get(&target).await.check(200).json();
                found.extend(numbers(&page));
                if page["more"] == false {
                    break;
                }
                after = format!("&after={}", page["after"].as_str().unwrap());
            }
            assert_eq!(found, expected, "{parameters}, {limit} at a time");
        }
    }
    let problem = connection.send("GET", "/events?order=desc", &[ACCEPT_LIVE], "").await;
    assert_eq!(problem.check(400).json()["field"], "order");
    server.stop().await;
}

/// A fold that nobody registered was found out only once something had changed, or there was a
/// partition.
#[tokio::test]
async fn a_fold_that_is_not_there_is_said_by_every_list() {
    let server = start().await;
    let mut connection = server.connect().await;
    write(&mut connection, "order", "a0", 1).await;
    let page = connection.get("/a/order").await.check(200).json();
    let since = page["changed_since"].as_str().unwrap().to_owned();
    for target in [
        "/a/order?fold=nope".to_owned(),
        format!("/a/order?fold=nope&changed_since={since}"),
        "/a/shipment@*?fold=nope".to_owned(),
        format!("/a/shipment@*?fold=nope&changed_since={since}"),
    ] {
        connection.get(&target).await.problem(400, "malformed-parameter");
    }
    server.stop().await;
}

/// Each partition had 16 MiB to itself.
#[tokio::test]
async fn a_page_of_partitions_is_no_larger_than_one_of_a_root() {
    let server = start().await;
    let mut connection = server.connect().await;
    let text = "x".repeat(1_000_000);
    for (root, count) in [("shipment@depot-1", 14), ("shipment@depot-2", 14)] {
        let event = |id| json!({"aggregate_id": format!("a{id:02}"), "type": "T", "data": text});
        let events: Vec<Value> = (0..count).map(event).collect();
        connection.post(&format!("/e/{root}"), json!(events).to_string()).await.check(201);
    }
    let (mut after, mut pages, mut found) = (String::new(), 0, 0);
    loop {
        let reply = connection.get(&format!("/a/shipment@*?limit=100{after}")).await.check(200);
        assert!(reply.body.len() < 16 * 1024 * 1024 + 2 * text.len(), "{}", reply.body.len());
        let page = reply.json();
        pages += 1;
        found += page["aggregates"].as_array().unwrap().len();
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!((pages, found), (2, 28));
    server.stop().await;
}
