//! `laterbase compact`, and how much room a store takes by table.

use std::time::Duration;

use laterbase_client::device::{Device, DeviceOptions};

use crate::command::Workplace;
use crate::dice::Dice;
use crate::sample;

/// A store whose derived tables were built twice, so that there is room to give back.
fn loose() -> Workplace {
    let place = Workplace::new();
    for number in 0..4 {
        let file = place.write("day.ndjson", &sample::lines(number, 400));
        place.succeed(&["record", &file]);
        place.succeed(&["verify", "--repair"]);
    }
    place
}

/// What must not change.
fn kept(place: &Workplace) -> (serde_json::Value, serde_json::Value, String) {
    let status = place.summary(&["status"]);
    assert_eq!(status.get("renewals"), None, "the store took a new id");
    let listed = place.succeed(&["list", "--json"]);
    (status["replica"].clone(), status["roots"].clone(), listed)
}

#[test]
fn room_is_given_back_and_nothing_else_changes() {
    let place = loose();
    let before = kept(&place);
    let given = place.summary(&["compact"]);
    let bytes = |name: &str| given[name].as_u64().unwrap();
    assert!(bytes("after_bytes") < bytes("before_bytes"), "{given}");
    assert_eq!(kept(&place), before);
    assert_eq!(place.summary(&["verify"])["fault_count"], 0);
    let text = place.succeed(&["compact"]);
    assert!(text.contains(" given back"), "{text}");
    // It records on under the same id.
    place.succeed(&["record", &place.write("more.ndjson", &sample::lines(9, 10))]);
    assert_eq!(place.summary(&["status"])["replica"], before.0);
    assert_eq!(place.event_count(), 1_610);
}

#[test]
fn a_store_that_is_open_elsewhere_says_what_to_do() {
    let place = loose();
    let device = Device::open(&place.path("laterbase-data"), DeviceOptions::default()).unwrap();
    let refused = place.fail(&["compact"]);
    assert!(refused.contains("stop the server or sync first"), "{refused}");
    device.close().unwrap();
}

/// Whatever a kill interrupts, the store is there under its own id.
#[test]
fn a_compaction_that_is_killed_leaves_the_store_as_it_was() {
    let place = loose();
    let before = kept(&place);
    let mut dice = Dice::new(7);
    for _ in 0..12 {
        let mut child = place.command(&["compact"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(dice.below(120) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(kept(&place), before);
    }
    assert_eq!(place.summary(&["verify"])["fault_count"], 0);
}

#[test]
fn status_says_what_takes_the_room() {
    let place = loose();
    let storage = place.summary(&["status", "--verbose"])["storage"].clone();
    let tables = storage["tables"].as_array().unwrap();
    let of = |name: &str| tables.iter().find(|table| table["table"] == name).unwrap();
    assert_eq!(
        (&of("log")["derived"], &of("fold_index")["derived"]),
        (&false.into(), &true.into())
    );
    let taken: u64 = tables.iter().map(|table| table["bytes"].as_u64().unwrap()).sum();
    assert_eq!(taken, storage["size_bytes"].as_u64().unwrap());
    assert!(storage["files_bytes"].as_u64().unwrap() > taken, "{storage}");
    assert_eq!(place.summary(&["status"])["storage"].get("tables"), None);
    let text = place.succeed(&["status", "-v"]);
    assert!(text.contains("fold_index"), "{text}");
}
