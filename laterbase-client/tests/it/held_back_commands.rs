//! What a sync could not bring is said, by every command that knows of it.
//!
//! The story: a push that the server answered with 409 `fork` was swallowed. The command ended with
//! 0, and neither its summary, nor `--watch`, nor `status` said a word; only the server knew.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use laterbase_client::sync::sync;
use laterbase_core::fold::MergePatch;
use laterbase_server::{Server, SyncRoots};
use serde_json::{Value, json};

use crate::command::{Ended, Workplace};
use crate::depot::{Listening, client, device, impatient, server};
use crate::forged::claim;
use crate::sample;

fn record(place: &Workplace, root: &str, count: usize) {
    let line = format!(r#"{{"root":"{root}","aggregate_id":"P1","type":"Packed","data":{{}}}}"#);
    place.succeed(&["record", &place.write("lines.ndjson", &vec![line; count])]);
}

fn replica(place: &Workplace) -> String {
    place.summary(&["status"])["replica"].as_str().unwrap().to_owned()
}

fn json_of(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_a_server_refuses_for_a_fork_is_said_everywhere() {
    let server = server();
    let place = Workplace::new();
    let pusher = client(&server);
    let listening = Listening::start(server);
    let url = listening.url();
    record(&place, "order", 1);
    place.succeed(&["sync", "--server", &url]);
    let id = replica(&place);
    let forged = claim("order", id.parse().unwrap(), 1, 1 << 62);
    assert!(pusher.push(forged.into()).await.unwrap_err().problem().unwrap().is("fork"));

    record(&place, "order", 2);
    record(&place, "parcel", 3);
    let held = json!([{"root": "order", "origin": id, "seq": 1, "reason": "fork"}]);
    for again in [false, true] {
        let ended = place.run(&["sync", "--server", &url, "--json"]);
        assert_eq!(ended.code, 3, "{}", ended.stderr);
        assert!(ended.stderr.contains("held back: the peer has two histories"), "{}", ended.stderr);
        let summary = json_of(&ended);
        assert_eq!(summary["pushed"], if again { 0 } else { 3 });
        assert_eq!(summary["held_back"], held);
        let fork = &summary["forks"][0];
        assert_eq!((&fork["root"], &fork["origin"]), (&json!("order"), &json!(id)));
    }
    let status = place.summary(&["status"]);
    assert_eq!(status["roots"]["order"]["pending"], 2);
    assert_eq!(status["roots"]["parcel"]["pending"], 0);
    assert_eq!(status["held_back"][0]["server"], url);
    assert_eq!(status["held_back"][0]["reason"], "fork");
    let text = place.succeed(&["status"]);
    let row = format!("order: events of {id} from 1 on are held back (fork), at the last sync");
    assert!(text.contains(&row), "{text}");
}

#[test]
fn a_root_that_a_server_does_not_take_is_an_outcome_of_its_own() {
    let choosy = Server::builder().fold("order", Arc::new(MergePatch));
    let choosy = choosy.sync_roots(SyncRoots::Known).build().unwrap();
    let listening = Listening::start(choosy);
    let url = listening.url();
    let place = Workplace::new();
    record(&place, "order", 1);
    assert_eq!(place.summary(&["sync", "--server", &url])["held_back"], json!([]));
    record(&place, "parcel", 1);
    let ended = place.run(&["sync", "--server", &url, "--json"]);
    assert_eq!((ended.code, &json_of(&ended)["skipped"]), (3, &json!(["parcel"])));
    let status = place.summary(&["status"]);
    assert_eq!(status["skipped"], json!([{"server": url, "root": "parcel"}]));
    assert!(place.succeed(&["status"]).contains("does not take parcel"));
    // Whoever does not ask for it is not told.
    assert_eq!(place.run(&["sync", "--server", &url, "--root", "order"]).code, 0);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_says_what_is_held_back_once_and_ends_with_its_own_status() {
    let choosy = Server::builder().fold("order", Arc::new(MergePatch));
    let choosy = choosy.sync_roots(SyncRoots::Known).build().unwrap();
    let (pusher, source) = (client(&choosy), device());
    let listening = Listening::start(choosy);
    let place = Workplace::new();
    record(&place, "order", 1);
    record(&place, "parcel", 1);
    let mut command = place.command(&["sync", "--server", &listening.url(), "--watch"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("pushed 1 and pulled 0 events"));
    for round in 0..3 {
        let order = sample::lines(round, 200).into_iter();
        let order: Vec<_> = order.filter(|line| line.contains(r#""root":"order""#)).collect();
        sample::record(&source, &order[..1]);
        sync(&source, &pusher, &impatient(1), &mut |_| {}).await.unwrap();
        assert!(lines.next().unwrap().unwrap().starts_with("pushed 0 and pulled 1 events"));
    }
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3), "{stderr}");
    assert_eq!(stderr.matches("does not take parcel").count(), 1, "{stderr}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_copied_store_says_that_it_writes_under_another_id() {
    let place = Workplace::new();
    record(&place, "order", 4);
    let old = replica(&place);
    copy(&place.path("laterbase-data"), &place.path("copy"));
    let line = place.write(
        "more.ndjson",
        &[r#"{"root":"order","aggregate_id":"P1","type":"Packed","data":{}}"#.to_owned()],
    );
    let ended = place.run(&["record", "--store", "copy", &line]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let told = format!("a new identity: replica {old} writes as ");
    assert!(ended.stderr.contains(&told), "{}", ended.stderr);
    let why = "order from 5 on: the store was copied or restored";
    assert!(ended.stderr.contains(why), "{}", ended.stderr);
    // Once; afterwards it can be looked up.
    let status = place.summary(&["status", "--store", "copy"]);
    let renewal = &status["renewals"][0];
    assert_eq!((&renewal["old"], &renewal["new"]), (&json!(old), &status["replica"]));
    assert_eq!(renewal["reason"], "copied-or-restored");
    assert_eq!(renewal["from"], json!({"order": 5}));
    assert!(place.succeed(&["status", "--store", "copy"]).contains(why));
    assert!(place.summary(&["status"]).get("renewals").is_none());
}

/// The server holds an event of the store's own that the store does not know: it was forged, or the
/// store was set back.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_costs_a_store_its_id_says_so() {
    let server = server();
    let pusher = client(&server);
    let listening = Listening::start(server);
    let url = listening.url();
    let place = Workplace::new();
    // The store has written nothing yet: its first seq is taken by somebody else.
    place.succeed(&["sync", "--server", &url]);
    let id = replica(&place);
    pusher.push(claim("order", id.parse().unwrap(), 1, 1 << 62).into()).await.unwrap();
    let ended = place.run(&["sync", "--server", &url, "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("replica {id} writes as")), "{}", ended.stderr);
    let renewal = &json_of(&ended)["renewals"][0];
    assert_eq!((&renewal["old"], &renewal["reason"]), (&json!(id), &json!("peer-has-more")));
    assert_eq!(renewal["from"], json!({"order": 1}));
    assert_eq!(place.summary(&["status"])["renewals"][0], *renewal);
}

#[test]
fn the_server_that_cannot_be_reached_is_named() {
    let url = Listening::start(server()).url();
    let place = Workplace::new();
    let complaint = place.fail(&["sync", "--server", &url]);
    assert!(complaint.contains(&format!("cannot sync with {url}: ")), "{complaint}");
}
