//! `GET /a/…`

use serde_json::{Value, json};

use crate::connection::{ACCEPT_LINES, Connection, segment};
use crate::running::{Running, in_memory, order};

const IDS: [&str; 6] = [
    "%2F",
    "UA1545/2013-01-01/EWR",
    "a b?c#d",
    "events",
    "urn:epc:id:sgtin:0614141.107346.2018",
    "é☃",
];

async fn with_ids() -> (Running, Connection) {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    for number in 0..3 {
        let events: Vec<String> = IDS.iter().map(|id| order(id, number)).collect();
        connection.post("/e/order", format!("[{}]", events.join(","))).await.check(201);
    }
    (server, connection)
}

#[tokio::test]
async fn any_id_works_on_every_route() {
    let (server, mut connection) = with_ids().await;
    for id in IDS {
        let target = format!("/a/order/{}", segment(id));
        let state = connection.get(&target).await.check(200);
        assert_eq!(state.json(), json!({ "n": 2 }), "{id}");
        assert_eq!(state.header("laterbase-event-count"), Some("3"));
        let events = connection.get(&format!("{target}/events")).await.check(200).json();
        let events = events["events"].as_array().unwrap();
        assert_eq!(events.len(), 3);
        assert!(events.iter().all(|event| event["aggregate_id"] == id));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_listing_goes_page_by_page_in_the_order_of_ids() {
    let (server, mut connection) = with_ids().await;
    let (mut after, mut seen) = (String::new(), Vec::new());
    loop {
        let page = connection.get(&format!("/a/order?limit=2{after}")).await.check(200).json();
        for aggregate in page["aggregates"].as_array().unwrap() {
            assert_eq!(aggregate["state"], json!({ "n": 2 }));
            seen.push(aggregate["id"].as_str().unwrap().to_owned());
        }
        match &page["next"] {
            Value::String(next) => after = format!("&after={next}"),
            _ => break,
        }
    }
    assert_eq!(seen, IDS);
    server.stop().await;
}

#[tokio::test]
async fn an_aggregate_s_events_go_page_by_page_in_fold_order() {
    let (server, mut connection) = with_ids().await;
    let late = order("é☃", 9).replacen('{', r#"{"occurred_at":"1970-01-01T00:00:00Z","#, 1);
    connection.post("/e/order", late).await.check(201);
    let target = format!("/a/order/{}/events?limit=3", segment("é☃"));
    let first = connection.get(&target).await.check(200).json();
    let numbers = |page: &Value| -> Vec<u64> {
        let events = page["events"].as_array().unwrap();
        events.iter().map(|event| event["data"]["n"].as_u64().unwrap()).collect()
    };
    assert_eq!(numbers(&first), [9, 0, 1]);
    let next = first["next"].as_str().unwrap();
    let second = connection.get(&format!("{target}&after={next}")).await.check(200).json();
    assert_eq!(numbers(&second), [2]);
    assert_eq!(second["next"], Value::Null);

    let lines = connection.send("GET", &target, &[ACCEPT_LINES], "").await.check(200);
    assert_eq!(lines.text().lines().count(), 3);
    assert_eq!(lines.header("laterbase-next"), Some(next));
    server.stop().await;
}

#[tokio::test]
async fn an_etag_saves_sending_a_known_state_and_changes_with_the_events() {
    let (server, mut connection) = with_ids().await;
    let first = connection.get("/a/order/events").await.check(200);
    let etag = first.header("etag").unwrap().to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    let listed = connection.get("/a/order").await.json()["aggregates"][3]["etag"].clone();
    assert_eq!(etag, format!("\"{}\"", listed.as_str().unwrap()));
    for known in [etag.as_str(), listed.as_str().unwrap(), "*", &format!("\"x\", W/{etag}")] {
        let headers = [("if-none-match", known)];
        let reply = connection.send("GET", "/a/order/events", &headers, "").await.check(304);
        assert_eq!(reply.header("etag"), Some(etag.as_str()));
        assert!(reply.body.is_empty());
    }
    connection.post("/e/order", order("events", 2)).await.check(201);
    let headers = [("if-none-match", etag.as_str())];
    let reply = connection.send("GET", "/a/order/events", &headers, "").await.check(200);
    assert_ne!(reply.header("etag"), Some(etag.as_str()));
    server.stop().await;
}

#[tokio::test]
async fn a_read_names_its_axis_and_its_fold() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let arrived = |at: &str, time: &str| {
        json!({ "aggregate_id": "s", "type": "Arrived", "occurred_at": time, "data": { "at": at } })
            .to_string()
    };
    connection.post("/e/shipment", arrived("Oslo", "2013-01-03T00:00:00Z")).await.check(201);
    let between = connection.get("/e/shipment").await.json()["events"][0]["recorded_at"].clone();
    connection.post("/e/shipment", arrived("Rome", "2013-01-02T00:00:00Z")).await.check(201);
    let between = between.as_str().unwrap();
    for (query, at, stops) in [
        (String::new(), "Oslo", 2),
        ("occurred_until=2013-01-02T23:00:00Z".into(), "Rome", 1),
        ("occurred_until=2013-01-03T01:00:00%2B01:00".into(), "Oslo", 2),
        (format!("recorded_until={between}"), "Oslo", 1),
        (format!("recorded_until={between}&occurred_until=2013-01-03T00:00:00Z"), "Oslo", 1),
    ] {
        let state = connection.get(&format!("/a/shipment/s?{query}")).await.check(200).json();
        assert_eq!(state, json!({ "at": at, "stops": stops }), "{query}");
        let list = connection.get(&format!("/a/shipment?{query}")).await.check(200).json();
        assert_eq!(list["aggregates"][0]["state"], state, "{query}");
        let events = connection.get(&format!("/a/shipment/s/events?{query}")).await.json();
        assert_eq!(events["events"].as_array().unwrap().len(), stops, "{query}");
    }
    let merged = connection.get("/a/shipment/s?fold=merge-patch").await.check(200).json();
    assert_eq!(merged, json!({ "at": "Oslo" }));
    connection.get("/a/shipment/s?occurred_until=2012-01-01T00:00:00Z").await.check(404);
    connection.get("/a/shipment/s?known_at=1970-01-01T00:00:00Z").await.check(404);
    connection.get("/a/shipment/s?known_at=2200-01-01T00:00:00Z").await.check(200);
    server.stop().await;
}
