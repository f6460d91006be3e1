//! `laterbase void`.

use serde_json::{Value, json};

use crate::command::Workplace;

/// Two scans of one parcel, and their ids.
fn scanned(place: &Workplace) -> [String; 2] {
    let lines = [
        r#"{"aggregate_id":"ASN-7","type":"Arrived","data":{"at":"Accra"}}"#,
        r#"{"aggregate_id":"ASN-7","type":"Arrived","data":{"at":"Kumasi","seal":7}}"#,
    ];
    let ended = place.feed(&["record", "--root", "shipment"], lines.join("\n").as_bytes());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let log = place.succeed(&["log", "--root", "shipment"]);
    let id = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["id"].as_str().unwrap().to_owned()
    };
    let ids: Vec<String> = log.lines().map(id).collect();
    ids.try_into().unwrap()
}

fn state(place: &Workplace) -> Value {
    let state = place.succeed(&["show", "--root", "shipment", "ASN-7"]);
    serde_json::from_str(&state).unwrap()
}

#[test]
fn a_wrong_scan_is_taken_back_and_says_by_whom_and_why() {
    let place = Workplace::new();
    let [_, wrong] = scanned(&place);
    let at = json!({"at": "Kumasi", "seal": 7});
    assert_eq!(state(&place), at);
    let said = place.summary(&["void", &wrong, "--reason", "wrong parcel", "--actor", "Ama"]);
    assert_eq!(said["voided"], 1);
    assert_eq!(state(&place), json!({"at": "Accra"}));
    let log = place.succeed(&["log", "--root", "shipment", "--aggregate", "ASN-7"]);
    let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let find = |id: &Value| events.iter().find(|event| event["id"] == *id).unwrap();
    assert_eq!(find(&json!(wrong))["voided_by"], said["ids"]);
    let voiding = find(&said["ids"][0]);
    assert_eq!(voiding["type"], "Voided");
    assert_eq!(voiding["metadata"], json!({"actor": "Ama", "reason": "wrong parcel"}));
}

#[test]
fn events_of_several_aggregates_are_taken_back_at_once() {
    let place = Workplace::new();
    let [first, second] = scanned(&place);
    let other = r#"{"aggregate_id":"ASN-8","type":"Arrived","data":{"at":"Tema"}}"#;
    place.feed(&["record", "--root", "shipment"], other.as_bytes());
    let log = place.succeed(&["log", "--root", "shipment", "--aggregate", "ASN-8"]);
    let third: Value = serde_json::from_str(log.trim()).unwrap();
    let third = third["id"].as_str().unwrap();
    let said = place.summary(&["void", &first, third, &second]);
    assert_eq!((said["voided"].as_u64(), said["ids"].as_array().unwrap().len()), (Some(3), 2));
    assert_eq!(state(&place), json!({}));
}

#[test]
fn what_is_not_there_or_was_taken_back_is_said_and_nothing_is_stored() {
    let place = Workplace::new();
    let [first, wrong] = scanned(&place);
    let nowhere = wrong.replace("-2", "-9");
    let told = place.fail(&["void", &first, &nowhere]);
    assert!(told.contains(&format!("there is no event {nowhere}")), "{told}");
    assert_eq!(place.event_count(), 2);
    let said = place.summary(&["void", &wrong]);
    let told = place.fail(&["void", &wrong]);
    assert!(
        told.contains(&format!("taken back already, by {}", said["ids"][0].as_str().unwrap())),
        "{told}"
    );
    // What was not is taken back all the same.
    let ended = place.run(&["void", &wrong, &first, "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let also: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(also["voided"], 1);
    assert!(ended.stderr.contains(&format!("{wrong} was taken back already")), "{}", ended.stderr);
    let told = place.fail(&["void", said["ids"][0].as_str().unwrap()]);
    assert!(told.contains("record again what was right"), "{told}");
    assert_eq!(place.event_count(), 4);
}

/// Also of an aggregate whose other events are many.
#[test]
fn all_that_takes_back_is_named_once() {
    let place = Workplace::new();
    let line = r#"{"aggregate_id":"ASN-9","type":"Scanned","data":{}}"#;
    place.feed(&["record", "--root", "shipment"], [line; 300].join("\n").as_bytes());
    let log = place.succeed(&["log", "--root", "shipment"]);
    let id = |line: &str| {
        serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let ids: Vec<String> = log.lines().map(id).collect();
    let ids: Vec<&str> = ["void"].into_iter().chain(ids.iter().map(String::as_str)).collect();
    let said = place.summary(&ids);
    assert_eq!((said["voided"].as_u64(), said["ids"].as_array().unwrap().len()), (Some(300), 2));
}

#[test]
fn who_was_set_for_the_store_adds_and_takes_back() {
    let place = Workplace::new();
    let [_, wrong] = scanned(&place);
    place.succeed(&["init", "--actor", "Kofi"]);
    place.succeed(&["void", &wrong]);
    place.succeed(&["add", "--root", "shipment", "ASN-7", "Sealed", "seal=9"]);
    for kind in ["Voided", "Sealed"] {
        let log = place.succeed(&["log", "--root", "shipment", "--type", kind]);
        let event: Value = serde_json::from_str(log.trim()).unwrap();
        assert_eq!(event["metadata"], json!({"actor": "Kofi"}), "{kind}");
    }
}
