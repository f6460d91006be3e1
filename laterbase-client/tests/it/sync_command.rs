//! `laterbase sync`.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::command::Workplace;
use crate::depot::{Listening, holdings, server};
use crate::sample;

fn pending(place: &Workplace) -> u64 {
    let status = place.summary(&["status"]);
    let roots = status["roots"].as_object().unwrap();
    roots.values().map(|root| root["pending"].as_u64().unwrap()).sum()
}

fn digest(place: &Workplace, root: &str) -> String {
    place.summary(&["status"])["roots"][root]["digest"].as_str().unwrap().to_owned()
}

fn moved(summary: &Value) -> (u64, u64) {
    (summary["pushed"].as_u64().unwrap(), summary["pulled"].as_u64().unwrap())
}

#[test]
fn two_stores_meet_through_a_server() {
    let server = server();
    let reader = server.reader().clone();
    let listening = Listening::start(server);
    let url = listening.url();
    let sync = ["sync", "--server", &url];
    let (first, second) = (Workplace::new(), Workplace::new());
    first.succeed(&["record", &first.write("day.ndjson", &sample::lines(1, 1_500))]);
    second.succeed(&["record", &second.write("day.ndjson", &sample::lines(2, 700))]);
    assert_eq!(pending(&first), 1_500);
    assert_eq!(moved(&first.summary(&sync)), (1_500, 0));
    assert_eq!(pending(&first), 0);
    assert_eq!(moved(&second.summary(&sync)), (700, 1_500));
    assert_eq!(moved(&first.summary(&sync)), (0, 700));
    for (root, (.., expected)) in holdings(&reader) {
        assert_eq!((digest(&first, &root), digest(&second, &root)), (expected.clone(), expected));
    }
    let idle = second.summary(&sync);
    assert_eq!((moved(&idle), &idle["requests"]), ((0, 0), &json!(1)));
    let text = second.succeed(&sync);
    assert!(text.starts_with("pushed 0 and pulled 0 events in 1 requests"), "{text}");
}

#[test]
fn the_summary_has_the_fields_of_the_contract() {
    let listening = Listening::start(server());
    let place = Workplace::new();
    place.succeed(&["record", &place.write("day.ndjson", &sample::lines(3, 100))]);
    let summary = place.summary(&["sync", "--server", &listening.url()]);
    let fields: Vec<&String> = summary.as_object().unwrap().keys().collect();
    let mut expected =
        ["pushed", "pulled", "requests", "bytes_sent", "bytes_received", "held_back", "forks"];
    expected.sort_unstable();
    assert_eq!(fields, expected);
    assert!(summary["bytes_sent"].as_u64() > Some(2_000), "{summary}");
}

#[test]
fn a_store_that_is_new_takes_what_the_server_has() {
    let listening = Listening::start(server());
    let url = listening.url();
    let (full, empty) = (Workplace::new(), Workplace::new());
    full.succeed(&["record", &full.write("day.ndjson", &sample::lines(4, 400))]);
    full.succeed(&["sync", "--server", &url]);
    assert_eq!(moved(&empty.summary(&["sync", "--server", &url, "--root", "order"])).0, 0);
    assert_eq!(digest(&empty, "order"), digest(&full, "order"));
    let status = empty.summary(&["status"]);
    assert_eq!(status["roots"].as_object().unwrap().len(), 1);
}

#[test]
fn a_server_that_is_gone_is_a_failure_that_loses_nothing() {
    let url = Listening::start(server()).url();
    let place = Workplace::new();
    place.succeed(&["record", &place.write("day.ndjson", &sample::lines(5, 100))]);
    let complaint = place.fail(&["sync", "--server", &url]);
    assert!(complaint.contains("could not connect to the server"), "{complaint}");
    assert_eq!((pending(&place), place.event_count()), (100, 100));
}

#[cfg(unix)]
#[test]
fn a_watching_sync_brings_what_is_there_and_ends_when_interrupted() {
    let server = server();
    let reader = server.reader().clone();
    let listening = Listening::start(server);
    let place = Workplace::new();
    place.succeed(&["record", &place.write("day.ndjson", &sample::lines(6, 100))]);
    let mut command = place.command(&["sync", "--server", &listening.url(), "--watch"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("pushed 100 and pulled 0 events"), "{line}");
    assert_eq!(reader.head(), 100);
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
    assert_eq!(pending(&place), 0);
}

/// A container from scratch has no certificates of anybody. Every sync failed there, over `http` too.
#[test]
fn a_system_without_certificates_syncs_over_http_and_says_why_not_over_https() {
    let listening = Listening::start(server());
    let place = Workplace::new();
    place.succeed(&["record", &place.write("day.ndjson", &sample::lines(5, 20))]);
    std::fs::write(place.path("none.pem"), "").unwrap();
    std::fs::create_dir(place.path("none")).unwrap();
    let bare = |url: &str| {
        let mut sync = place.command(&["sync", "--server", url]);
        sync.env("SSL_CERT_FILE", place.path("none.pem")).env("SSL_CERT_DIR", place.path("none"));
        sync.output().unwrap()
    };
    let synced = bare(&listening.url());
    assert!(synced.status.success(), "{}", String::from_utf8_lossy(&synced.stderr));
    assert_eq!(pending(&place), 0);
    let refused = bare("https://127.0.0.1:1");
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("certificates"), "{told}");
}
