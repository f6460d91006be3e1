//! A host that shows a root's live feed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Request;
use http_body_util::BodyExt;
use laterbase_client::transport::{ResponseBody, Transport};
use laterbase_core::id::EventId;
use tokio::time::{sleep, timeout};

use super::site::DEPOT;
use super::wire::transport;

pub(super) const SCREEN: &str = "screen";

/// The server says something every 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(40);

/// A reader of a live feed that comes back after every cut.
pub(super) struct Screen {
    root: String,
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    /// Per origin, the seq of the last event.
    last_seqs: BTreeMap<String, u64>,
    /// What came with the last event, from which the feed goes on.
    last_id: Option<String>,
    /// How many events.
    count: u64,
    connections: u64,
}

impl Screen {
    pub(super) fn new(root: &str) -> Arc<Self> {
        Arc::new(Self { root: root.to_owned(), shown: Mutex::default() })
    }

    /// The host's software.
    pub(super) async fn run(self: Arc<Self>) -> turmoil::Result {
        let transport = transport();
        loop {
            if let Some(body) = self.open(&transport).await {
                self.show(body).await;
            }
            sleep(Duration::from_millis(300)).await;
        }
    }

    async fn open(&self, transport: &impl Transport) -> Option<ResponseBody> {
        let target = format!("http://{DEPOT}/e/{}", self.root);
        let mut request = Request::get(target).header("accept", "text/event-stream");
        if let Some(id) = &self.shown.lock().unwrap().last_id {
            request = request.header("last-event-id", id);
        }
        let sending = timeout(SILENCE_MAX, transport.send(request.body(Bytes::new()).unwrap()));
        let response = sending.await.ok()?.ok()?;
        assert!(matches!(response.status().as_u16(), 200 | 503), "{}", response.status());
        self.shown.lock().unwrap().connections += 1;
        Some(response.into_body())
    }

    async fn show(&self, mut body: ResponseBody) {
        let mut unread = BytesMut::new();
        while let Ok(Some(Ok(frame))) = timeout(SILENCE_MAX, body.frame()).await {
            let Ok(data) = frame.into_data() else { continue };
            unread.extend_from_slice(&data);
            // Only whole blocks are text: a frame may end within a character.
            while let Some(end) = unread.windows(2).position(|pair| pair == b"\n\n") {
                let block = unread.split_to(end + 2);
                self.shown.lock().unwrap().take_in(std::str::from_utf8(&block).unwrap());
            }
        }
    }

    /// How many events it has shown, each once.
    pub(super) fn count(&self) -> u64 {
        self.shown.lock().unwrap().count
    }

    /// How often it was connected.
    pub(super) fn connections(&self) -> u64 {
        self.shown.lock().unwrap().connections
    }
}

impl Shown {
    fn take_in(&mut self, block: &str) {
        let field = |name| block.lines().find_map(|line| line.strip_prefix(name));
        let Some(data) = field("data: ").filter(|_| field("event: ").is_none()) else { return };
        let event: serde_json::Value = serde_json::from_str(data).unwrap();
        let EventId { dot, .. } = event["id"].as_str().unwrap().parse().unwrap();
        let last = self.last_seqs.entry(dot.origin.to_string()).or_default();
        assert_eq!(dot.seq, *last + 1, "an event of {} is shown twice or left out", dot.origin);
        *last = dot.seq;
        self.count += 1;
        self.last_id = Some(field("id: ").expect("few origins").to_owned());
    }
}
