//! `GET /e/{root}` as a live feed.

use serde_json::Value;

use crate::event_stream::EventStream;
use crate::running::{Running, in_memory, order};

/// A reader of the orders' feed.
struct Reader(EventStream);

impl Reader {
    async fn open(server: &Running, query: &str, last_id: Option<&str>) -> Self {
        Self(EventStream::open(server, &format!("/e/order{query}"), last_id).await)
    }

    /// The number of the next order event, and the id that came with it.
    async fn next_order(&mut self) -> (u64, String) {
        let block = self.0.next().await.unwrap();
        let event: Value = serde_json::from_str(&block.data.unwrap()).unwrap();
        (event["data"]["n"].as_u64().unwrap(), block.id.unwrap())
    }
}

async fn write(server: &Running, numbers: std::ops::Range<usize>) {
    let mut connection = server.connect().await;
    let events: Vec<String> = numbers.map(|number| order("o-1", number)).collect();
    connection.post("/e/order", format!("[{}]", events.join(","))).await.check(201);
}

#[tokio::test]
async fn a_live_feed_begins_with_what_is_lacking_and_goes_on_with_what_arrives() {
    let server = Running::start(in_memory()).await;
    write(&server, 0..3).await;
    let mut reader = Reader::open(&server, "", None).await;
    for number in 0..3 {
        assert_eq!(reader.next_order().await.0, number);
    }
    let mut connection = server.connect().await;
    connection.post("/e/order@elsewhere", order("o-1", 99)).await.check(201);
    write(&server, 3..5).await;
    let (number, _) = reader.next_order().await;
    assert_eq!(number, 3, "an event of another root does not come along");
    let (_, last_id) = reader.next_order().await;

    let page = connection.get(&format!("/e/order?after={last_id}")).await.check(200).json();
    assert_eq!(page["events"], serde_json::json!([]), "an id is a cursor");
    drop((reader, connection));
    server.stop().await;
}

/// Mutation: with the page's vv as the id of all its events, 1 and 2 are lost.
#[tokio::test]
async fn a_reader_cut_off_anywhere_goes_on_where_it_was() {
    let server = Running::start(in_memory()).await;
    write(&server, 0..3).await;
    let mut reader = Reader::open(&server, "", None).await;
    let (number, id) = reader.next_order().await;
    assert_eq!(number, 0);
    drop(reader);
    write(&server, 3..4).await;
    let mut reader = Reader::open(&server, "", Some(&id)).await;
    for number in 1..4 {
        assert_eq!(reader.next_order().await.0, number);
    }
    drop(reader);
    let mut reader = Reader::open(&server, &format!("?after={id}"), None).await;
    assert_eq!(reader.next_order().await.0, 1);
    drop(reader);
    server.stop().await;
}

#[tokio::test]
async fn a_long_backlog_comes_in_pages_without_a_gap() {
    let server = Running::start(in_memory()).await;
    write(&server, 0..2_500).await;
    let mut reader = Reader::open(&server, "?limit=700", None).await;
    write(&server, 2_500..2_600).await;
    for number in 0..2_600 {
        assert_eq!(reader.next_order().await.0, number);
    }
    drop(reader);
    server.stop().await;
}

#[tokio::test]
async fn a_stopping_server_says_so_and_ends_the_stream() {
    let server = Running::start(in_memory()).await;
    let mut reader = Reader::open(&server, "", None).await;
    server.handle.stop();
    let end = reader.0.next().await.unwrap();
    assert_eq!(end.event.as_deref(), Some("end"));
    assert_eq!(end.data.as_deref(), Some(r#"{"reason":"shutting-down"}"#));
    assert_eq!(reader.0.next().await, None);
    server.stop().await;
}

/// The clock of the test runs by itself, so that heartbeats need no waiting.
#[tokio::test]
async fn a_reader_who_hears_nothing_is_told_that_the_stream_is_there() {
    let server = Running::start(in_memory()).await;
    let mut reader = Reader::open(&server, "", None).await;
    tokio::time::pause();
    assert_eq!(reader.0.next().await.unwrap().comment.as_deref(), Some("heartbeat"));
    assert_eq!(reader.0.next().await.unwrap().comment.as_deref(), Some("heartbeat"));
    tokio::time::resume();
    drop(reader);
    server.stop().await;
}
