//! `POST /e/{root}` with events.

use serde_json::json;

use crate::connection::{ACCEPT_LINES, JSON, LINES};
use crate::running::{Running, in_memory, order};

#[tokio::test]
async fn one_event_an_array_and_lines_are_written_alike() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let (one, two) = (order("o-1", 1), order("o-2", 2));
    let array = format!("[{one},{two}]");
    let lines = format!("{one}\r\n\n{two}\n");
    for (headers, body, count) in [
        (&[JSON][..], one.clone(), 1),
        (&[("content-type", "Application/JSON; charset=utf-8")], array, 2),
        (&[LINES], lines.clone(), 2),
        // As tools on Windows write it.
        (&[LINES], format!("\u{feff}{lines}\u{feff}"), 2),
        (&[JSON], "[]".into(), 0),
        (&[LINES], String::new(), 0),
    ] {
        let before = events(&connection.status().await);
        let reply = connection.send("POST", "/e/order?vv=true", headers, body).await.check(201);
        assert_eq!(reply.json()["ids"].as_array().unwrap().len(), count);
        let after = connection.status().await;
        assert_eq!(events(&after), before + count as u64);
        if count > 0 {
            assert_eq!(reply.json()["vv"], after["roots"]["order"]["vv"]);
        }
    }
    server.stop().await;
}

fn events(status: &serde_json::Value) -> u64 {
    status["roots"]["order"]["events"].as_u64().unwrap_or(0)
}

/// Numbers were rounded on their way through the state, and a state drifted by a bit each time it
/// went through a snapshot.
#[tokio::test]
async fn a_merged_state_gives_numbers_and_text_back_as_they_were_written() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let deep = "[".repeat(127) + "1E2" + &"]".repeat(127);
    for (index, data) in [
        r#"{"iccid":89490200001234567890,"lon":117.63331139400017}"#,
        r#"{"v":[-0,1E2,1e-400,1.0,1e400,8.009996726835691e-16]}"#,
        r#"{"note":"\ud83d\ude00\u0000\/"}"#,
        &format!("{{\"v\":{}}}", "3".repeat(300)),
        &format!("{{\"deep\":{deep}}}"),
    ]
    .into_iter()
    .enumerate()
    {
        let event = format!(r#"{{"aggregate_id":"{index}","type":"t","data":{data}}}"#);
        connection.post("/e/order", format!("\u{feff}[{event},{event}]")).await.check(201);
        for _ in 0..2 {
            let state = connection.get(&format!("/a/order/{index}")).await.check(200);
            assert_eq!(state.text(), data);
        }
    }
    let page = connection.get("/e/order").await.check(200);
    assert!(!page.text().contains("data_base64"), "{}", page.text());
    server.stop().await;
}

#[tokio::test]
async fn an_event_comes_back_as_it_was_sent() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let data = "{ \"b\": 1.50,\n\t\"a\": [ \"\\u00e9\", null ],\r\n \"b\": 1e400 }";
    let event = format!(
        r#"{{"root":"order","aggregate_id":"UA1545/2013-01-01/EWR","type":"Rerouted – twice",
            "version":7,"occurred_at":"1948-05-14T02:00:00+02:00","idempotency_key":"k/1",
            "data":{data}}}"#
    );
    let id = connection.post("/e/order", event).await.check(201).json()["ids"][0].clone();
    let page = connection.get("/e/order").await.check(200);
    assert!(page.text().contains(&format!("\"data\":{data}}}")), "{}", page.text());
    let head = &page.text()[..page.text().find(",\"data\":").unwrap()];
    let event: serde_json::Value =
        serde_json::from_str(&format!("{head}}}").replace("{\"events\":[", "")).unwrap();
    assert_eq!(event["id"], id);
    assert_eq!(event["root"], "order");
    assert_eq!(event["aggregate_id"], "UA1545/2013-01-01/EWR");
    assert_eq!(event["type"], "Rerouted – twice");
    assert_eq!(event["version"], 7);
    assert_eq!(event["occurred_at"], "1948-05-14T00:00:00Z");
    assert_eq!(event["idempotency_key"], "k/1");
    assert_eq!(event["hlc"].as_str().unwrap().len(), 16);

    let lines = connection.send("GET", "/e/order", &[ACCEPT_LINES], "").await.check(200).text();
    assert_eq!(lines.lines().count(), 1, "a line break in the data breaks no line: {lines}");
    assert!(lines.contains(&data.replace(['\n', '\r'], " ")));
    server.stop().await;
}

#[tokio::test]
async fn bytes_travel_as_base64() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let event = json!({ "aggregate_id": "o-1", "type": "Photo", "data_base64": "/9j/4AAQ" });
    connection.post("/e/order", event.to_string()).await.check(201);
    let page = connection.get("/e/order").await.json();
    assert_eq!(page["events"][0]["data_base64"], "/9j/4AAQ");
    assert!(page["events"][0].get("data").is_none());
    server.stop().await;
}

/// Mutation: without the index of keys, the replay is a second event.
#[tokio::test]
async fn a_replay_is_answered_with_the_original() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let keyed = |key: &str, n: usize| {
        order("o-1", n).replacen('{', &format!("{{\"idempotency_key\":\"{key}\","), 1)
    };
    let batch = format!("[{},{}]", keyed("k1", 1), keyed("k2", 2));
    let first = connection.post("/e/order", batch.clone()).await.check(201).json();
    let replay = connection.post("/e/order", batch).await.check(200).json();
    assert_eq!(replay, first);

    let before = connection.status().await;
    let conflict = connection.post("/e/order", keyed("k1", 9)).await.check(409).json();
    assert_eq!(conflict["type"], "urn:laterbase:problem:key-conflict");
    assert_eq!(conflict["index"], 0);
    assert_eq!(conflict["field"], "idempotency_key");
    assert_eq!(connection.status().await, before);
    server.stop().await;
}

#[tokio::test]
async fn a_partition_is_a_root_of_its_own_with_its_kind_s_folds() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    connection.post("/e/order@depot-7", order("o-1", 1)).await.check(201);
    connection.get("/a/order/o-1").await.check(404);
    let state = connection.get("/a/order@depot-7/o-1").await.check(200);
    assert_eq!(state.text(), r#"{"n":1}"#);
    assert!(connection.status().await["roots"]["order@depot-7"]["events"] == 1);
    server.stop().await;
}

#[tokio::test]
async fn the_largest_event_and_the_largest_batch_are_taken() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let data = "x".repeat(1024 * 1024 - 2);
    let event = json!({ "aggregate_id": "x".repeat(255), "type": "T", "data": data }).to_string();
    connection.post("/e/order", event.clone()).await.check(201);
    let most = vec![event.as_str(); 15].join("\n");
    connection.send("POST", "/e/order", &[LINES], most).await.check(201);
    let many = vec![order("o-1", 1); 10_000].join("\n");
    connection.send("POST", "/e/order", &[LINES], many).await.check(201);
    server.stop().await;
}
