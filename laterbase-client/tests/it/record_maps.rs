//! `laterbase record --map` and `--guess`: which column is what, in a file.

use std::fs;

use serde_json::{Value, json};

use crate::command::{Ended, Workplace};

const YARD: &str = "\
Pos;Order No;Status;Scanned;Gross kg
1;O-7;Packed;13.03.2024 08:00;12,5
2;O-7;Sent;13.03.2024 09:30;
3;O-8;Packed;14.03.2024 07:15;3
4;O-9;Packed;14.03.2024 07:20;3
";

const MAP: &str = r#"
root = "order"
id-column = "Order No"
type-column = "Status"
time-column = "Scanned"
time-format = "%d.%m.%Y %H:%M"
timezone = "Europe/Berlin"
key-columns = ["Scanned"]
columns = ["Gross kg"]
"#;

fn yard() -> Workplace {
    let place = Workplace::new();
    fs::write(place.path("yard.csv"), YARD).unwrap();
    fs::write(place.path("yard.toml"), MAP).unwrap();
    place
}

fn first(place: &Workplace) -> Value {
    let log = place.succeed(&["log", "--root", "order"]);
    serde_json::from_str(log.lines().next().unwrap()).unwrap()
}

fn in_berlin(place: &Workplace, arguments: &[&str]) -> Ended {
    place.command(arguments).env("TZ", "Europe/Berlin").output().unwrap().into()
}

#[test]
fn a_mapping_file_says_what_flags_would() {
    let place = yard();
    let record = ["record", "--map", "yard.toml", "yard.csv"];
    assert_eq!(place.succeed(&record), "recorded 4 events\n");
    assert_eq!(place.succeed(&record), "recorded 0 events; 4 were there already\n");
    let event = first(&place);
    assert_eq!((&event["aggregate_id"], &event["type"]), (&json!("O-7"), &json!("Packed")));
    assert_eq!(event["occurred_at"], "2024-03-13T07:00:00Z");
    assert_eq!(event["data"], json!({"Gross kg": "12,5"}));
}

#[test]
fn flags_win_over_the_mapping_file() {
    let place = yard();
    let flags = ["--type", "Seen", "--columns", "Pos", "--timezone", "UTC", "yard.csv"];
    place.succeed(&[&["record", "--map", "yard.toml"], &flags[..]].concat());
    let event = first(&place);
    assert_eq!((&event["type"], &event["data"]), (&json!("Seen"), &json!({"Pos": 1})));
    assert_eq!(event["occurred_at"], "2024-03-13T08:00:00Z");
}

#[test]
fn a_mapping_file_with_a_fault_is_refused() {
    let place = yard();
    for (map, expected) in [
        ("id-colum = \"a\"", "id-colum"),
        ("root = \"a b\"", "bad.toml"),
        ("format = \"doc\"", "format"),
        ("type = \"a\"\ntype-column = \"b\"", "contradict"),
        ("id-column =", "bad.toml"),
    ] {
        fs::write(place.path("bad.toml"), map).unwrap();
        let complaint = place.fail(&["record", "--map", "bad.toml", "yard.csv"]);
        assert!(complaint.contains(expected), "{complaint}");
    }
    assert!(
        place.fail(&["record", "--map", "no.toml", "yard.csv"]).contains("cannot read no.toml")
    );
}

#[test]
fn a_guess_shows_three_rows_and_can_be_recorded_by() {
    let place = yard();
    let guess = ["record", "--guess", "--root", "order", "yard.csv"];
    let ended = in_berlin(&place, &guess);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for line in [
        "root = \"order\"",
        "# format = \"…\"",
        "id-column = \"Order No\"",
        "type-column = \"Status\"",
        "time-column = \"Scanned\"",
        "time-format = \"%d.%m.%Y %H:%M\"",
        "timezone = \"Europe/Berlin\"",
        "key-columns = [\"Scanned\"]",
    ] {
        assert!(ended.stdout.lines().any(|said| said == line), "{}", ended.stdout);
    }
    let shown: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(shown.len(), 3, "{}", ended.stderr);
    let event: Value = serde_json::from_str(shown[0].strip_prefix("laterbase: ").unwrap()).unwrap();
    assert_eq!((&event["aggregate_id"], &event["type"]), (&json!("O-7"), &json!("Packed")));
    assert_eq!(event["occurred_at"], "2024-03-13T07:00:00Z");
    assert_eq!(event["data"], json!({"Pos": 1, "Gross kg": "12,5"}));
    assert!(!place.path("laterbase-data").exists());
    fs::write(place.path("guessed.toml"), ended.stdout).unwrap();
    let record = ["record", "--map", "guessed.toml", "yard.csv"];
    assert_eq!(place.succeed(&record), "recorded 4 events\n");
    assert_eq!(first(&place)["occurred_at"], "2024-03-13T07:00:00Z");
}

#[test]
fn a_guess_does_not_write_over_a_mapping_file() {
    let place = yard();
    let guess = ["record", "--guess", "--map", "yard.toml", "yard.csv"];
    assert!(place.fail(&guess).contains("cannot make yard.toml"));
    assert_eq!(fs::read_to_string(place.path("yard.toml")).unwrap(), MAP);
    let ended = in_berlin(&place, &["record", "--guess", "--map", "new.toml", "yard.csv"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""));
    assert!(fs::read_to_string(place.path("new.toml")).unwrap().contains("# root = "));
    let flags = ["record", "--map", "new.toml", "--root", "order", "yard.csv"];
    assert_eq!(place.succeed(&flags), "recorded 4 events\n");
    let complaint = place.fail(&["record", "--guess", "day.ndjson"]);
    assert!(complaint.contains("for tables"), "{complaint}");
}

/// Flags were not heard, and a file was there before it was known to be of no use.
#[test]
fn a_guess_takes_what_is_said_and_writes_what_can_be_recorded_by() {
    let place = yard();
    let guess = ["record", "--guess", "--map", "new.toml", "yard.csv"];
    let complaint = place.fail(&[&guess[..], &["--id-column", "Ordr No"]].concat());
    assert!(complaint.contains("did you mean \"Order No\"?"), "{complaint}");
    assert!(!place.path("new.toml").exists());
    let said = ["--id-column=Pos", "--type=Seen", "--columns=Status", "--key-columns=Pos"];
    let said = [&said[..], &["--delimiter=;", "--timezone=UTC", "--root=order"]].concat();
    place.run(&[&guess[..], &said].concat());
    let map = fs::read_to_string(place.path("new.toml")).unwrap();
    for line in [
        "delimiter = \";\"",
        "id-column = \"Pos\"",
        "type = \"Seen\"",
        "time-format = \"%d.%m.%Y %H:%M\"",
        "timezone = \"UTC\"",
        "key-columns = [\"Pos\"]",
        "columns = [\"Status\"]",
    ] {
        assert!(map.lines().any(|said| said == line), "{map}");
    }
    place.succeed(&["record", "--map", "new.toml", "yard.csv"]);
    let event = first(&place);
    assert_eq!((&event["aggregate_id"], &event["type"]), (&json!("1"), &json!("Seen")));
    assert_eq!(event["data"], json!({"Status": "Packed"}));
}
