//! `GET /e/{root}`: pages.

use crate::connection::{ACCEPT_LINES, Connection};
use crate::running::{Running, in_memory, order};

async fn with_orders(count: usize) -> (Running, Connection) {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let events: Vec<String> = (0..count).map(|number| order("o-1", number)).collect();
    connection.post("/e/order", format!("[{}]", events.join(","))).await.check(201);
    (server, connection)
}

#[tokio::test]
async fn pages_are_followed_by_the_vv_that_each_gave() {
    let (server, mut connection) = with_orders(10).await;
    let (mut vv, mut seen) = (String::new(), Vec::new());
    loop {
        let page = connection.get(&format!("/e/order?vv={vv}&limit=3")).await.check(200).json();
        for event in page["events"].as_array().unwrap() {
            seen.push(event["data"]["n"].as_u64().unwrap());
        }
        vv = page["vv"].as_str().unwrap().to_owned();
        if page["more"] == false {
            break;
        }
        assert_eq!(page["events"].as_array().unwrap().len(), 3);
    }
    assert_eq!(seen, (0..10).collect::<Vec<_>>());
    let done = connection.get(&format!("/e/order?vv={vv}")).await.check(200).json();
    assert_eq!((&done["events"], &done["vv"]), (&serde_json::json!([]), &vv.into()));
    assert_eq!(done["more"], false);
    server.stop().await;
}

#[tokio::test]
async fn lines_say_in_their_headers_where_the_page_ends() {
    let (server, mut connection) = with_orders(5).await;
    let first = connection.send("GET", "/e/order?limit=3", &[ACCEPT_LINES], "").await.check(200);
    assert_eq!(first.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(first.header("laterbase-more"), Some("true"));
    assert_eq!(first.text().lines().count(), 3);
    let after = first.header("laterbase-after").unwrap();
    let target = format!("/e/order?after={after}");
    let second = connection.send("GET", &target, &[ACCEPT_LINES], "").await.check(200);
    assert_eq!(second.header("laterbase-more"), Some("false"));
    assert_eq!(second.text().lines().count(), 2);
    server.stop().await;
}

#[tokio::test]
async fn a_known_root_without_events_is_an_empty_page() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let page = connection.get("/e/order").await.check(200).json();
    assert_eq!(page["events"], serde_json::json!([]));
    assert_eq!(page["more"], false);
    let list = connection.get("/a/order").await.check(200).json();
    assert_eq!(
        (&list["aggregates"], &list["next"]),
        (&serde_json::json!([]), &serde_json::Value::Null)
    );
    server.stop().await;
}
