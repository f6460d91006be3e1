#![allow(clippy::unwrap_used, reason = "tests")]

use http::StatusCode;

use super::*;
use crate::transport::fated::{Fate, Fated};

const OPTIONS: SubscribeOptions = SubscribeOptions {
    silence_max: Duration::from_secs(45),
    backoff: BackoffOptions {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(60),
        failures_max: u32::MAX,
    },
};

const EVENT: &str = ": live\n\nid: one\ndata: {\"id\":\"order:332341d582665405ecb889bd9dec8ce2-1\",\
    \"root\":\"order\",\"aggregate_id\":\"a\",\"type\":\"T\",\"version\":1,\
    \"occurred_at\":\"2024-03-01T00:00:00Z\",\"recorded_at\":\"2024-03-01T00:00:00.000000000Z\",\
    \"hlc\":\"65e11a8000000000\",\"data\":{}}\n\n";

/// What was given, and the error that ended it.
async fn follow(fated: &Fated) -> (Vec<String>, SubscriptionError) {
    let client = Client::new("http://depot".parse().unwrap(), fated);
    let mut subscription = client.subscribe_with(Some("zero"), EventFilter::default(), OPTIONS);
    let mut given = Vec::new();
    let error = loop {
        match subscription.next().await.unwrap() {
            Ok(delivery) => given.push(delivery.cursor().to_owned()),
            Err(error) => break error,
        }
    };
    assert_eq!(subscription.cursor(), given.last().map(String::as_str).or(Some("zero")));
    assert!(subscription.next().await.is_none());
    (given, error)
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_behind_the_last_event_after_every_kind_of_cut() {
    let fated = Fated::new([
        Fate::Unreachable,
        Fate::Ends(EVENT),
        Fate::Refused(StatusCode::SERVICE_UNAVAILABLE),
        Fate::Silent(": live\n\nid: two\n\n"),
        Fate::Ends("event: end\ndata: {\"reason\":\"shutting-down\"}\n\n"),
        Fate::Ends("event: unreadable\ndata: {\"entries\":3}\n\nid: three\n\n"),
        Fate::Refused(StatusCode::GONE),
    ]);
    let start = Instant::now();
    let (given, error) = follow(&fated).await;
    assert_eq!(given, ["one", "two", "three"]);
    assert!(matches!(error, SubscriptionError::CursorGone(_)), "{error}");
    let asked = ["zero", "zero", "one", "one", "two", "two", "three"];
    let asked: Vec<String> = asked.iter().map(|cursor| format!("after={cursor}")).collect();
    assert_eq!(fated.asked(), asked);
    assert!(start.elapsed() >= Duration::from_secs(45), "silence is waited out");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_get_better_ends_it_with_what_it_is() {
    use SubscriptionError::{CursorGone, Failed, NotAllowed, NotFound};
    for (status, is_it) in [
        (410, (|error| matches!(error, CursorGone(_))) as fn(&SubscriptionError) -> bool),
        (401, |error| matches!(error, NotAllowed(_))),
        (403, |error| matches!(error, NotAllowed(_))),
        (404, |error| matches!(error, NotFound(_))),
        (400, |error| matches!(error, Failed(_))),
    ] {
        let fated = Fated::new([Fate::Refused(StatusCode::from_u16(status).unwrap())]);
        let (_, error) = follow(&fated).await;
        assert!(is_it(&error), "{status}: {error}");
    }
    let garbled = Fated::new([Fate::Ends("id: one\ndata: {\"id\":1}\n\n")]);
    let (_, error) = follow(&garbled).await;
    assert!(matches!(error, Failed(ClientError::Protocol { .. })), "{error}");
}

/// A line that is too long is so again at the same cursor, and would be fetched for ever.
#[tokio::test(start_paused = true)]
async fn a_line_that_does_not_end_is_not_fetched_again() {
    let endless = format!("id: one\ndata: {}", "x".repeat(LINE_BYTES_MAX + 1));
    let (_, error) = follow(&Fated::new([Fate::Ends(endless.leak())])).await;
    let SubscriptionError::Failed(error) = error else { panic!("{error}") };
    assert!(matches!(error, ClientError::TooLong { bytes_max: LINE_BYTES_MAX }), "{error}");
}

/// A count of passed entries that a server makes up must not overflow.
#[tokio::test(start_paused = true)]
async fn what_a_server_says_it_passed_over_is_added_up_to_the_end_of_the_count() {
    const MANY: &str = "event: unreadable\ndata: {\"entries\":18446744073709551615}\n\n";
    let fated = Fated::new([Fate::Ends(MANY), Fate::Ends(MANY), Fate::Refused(StatusCode::GONE)]);
    let client = Client::new("http://depot".parse().unwrap(), &fated);
    let mut subscription = client.subscribe_with(None, EventFilter::default(), OPTIONS);
    assert!(subscription.next().await.unwrap().is_err());
    assert_eq!(subscription.unreadable(), u64::MAX);
}

/// A greeting is no success: a server that greets and then fails at once would be asked again and
/// again without a rest.
#[tokio::test(start_paused = true)]
async fn rests_grow_while_nothing_comes_but_greetings() {
    let failing = Fate::Ends(": live\n\nevent: end\ndata: {\"reason\":\"failed\"}\n\n");
    let many = (0..5).map(|_| failing);
    let fated = Fated::new(many.chain([Fate::Refused(StatusCode::GONE)]));
    let start = Instant::now();
    follow(&fated).await;
    let elapsed = start.elapsed().as_secs_f64();
    assert!((15.4..31.1).contains(&elapsed), "{elapsed}: 1 + 2 + 4 + 8 + 16 s, or half of it");
}
