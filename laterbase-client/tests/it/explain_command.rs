//! `laterbase show --explain`.

use serde_json::{Value, json};

use crate::command::Workplace;

/// A parcel's events, their ids in order, and the id of the event that takes the third one back.
fn parcel(place: &Workplace) -> (Vec<String>, String) {
    let mut ids = Vec::new();
    for (at, actor, fields) in [
        ("2024-03-01T08:00:00Z", "Ama", &["at=Accra", "seal=7"][..]),
        ("2024-03-01T09:00:00Z", "Kofi", &["at=Kumasi"]),
        ("2024-03-01T10:00:00Z", "Kofi", &["at=Tema", "seal=9"]),
    ] {
        let arguments = [
            &["add", "--root", "shipment", "ASN-7", "Arrived", "--at", at, "--actor", actor][..],
            fields,
        ];
        ids.push(place.succeed(&arguments.concat()).trim().to_owned());
    }
    let said = place.summary(&["void", &ids[2], "--reason", "wrong parcel"]);
    let by = said["ids"][0].as_str().unwrap().to_owned();
    (ids, by)
}

#[test]
fn each_field_names_the_event_that_made_it_and_what_was_taken_back_is_named_apart() {
    let place = Workplace::new();
    let (ids, by) = parcel(&place);
    let shown = place.summary(&["show", "--root", "shipment", "ASN-7", "--explain"]);
    assert_eq!(shown["state"], json!({"at": "Kumasi", "seal": 7}));
    let made_by = |field: &Value| (field["path"].clone(), field["event"].clone());
    let fields: Vec<(Value, Value)> =
        shown["fields"].as_array().unwrap().iter().map(made_by).collect();
    assert_eq!(fields, [(json!(["at"]), json!(ids[1])), (json!(["seal"]), json!(ids[0]))]);
    assert_eq!(shown["fields"][0]["actor"], "Kofi");
    assert_eq!(shown["voided"][0]["id"], json!(ids[2]));
    assert_eq!(shown["voided"][0]["voided_by"], json!([by]));

    let table = place.succeed(&["show", "--root", "shipment", "ASN-7", "--explain", "--utc"]);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("field  value"), "{table}");
    assert!(lines[1].contains("\"Kumasi\"") && lines[1].ends_with(&ids[1]), "{table}");
    assert!(lines[2].contains("2024-03-01 08:00  Arrived  Ama"), "{table}");
    assert_eq!(lines[3], "taken back:");
    assert!(lines[4].contains(&ids[2]) && lines[4].ends_with(&by), "{table}");
}

#[test]
fn it_explains_the_state_of_the_times_that_are_asked_for() {
    let place = Workplace::new();
    let (ids, _) = parcel(&place);
    let until = ["--occurred-until", "2024-03-01T08:30:00Z"];
    let explain = ["show", "--root", "shipment", "ASN-7", "--explain"];
    let shown = place.summary(&[&explain[..], &until].concat());
    assert_eq!(shown["state"], json!({"at": "Accra", "seal": 7}));
    assert_eq!(shown["fields"][0]["event"], json!(ids[0]));
    assert_eq!(shown["voided"], json!([]));
}

#[test]
fn a_state_by_another_fold_is_not_explained() {
    let place = Workplace::new();
    parcel(&place);
    let ended =
        place.run(&["show", "--root", "shipment", "ASN-7", "--explain", "--fold", "latest"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("merge-patch"), "{}", ended.stderr);
}
