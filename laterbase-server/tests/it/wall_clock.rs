//! The server under a wall clock that no HTTP date can say: a flat battery, or a typing error.
//!
//! The library below the server panicked there, so nothing was answered.

use std::process::Command;

use tempfile::TempDir;

use crate::connection::{ACCEPT_LINES, JSON};
use crate::process::{PROGRAM, Process};

/// The environment in which a program has a wall clock that says `time`. `None` where there is no
/// `faketime`, which knows how.
#[expect(clippy::print_stderr, reason = "a test that leaves something out says so")]
fn environment(time: &str) -> Option<Vec<(String, String)>> {
    let Ok(asked) = Command::new("faketime").args(["-f", time, "env"]).output() else {
        eprintln!("left out, as there is no `faketime` (Debian's package of this name)");
        return None;
    };
    let lines = String::from_utf8(asked.stdout).unwrap();
    let variables = lines.lines().filter_map(|line| line.split_once('='));
    let wanted = variables.filter(|(name, _)| matches!(*name, "LD_PRELOAD" | "FAKETIME"));
    // Else waits by the monotonic clock end at once, and threads that wait spin.
    let steady = [("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    Some(wanted.chain(steady).map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// A server in an environment takes an event and gives it back. What it says of a `Date`.
async fn date_in(environment: Vec<(String, String)>) -> Option<String> {
    assert_eq!(environment.len(), 3, "{environment:?}");
    let data = TempDir::new().unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["--listen", "127.0.0.1:0", "--data"]).arg(data.path()).envs(environment);
    let server = Process::start_by(command.env("LATERBASE_LOG", "off"));
    let mut connection = server.connect().await;
    connection.get("/healthz").await.check(200);
    let event = r#"{"aggregate_id":"a","type":"T","data":{"x":1}}"#;
    connection.send("POST", "/e/order", &[JSON], event).await.check(201);
    let feed = connection.send("GET", "/e/order", &[ACCEPT_LINES], "").await.check(200);
    assert!(feed.text().contains(r#""data":{"x":1}"#), "{}", feed.text());
    let date = feed.headers.get("date").map(|date| date.to_str().unwrap().to_owned());
    assert!(server.terminate_soon().success());
    date
}

#[tokio::test]
async fn a_server_answers_by_a_clock_before_1970() {
    if let Some(environment) = environment("@1960-01-01 00:00:00") {
        assert_eq!(date_in(environment).await, None);
    }
}

#[tokio::test]
async fn a_server_answers_by_a_clock_beyond_9999() {
    if let Some(environment) = environment("+8500y") {
        assert_eq!(date_in(environment).await, None);
    }
}

#[tokio::test]
async fn a_server_says_the_date_of_any_clock_between() {
    if let Some(environment) = environment("@2300-01-01 00:00:00") {
        let date = date_in(environment).await.unwrap();
        assert!(date.starts_with("Mon, 01 Jan 2300 00:00:"), "{date}");
    }
}
