//! `laterbase add`.

use std::fs;
use std::sync::Arc;

use laterbase_client::device::{Device, DeviceOptions};
use laterbase_client::handover::Listening;
use serde_json::{Value, json};

use crate::command::Workplace;

/// The newest event of the log.
fn last(place: &Workplace) -> Value {
    let log = place.succeed(&["log", "--root", "asn"]);
    serde_json::from_str(log.lines().last().unwrap()).unwrap()
}

fn add(more: &[&'static str]) -> Vec<&'static str> {
    [&["add", "--root", "asn", "A-7", "Arrived"], more].concat()
}

#[test]
fn an_event_is_added_by_its_arguments_and_its_id_printed() {
    let place = Workplace::new();
    let id = place.succeed(&add(&["place=Accra", "kg=12.50", "dock=007", "ok=true", "tags:=[1]"]));
    let event = last(&place);
    assert_eq!(id, format!("{}\n", event["id"].as_str().unwrap()));
    assert_eq!((&event["aggregate_id"], &event["type"]), (&json!("A-7"), &json!("Arrived")));
    let data = json!({"place": "Accra", "kg": 12.50, "dock": "007", "ok": true, "tags": [1]});
    assert_eq!(event["data"], data);
    // Another one that says the same is another one.
    let second =
        place.succeed(&add(&["place=Accra", "kg=12.50", "dock=007", "ok=true", "tags:=[1]"]));
    assert_eq!(second, format!("{}\n", last(&place)["id"].as_str().unwrap()));
    assert_ne!(second, id);
    let summary = place.summary(&add(&[]));
    assert_eq!(summary, json!({"id": last(&place)["id"], "replayed": false}));
    assert_eq!((last(&place)["data"].clone(), place.event_count()), (json!({}), 3));
}

#[test]
fn of_several_events_of_one_moment_each_is_named() {
    let place = Workplace::new();
    let at = ["--at", "2024-03-01T08:00:00Z", "n=1"];
    let ids: Vec<String> = (0..3).map(|_| place.succeed(&add(&at))).collect();
    let later = place.succeed(&add(&["--at", "2024-03-02T08:00:00Z", "n=1"]));
    let log = place.succeed(&["log", "--root", "asn"]);
    for id in ids.iter().chain([&later]) {
        assert!(log.contains(&format!("{:?}", id.trim_end())), "{id}");
    }
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[2] != later);
    assert_eq!(place.succeed(&add(&at)), format!("{}\n", last(&place)["id"].as_str().unwrap()));
}

#[test]
fn a_key_makes_it_once() {
    let place = Workplace::new();
    let keyed = add(&["--key", "k-1", "n=1"]);
    let id = place.succeed(&keyed);
    assert_eq!(place.succeed(&keyed), id);
    assert_eq!(place.summary(&keyed), json!({"id": id.trim_end(), "replayed": true}));
    let complaint = place.fail(&add(&["--key", "k-1", "n=2"]));
    assert!(complaint.contains("idempotency_key: this key was used before"), "{complaint}");
    assert_eq!(place.event_count(), 1);
}

#[test]
fn data_comes_from_json_or_a_file_as_well() {
    let place = Workplace::new();
    place.succeed(&add(&["--data", "[1, {\"a\": null}]"]));
    assert_eq!(last(&place)["data"], json!([1, {"a": null}]));
    fs::write(place.path("photo.jpg"), b"\xff\xd8\x00").unwrap();
    place.succeed(&add(&["--file", "photo.jpg"]));
    assert_eq!(last(&place)["data_base64"], json!("/9gA"));
    let ended = place.feed(&add(&["--file", "-"]), b"\x00");
    assert_eq!((ended.code, last(&place)["data_base64"].clone()), (0, json!("AA==")));
    fs::write(place.path("film"), vec![0; 1024 * 1024 + 1]).unwrap();
    assert!(place.fail(&add(&["--file", "film"])).contains("1048576 bytes"));
    assert!(place.fail(&add(&["--file", "nowhere"])).contains("cannot read nowhere"));
    assert!(place.fail(&add(&["--data", "{"])).contains("data"));
    assert_eq!(place.event_count(), 3);
}

#[test]
fn who_recorded_it_is_said_in_the_metadata() {
    let place = Workplace::new();
    place.succeed(&add(&["--actor", "ama", "n=1"]));
    assert_eq!(last(&place)["metadata"], json!({"actor": "ama"}));
    let long = "x".repeat(1025);
    let complaint = place.fail(&[&add(&["n=1", "--actor"])[..], &[&long]].concat());
    assert!(complaint.contains("--actor: a value has at most"), "{complaint}");
}

#[test]
fn it_happened_when_it_is_said_to() {
    let place = Workplace::new();
    let at = |at: &str| {
        let mut command = place.command(&["add", "--root", "asn", "A", "t", "--at", at]);
        let ended = command.env("TZ", "Europe/Berlin").output().unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        (ended.status.code().unwrap(), stderr)
    };
    assert_eq!(at("2024-03-01 08:00"), (0, String::new()));
    assert_eq!(last(&place)["occurred_at"], "2024-03-01T07:00:00Z");
    assert_eq!(last(&place)["occurred_offset"], "+01:00");
    assert_eq!(at("2024-07-01"), (0, String::new()));
    assert_eq!(last(&place)["occurred_at"], "2024-06-30T22:00:00Z");
    for said in ["now", "yesterday 18:00", "monday", "2h ago"] {
        assert_eq!(at(said), (0, String::new()), "{said}");
    }
    let (code, complaint) = at("2024-10-27 02:30");
    assert_eq!(code, 2);
    for reading in ["2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00"] {
        assert!(complaint.contains(reading), "{complaint}");
    }
}

#[test]
fn what_cannot_be_added_makes_no_store() {
    let place = Workplace::new();
    let complaint = place.fail(&add(&["--at", "2224-03-01"]));
    assert!(complaint.contains("occurred_at: lies in the future"), "{complaint}");
    assert!(place.fail(&["add", "--root", "asn", "", "t"]).contains("aggregate_id: "));
    assert!(place.fail(&add(&["a=1", "a=2"])).contains("\"a\" is said twice"));
    assert!(!place.path("laterbase-data").exists());
    for wrong in [&["a"][..], &["a:=b"], &["a=1", "--data=1"], &["--at=soon"]] {
        assert_eq!(
            place.run(&add(&[]).into_iter().chain(wrong.iter().copied()).collect::<Vec<_>>()).code,
            2
        );
    }
}

/// A new store was asked whether it would take planned events as if nothing had been said of them.
#[test]
fn a_planned_event_is_added_to_a_new_store() {
    let place = Workplace::new();
    place.succeed(&add(&["--at", "2224-03-01", "--max-future", "none"]));
    assert_eq!(place.event_count(), 1);
}

#[test]
fn an_event_is_added_to_a_store_that_is_in_use() {
    let place = Workplace::new();
    let store = place.path("laterbase-data");
    let device = Arc::new(Device::open(&store, DeviceOptions::default()).unwrap());
    let listening = Listening::start(&store, Arc::clone(&device) as Arc<_>).unwrap();
    let ids = [
        place.succeed(&add(&["n=1"])),
        place.succeed(&add(&["n=1"])),
        place.succeed(&add(&["n=2", "--key", "k"])),
        place.succeed(&add(&["n=2", "--key", "k"])),
    ];
    listening.stop();
    Arc::into_inner(device).unwrap().close().unwrap();
    let log = place.succeed(&["log", "--root", "asn"]);
    let expected: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone())
        .collect();
    assert_eq!(expected, [&ids[0], &ids[1], &ids[2]].map(|id| json!(id.trim_end())));
    assert_eq!(ids[2], ids[3]);
}
