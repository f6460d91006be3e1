//! A reader of `text/event-stream`.

use std::time::Duration;

use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::connection::ACCEPT_LIVE;
use crate::running::Running;

/// A stream that is being read. It gives up, and fails the test, if nothing comes.
pub struct EventStream {
    pub headers: HeaderMap,
    body: Incoming,
    unread: BytesMut,
}

/// One block of the stream, between blank lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Block {
    pub id: Option<String>,
    pub event: Option<String>,
    pub data: Option<String>,
    pub comment: Option<String>,
}

impl EventStream {
    pub async fn open(server: &Running, target: &str, last_id: Option<&str>) -> Self {
        let mut connection = server.connect().await;
        let mut headers = vec![ACCEPT_LIVE];
        headers.extend(last_id.map(|id| ("last-event-id", id)));
        let response = connection.start("GET", target, &headers, "").await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let (head, body) = response.into_parts();
        let mut stream = Self { headers: head.headers, body, unread: BytesMut::new() };
        assert_eq!(stream.next().await.unwrap().comment.as_deref(), Some("live"));
        // The connection goes on for as long as its body is read.
        tokio::spawn(async move {
            let _connection = connection;
            std::future::pending::<()>().await;
        });
        stream
    }

    /// The next block; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Block> {
        loop {
            // Only whole blocks are text: a frame may end within a character.
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\n\n") {
                let block = self.unread.split_to(end + 2);
                return Some(parse(std::str::from_utf8(&block[..end]).unwrap()));
            }
            let frame = timeout(Duration::from_secs(30), self.body.frame());
            match frame.await.expect("the stream goes on") {
                Some(frame) => {
                    let data = frame.unwrap().into_data().unwrap();
                    self.unread.extend_from_slice(&data);
                }
                None => return None,
            }
        }
    }
}

fn parse(text: &str) -> Block {
    let mut block = Block::default();
    for line in text.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        let field = match name {
            "id" => &mut block.id,
            "event" => &mut block.event,
            "data" => &mut block.data,
            "" => &mut block.comment,
            other => panic!("a line {other}"),
        };
        assert_eq!(field.replace(value.to_owned()), None, "{text}");
    }
    block
}
