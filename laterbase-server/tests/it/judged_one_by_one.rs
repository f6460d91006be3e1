//! `?on_error=skip`: the good events of a request are taken, and each is answered for itself.

use serde_json::Value;

use crate::connection::{JSON, LINES, Reply};
use crate::running::{Running, in_memory, order};

fn event(id: &str, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(r#"{{"aggregate_id":"{id}","type":"Changed","data":{{"n":1}}{comma}{members}}}"#)
}

/// What became of each event: `None` if it was taken, or the kind of its problem.
fn outcomes(reply: &Reply) -> Vec<Option<String>> {
    let document = reply.json();
    let items = document["items"].as_array().unwrap().clone();
    let refused = items.iter().filter(|item| item.get("problem").is_some()).count();
    assert_eq!(document["refused"], refused, "{document}");
    let kind = |(index, item): (usize, &Value)| match item.get("problem") {
        None => {
            assert!(item["id"].is_string(), "{item}");
            None
        }
        Some(problem) => {
            assert_eq!(problem["index"], index, "{problem}");
            let kind = problem["type"].as_str().unwrap();
            Some(kind.trim_start_matches("urn:laterbase:problem:").to_owned())
        }
    };
    items.iter().enumerate().map(kind).collect()
}

const MIXED: [&str; 7] =
    ["", "malformed-event", "", "future-event", "key-conflict", "invalid-event", ""];

fn mixed() -> Vec<String> {
    vec![
        event("o-1", r#""idempotency_key":"k1""#),
        event("o-2", r#""colour":"red""#),
        event("o-3", ""),
        event("o-4", r#""occurred_at":"2262-01-01T00:00:00Z""#),
        event("o-5", r#""idempotency_key":"k1""#),
        event("", ""),
        order("o-7", 7),
    ]
}

/// One scan of a wrong clock cost its writer all other scans of the request.
#[tokio::test]
async fn the_good_events_are_taken_and_each_is_answered() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let expected: Vec<Option<String>> =
        MIXED.iter().map(|kind| (!kind.is_empty()).then(|| (*kind).to_owned())).collect();
    let array = format!("[{}]", mixed().join(","));
    connection.send("POST", "/e/order", &[JSON], array.clone()).await.check(400);
    assert_eq!(connection.event_count().await, 0, "atomic unless it is asked for");
    let target = "/e/order?on_error=skip";
    let reply = connection.send("POST", target, &[JSON], array).await.check(201);
    assert_eq!(outcomes(&reply), expected);
    let lines = mixed().join("\n");
    let reply = connection.send("POST", "/e/order?on_error=skip", &[LINES], lines).await.check(201);
    assert_eq!(outcomes(&reply), expected, "the first is a repeat, the others are new");
    let held = connection.status().await["roots"]["order"]["events"].clone();
    assert_eq!(held, 5, "of each request three, of which one was a repeat");
    let none = connection.send("POST", target, &[LINES], "not JSON\n{}").await.check(200);
    assert_eq!(outcomes(&none).iter().flatten().count(), 2);
    let nothing = connection.send("POST", target, &[JSON], "[]").await.check(200);
    assert_eq!(outcomes(&nothing), []);
    server.stop().await;
}

#[tokio::test]
async fn what_concerns_the_request_as_a_whole_refuses_all_of_it() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let target = "/e/order?on_error=skip";
    let (good, many) = (order("o-1", 1), vec!["7"; 10_001].join(","));
    for (body, status) in
        [(format!("[{good},"), 400), (format!("[{good}] {good}"), 400), (format!("[{many}]"), 413)]
    {
        connection.send("POST", target, &[JSON], body).await.check(status);
    }
    let condition = [JSON, ("if-match", "*")];
    connection.send("POST", target, &condition, good.clone()).await.check(412);
    let two = format!("[{good},{}]", order("o-2", 2));
    connection.send("POST", target, &condition, two).await.check(400);
    for other in
        ["/e/order?on_error=ignore", "/e/order?on_error=skip&on_error=skip", "/e/order?x=1"]
    {
        connection.send("POST", other, &[JSON], good.clone()).await.check(400);
    }
    assert_eq!(connection.event_count().await, 0);
    server.stop().await;
}

/// Under the key of a request, events that were refused keep the numbers of those behind them.
#[tokio::test]
async fn a_repeat_of_the_request_is_a_repeat_of_each_of_its_events() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let headers = [JSON, ("idempotency-key", "request-1")];
    let target = "/e/order?on_error=skip";
    let bad = order("o-2", 2).replace("\"data\"", "\"date\"");
    let body = format!("[{},{bad},{}]", order("o-1", 1), order("o-3", 3));
    let first = connection.send("POST", target, &headers, body.clone()).await.check(201);
    let again = connection.send("POST", target, &headers, body).await.check(200);
    assert_eq!(again.json(), first.json());
    // The one that was refused is mended: it is new, and the others are repeats.
    let mended = [order("o-1", 1), order("o-2", 2), order("o-3", 3)];
    let body = format!("[{}]", mended.join(","));
    let whole = connection.send("POST", target, &headers, body).await.check(201).json();
    assert_eq!(whole["refused"], 0);
    assert_eq!(whole["items"][0], first.json()["items"][0]);
    assert_eq!(whole["items"][2], first.json()["items"][2]);
    let other = format!("[{}]", order("o-1", 5));
    let reply = connection.send("POST", target, &headers, other).await.check(200);
    assert_eq!(outcomes(&reply), [Some("key-conflict".to_owned())]);
    server.stop().await;
}
