//! A host that writes to the server over HTTP and keeps nothing itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use laterbase_client::client::{Client, NewEvent};
use laterbase_core::id::RootName;
use serde_json::value::RawValue;
use tokio::time::sleep;

use super::site::DEPOT;
use super::wire::transport;

pub(super) const OFFICE: &str = "office";

/// Events that are written as one batch.
const BATCH: usize = 3;

const OCCURRED_AT: &str = "2001-03-01T00:00:00Z";

/// A writer that repeats each batch until it is acknowledged.
pub(super) struct Office {
    root: RootName,
    batches: usize,
    /// What the server has acknowledged, as lines, and so must never lose.
    acknowledged: Mutex<Vec<String>>,
}

impl Office {
    pub(super) fn new(root: &str, batches: usize) -> Arc<Self> {
        Arc::new(Self { root: root.parse().unwrap(), batches, acknowledged: Mutex::default() })
    }

    /// The host's software. It goes on where it was.
    pub(super) async fn run(self: Arc<Self>) -> turmoil::Result {
        let client = Client::new(format!("http://{DEPOT}").parse()?, transport());
        while !self.is_done() {
            let first = self.acknowledged.lock().unwrap().len();
            let events: Vec<NewEvent> = (first..first + BATCH).map(event).collect();
            match client.write(&self.root, &events).await {
                Ok(written) => {
                    assert_eq!(written.ids.len(), BATCH);
                    let lines = events.iter().map(|event| self.line(event));
                    self.acknowledged.lock().unwrap().extend(lines);
                }
                Err(error) => assert!(error.is_transient(), "{error:?}"),
            }
            sleep(Duration::from_millis(250)).await;
        }
        Ok(())
    }

    fn line(&self, event: &NewEvent) -> String {
        let event = serde_json::to_string(event).unwrap();
        format!(r#"{{"root":"{}",{}"#, self.root, &event[1..])
    }

    pub(super) fn is_done(&self) -> bool {
        self.acknowledged.lock().unwrap().len() >= self.batches * BATCH
    }

    pub(super) fn acknowledged(&self) -> Vec<String> {
        self.acknowledged.lock().unwrap().clone()
    }
}

fn event(number: usize) -> NewEvent {
    NewEvent {
        aggregate_id: format!("O-{}", number % 7),
        event_type: "Ordered".to_owned(),
        version: None,
        occurred_at: Some(OCCURRED_AT.to_owned()),
        data: Some(RawValue::from_string(format!(r#"{{"n":{number}}}"#)).unwrap()),
        data_base64: None,
        idempotency_key: Some(format!("office-{number}")),
        ..NewEvent::default()
    }
}
