#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use http::StatusCode;
use laterbase_core::limits::DATA_BYTES_MAX;

use super::*;
use crate::sync::BackoffOptions;
use crate::transport::fated::{Fate, Fated};

const OPTIONS: SubscribeOptions = SubscribeOptions {
    silence_max: Duration::from_secs(45),
    backoff: BackoffOptions {
        first: Duration::ZERO,
        longest: Duration::ZERO,
        failures_max: u32::MAX,
    },
};

/// How many events came at once, where the model stands, and how often it began anew.
#[derive(Default)]
struct Tally {
    batches: Vec<usize>,
    cursor: Option<String>,
    restarts: usize,
}

impl Checkpoint for Tally {
    type Error = ();

    async fn load(&mut self) -> Result<Option<String>, ()> {
        Ok(self.cursor.clone())
    }

    async fn apply(&mut self, events: &[ReceivedEvent], cursor: &str) -> Result<(), ()> {
        self.batches.push(events.len());
        self.cursor = Some(cursor.to_owned());
        Ok(())
    }

    async fn restart(&mut self) -> Result<(), ()> {
        self.cursor = None;
        self.restarts += 1;
        Ok(())
    }
}

async fn keep(fates: impl IntoIterator<Item = Fate>) -> (Tally, SubscriptionError) {
    let mut tally = Tally::default();
    let fated = Fated::new(fates);
    let client = Client::new("http://depot".parse().unwrap(), &fated);
    let kept = client.keep(&mut tally, &EventFilter::default(), OPTIONS).await;
    let Err(ReadModelError::Subscription(error)) = kept else { panic!("{kept:?}") };
    (tally, error)
}

/// A message with an event of so many bytes of data.
fn message(number: usize, bytes: usize) -> String {
    let text = "x".repeat(bytes.saturating_sub(2));
    format!(
        "id: c{number}\ndata: {{\"id\":\"order:332341d582665405ecb889bd9dec8ce2-{number}\",\
         \"root\":\"order\",\"aggregate_id\":\"a\",\"type\":\"T\",\"version\":1,\
         \"occurred_at\":\"2024-03-01T00:00:00Z\",\
         \"recorded_at\":\"2024-03-01T00:00:00.000000000Z\",\
         \"hlc\":\"65e11a8000000000\",\"data\":\"{text}\"}}\n\n"
    )
}

fn ends(text: String) -> Fate {
    Fate::Ends(text.leak())
}

/// A model that had nothing when it began, and read some events before the server's log became
/// another one, was given up instead of made anew.
#[tokio::test(start_paused = true)]
async fn a_model_begins_anew_also_where_it_had_nothing_when_it_was_first_kept() {
    let (tally, error) = keep([
        ends(message(1, 2)),
        Fate::Refused(StatusCode::GONE),
        ends(message(1, 2)),
        Fate::Refused(StatusCode::BAD_REQUEST),
    ])
    .await;
    assert!(matches!(error, SubscriptionError::Failed(_)), "{error}");
    assert_eq!((tally.restarts, tally.batches), (1, vec![1, 1]));
    assert_eq!(tally.cursor.as_deref(), Some("c1"));
}

/// A server that says of no cursor that it is gone would be asked again and again.
#[tokio::test(start_paused = true)]
async fn what_is_gone_without_a_cursor_ends_it() {
    let (tally, error) = keep([Fate::Refused(StatusCode::GONE)]).await;
    assert!(matches!(error, SubscriptionError::CursorGone(_)), "{error}");
    assert_eq!(tally.restarts, 0);
}

#[tokio::test(start_paused = true)]
async fn large_events_are_handed_over_few_at_a_time() {
    let all: String = (1..=10).map(|number| message(number, DATA_BYTES_MAX)).collect();
    let (tally, _) = keep([ends(all), Fate::Refused(StatusCode::BAD_REQUEST)]).await;
    assert_eq!(tally.batches, [4, 4, 2]);
}
