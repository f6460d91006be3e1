//! Forks on the command line: a store that was put back in place as it was, and wrote on.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::command::Workplace;
use crate::depot::{Listening, server};
use crate::sample;

/// Copies every file of a directory onto the one of the same name, in place, but for the one that
/// the store tells copies by. So does a tool that leaves files alone that have not changed.
fn put_back(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            put_back(&entry.path(), &target);
        } else if entry.file_name() != "laterbase.identity" || !target.exists() {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn record(place: &Workplace, seed: u64, count: usize) {
    // All of one root, so that there is one fork.
    let mut lines = sample::lines(seed, 40 * count);
    lines.retain(|line| line.contains(r#""root":"order""#));
    lines.truncate(count);
    assert_eq!(lines.len(), count);
    place.succeed(&["record", &place.write("day.ndjson", &lines)]);
}

/// A store with 20 events and 7 more; before those 7 it was set back behind 5 others, and `keep`
/// is called to save these.
fn forked(keep: impl Fn(&Workplace)) -> Workplace {
    let place = Workplace::new();
    record(&place, 1, 20);
    let (store, saved) = (place.path("laterbase-data"), place.path("saved"));
    fs::create_dir(&saved).unwrap();
    put_back(&store, &saved);
    record(&place, 2, 5);
    keep(&place);
    put_back(&saved, &store);
    record(&place, 3, 7);
    place
}

fn order(status: &Value) -> &Value {
    &status["roots"]["order"]
}

#[test]
fn a_fork_that_comes_with_a_file_is_listed_and_decided_by_an_operator() {
    for keep in ["ours", "theirs"] {
        let place = forked(|place| {
            place.succeed(&["export", "lost.lbd"]);
        });
        let id = place.summary(&["status"])["replica"].clone();
        let imported = place.run(&["import", "lost.lbd", "--json"]);
        let summary: Value = serde_json::from_str(&imported.stdout).unwrap();
        assert_eq!(imported.code, 3, "{}", imported.stderr);
        assert!(imported.stderr.contains("held back: order has two histories"), "{summary}");
        let held = json!([{"root": "order", "origin": id, "seq": 21, "reason": "fork"}]);
        assert_eq!((&summary["imported"], &summary["held_back"]), (&json!(0), &held));
        let status = place.summary(&["status"]);
        assert_eq!((&order(&status)["events"], &status["held_back"]), (&json!(27), &held));
        let fork = &status["forks"][0];
        assert_eq!(
            (&fork["seq"], &fork["ours"], &fork["theirs"]),
            (&json!(21), &json!(7), &json!(5))
        );
        let text = place.succeed(&["status"]);
        assert!(text.contains("from 21 on: 7 events here, 5 in quarantine"), "{text}");

        let origin = id.as_str().unwrap();
        let resolve = ["resolve", "--root", "order", "--origin", origin, "--keep", keep];
        let moved = place.summary(&resolve);
        assert_eq!(moved["moved"], if keep == "ours" { 5 } else { 7 });
        assert_eq!(moved["into"].as_array().unwrap().len(), 1);
        let status = place.summary(&["status"]);
        assert_eq!((&order(&status)["events"], &status["forks"]), (&json!(32), &json!([])));
        assert_eq!(place.summary(&["verify"])["fault_count"], 0);
        let again = place.fail(&resolve);
        assert!(again.contains("has one history of"), "{again}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_left_in_a_file_does_not_give_way_by_itself() {
    let listening = Listening::start(server());
    let sync = ["sync", "--server", &listening.url()];
    for is_exported in [false, true] {
        let place = forked(|place| {
            place.succeed(&sync);
        });
        if is_exported {
            place.succeed(&["export", "ours.lbd"]);
        }
        place.run(&sync);
        let status = place.summary(&["status"]);
        let (events, forks) = (&order(&status)["events"], status["forks"].as_array().unwrap());
        if is_exported {
            assert_eq!((events, forks.len()), (&json!(27 + 32), 1));
            assert_eq!(order(&status)["pending"], 7);
        } else {
            assert_eq!((events, forks.len()), (&json!(32), 0));
            assert_eq!(order(&status)["pending"], 0);
        }
    }
}

/// A fork at a server could be decided with the server stopped only.
#[tokio::test(flavor = "multi_thread")]
async fn a_fork_at_a_server_is_decided_from_afar_while_it_runs() {
    let listening = Listening::start(server());
    let sync = ["sync", "--server", &listening.url()];
    let place = forked(|place| {
        place.succeed(&sync);
    });
    place.succeed(&["export", "ours.lbd"]);
    let id = place.summary(&["status"])["replica"].as_str().unwrap().to_owned();
    place.run(&sync);
    let elsewhere = Workplace::new();
    let listed = elsewhere.summary(&["forks", "--server", &listening.url()]);
    assert_eq!(
        (&listed["forks"][0]["root"], &listed["forks"][0]["origin"]),
        (&json!("order"), &json!(id))
    );
    let text = elsewhere.succeed(&["forks", "--server", &listening.url()]);
    assert!(text.contains("order has two histories of"), "{text}");
    let at_server = ["resolve", "--server", &listening.url(), "--root", "order"];
    let decide = [&at_server[..], &["--origin", &id, "--keep", "ours"]].concat();
    let decided = elsewhere.summary(&decide);
    assert!(decided["moved"].is_u64() && decided["into"].is_array(), "{decided}");
    let both = elsewhere.run(&[&decide[..], &["--branch", &id]].concat());
    assert_eq!(both.code, 2, "a branch is one of theirs");
    let again = elsewhere.fail(&decide);
    assert!(again.contains("has one history of"), "{again}");
    assert!(!elsewhere.path("laterbase-data").exists(), "no store is made for it");
}
