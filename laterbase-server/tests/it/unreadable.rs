//! Events that no fold can read: refused where they are written, kept and told of where they come
//! by sync.

use serde_json::{Value, json};

use crate::connection::DELTA;
use crate::origins::{origin, told_delta};
use crate::running::{Running, in_memory, order};

/// An event with half of an emoji was taken, and the state stayed as it was, without a word but in
/// a header of one route.
#[tokio::test]
async fn what_comes_by_sync_and_cannot_be_read_is_told_of_everywhere() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    connection.post("/e/order", order("o-1", 7)).await.check(201);
    let page = told_delta(&[("order", origin(1), 1..=3)], r"\ud83d");
    connection.send("POST", "/sync", &[DELTA], page).await.check(200);

    let status = connection.status().await;
    assert_eq!(status["roots"]["order"]["events"], 4);
    assert_eq!(status["roots"]["order"]["unreadable"], 3);

    let state = connection.get("/a/order/o-1").await.check(200);
    assert_eq!(state.json(), json!({ "n": 7 }));
    assert_eq!(state.header("laterbase-refused-count"), Some("1"));
    let state = connection.get("/a/order/o-2").await.check(200);
    assert_eq!((state.json(), state.header("laterbase-refused-count")), (json!({}), Some("1")));

    let listing = connection.get("/a/order").await.check(200).json();
    let refused = listing["aggregates"].as_array().unwrap().iter();
    assert!(refused.clone().count() == 3 && refused.clone().all(|it| it["refused_count"] == 1));

    // The feed can be read by any parser.
    let feed = connection.get("/e/order").await.check(200);
    let feed: Value = serde_json::from_str(&feed.text()).unwrap();
    let events = feed["events"].as_array().unwrap();
    let base64 = events.iter().filter(|event| event["data_base64"].is_string());
    assert_eq!((events.len(), base64.count()), (4, 3));
    server.stop().await;
}

/// The bound is ours, and so is the parsing: whatever is within it goes in, is folded by typed and
/// built-in folds, and comes out.
#[tokio::test]
async fn data_is_taken_up_to_the_bound_on_depth() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    for depth in [127, 128] {
        let data = "[".repeat(depth) + &"]".repeat(depth);
        let event = format!(r#"{{"aggregate_id":"{depth}","type":"t","data":{data}}}"#);
        connection.post("/e/order", format!("[{event},{event}]")).await.check(201);
        assert_eq!(connection.get(&format!("/a/order/{depth}")).await.check(200).text(), data);
        let feed = connection.get("/e/order").await.check(200);
        assert!(feed.text().contains(&format!("\"data\":{data}")));
    }
    let listing = connection.get("/a/order").await.check(200);
    assert!(!listing.text().contains("refused_count"), "{}", listing.text());
    assert_eq!(connection.status().await["roots"]["order"]["unreadable"], 0);
    server.stop().await;
}
