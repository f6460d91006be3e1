#![allow(clippy::unwrap_used, reason = "tests")]

use http::StatusCode;
use tokio::time::Instant;

use super::*;
use crate::transport::fated::{Fate, Fated};

fn client(fates: impl IntoIterator<Item = Fate>) -> Client<Fated> {
    Client::new("http://depot".parse().unwrap(), Fated::new(fates))
}

/// How long each of some waits takes, in seconds.
async fn waits(client: &Client<Fated>, count: usize, synced: bool) -> Vec<f64> {
    let mut watch = Watch::new(client, RootSelection::all(), WatchOptions::default());
    let mut waits = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        watch.news(Some("here"), synced).await;
        waits.push(start.elapsed().as_secs_f64());
    }
    waits
}

#[tokio::test(start_paused = true)]
async fn what_arrives_is_news_at_once_unless_it_is_known() {
    let text = ": heartbeat\n\nevent: arrived\nid: here\ndata: {}\n\n\
                event: arrived\nid: there\ndata: {}\n\n";
    let client = client([Fate::Silent(text)]);
    assert_eq!(waits(&client, 1, true).await, [0.0]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_link_is_dead_after_a_while() {
    let client = client([Fate::Silent(": heartbeat\n\n"), Fate::Silent("")]);
    for wait in waits(&client, 2, true).await {
        assert!((45.0..48.0).contains(&wait), "{wait}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_without_streams_is_polled_with_growing_rests() {
    let fates = [
        Fate::Refused(StatusCode::NOT_ACCEPTABLE),
        Fate::Unreachable,
        Fate::Ends(""),
        Fate::Refused(StatusCode::NOT_ACCEPTABLE),
    ];
    let waits = waits(&client(fates), 4, true).await;
    for (wait, whole) in waits.into_iter().zip([1.0, 2.0, 4.0, 8.0]) {
        assert!((whole / 2.0..=whole + 0.01).contains(&wait), "{wait} of {whole}");
    }
}

#[tokio::test(start_paused = true)]
async fn rests_are_bounded_and_a_word_of_the_server_makes_them_short_again() {
    let many = (0..12).map(|_| Fate::Unreachable);
    let good = Fate::Ends("event: end\ndata: {}\n\n");
    let client = client(many.chain([Fate::Ends(": heartbeat\n\n"), good]));
    let waits = waits(&client, 14, true).await;
    assert!(waits.iter().all(|wait| *wait < 60.1), "{waits:?}");
    assert!(waits[11] >= 30.0 && waits[12] <= 1.01, "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_sync_that_failed_there_is_a_rest_without_a_request() {
    let waits = waits(&client([]), 3, false).await;
    assert!(waits[0] >= 0.5 && waits[2] >= 2.0 && waits[2] <= 4.01, "{waits:?}");
}
