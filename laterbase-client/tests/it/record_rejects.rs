//! `laterbase record --rejects` and `--check`: what becomes of files in which something is wrong.

use std::fs;
use std::sync::Arc;

use laterbase_client::device::{Device, DeviceOptions};
use laterbase_client::handover::Listening;
use serde_json::{Value, json};

use crate::command::Workplace;

const COLUMNS: [&str; 8] = [
    "--root",
    "asn",
    "--id-column=ASN",
    "--type-column=What",
    "--time-column=When",
    "--timezone=UTC",
    "--key-columns=When",
    "yard.csv",
];

/// Rows of which every kind of fault is one: in a cell, in the row, by its bounds, in the store.
const YARD: &str = "\
ASN,What,When,Note
A-1,Arrived,2024-03-01 08:00,first
A-2,Arrived,soon,\"two
lines\"
,Arrived,2024-03-01 09:00,
A-3,Arrived,2024-03-01 10:00,,extra
A-4,Arrived,2224-03-01 10:00,planned
A-1,Arrived,2024-03-01 08:00,not the first
A-5,Arrived,2024-03-01 11:00,last
A-5,Arrived,2024-03-01 11:00,last
";

fn record(more: &[&'static str]) -> Vec<&'static str> {
    [&["record"], more, &COLUMNS].concat()
}

fn ids(place: &Workplace) -> Vec<String> {
    let log = place.succeed(&["log", "--root", "asn"]);
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["aggregate_id"].clone();
    log.lines().map(|line| id(line).as_str().unwrap().to_owned()).collect()
}

#[test]
fn good_rows_are_recorded_and_bad_ones_written_to_a_file() {
    let place = Workplace::new();
    fs::write(place.path("yard.csv"), YARD).unwrap();
    let ended = place.run(&record(&["--rejects", "bad.csv"]));
    let said = "recorded 2 events; 1 were there already; 5 cannot be recorded\n";
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (3, said, ""));
    assert_eq!(ids(&place), ["A-1", "A-5"]);
    let bad = fs::read_to_string(place.path("bad.csv")).unwrap();
    let (header, rows) = bad.split_once('\n').unwrap();
    assert_eq!(header, "rejected_row,rejected_because,ASN,What,When,Note");
    for row in [
        "3,\"When: \"\"soon\"\" is no time such as 2024-03-01 08:00; another form is said by --time-format\",A-2,Arrived,soon,\"two\nlines\"\n",
        "5,ASN: is empty,,Arrived,2024-03-01 09:00,\n",
        ",A-3,Arrived,2024-03-01 10:00,,extra\n",
        "7,When: lies in the future,A-4,Arrived,2224-03-01 10:00,planned\n",
        "8,\"this key was used before, for another event\",A-1,Arrived,2024-03-01 08:00,not the first\n",
    ] {
        assert!(rows.contains(row), "{bad}");
    }
}

#[test]
fn what_was_rejected_can_be_put_right_and_recorded() {
    let place = Workplace::new();
    fs::write(place.path("yard.csv"), YARD).unwrap();
    assert_eq!(place.run(&record(&["--rejects", "bad.csv"])).code, 3);
    let bad = fs::read_to_string(place.path("bad.csv")).unwrap();
    let right = bad.replace(",soon,", ",2024-03-01 12:00,").replace("2224", "2024");
    let right = right.replace(",,Arrived", ",A-9,Arrived").replace(",,extra", ",");
    fs::write(place.path("yard.csv"), right).unwrap();
    let ended = place.run(&record(&["--rejects", "still bad.ndjson", "--json"]));
    let summary: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(summary, json!({"recorded": 4, "replayed": 0, "rejected": 1}));
    let rejected = fs::read_to_string(place.path("still bad.ndjson")).unwrap();
    let rejected: Value = serde_json::from_str(&rejected).unwrap();
    assert!(rejected["reason"].as_str().unwrap().contains("key was used"), "{rejected}");
    assert_eq!(rejected["said"][2], "A-1");
    let log = place.succeed(&["log", "--root", "asn"]);
    assert!(!log.contains("rejected_"), "{log}");
}

#[test]
fn bad_lines_of_json_are_rejected_as_they_are() {
    let place = Workplace::new();
    let lines = "{\"aggregate_id\":\"A\",\"type\":\"t\",\"data\":1}\nnot json\n{\"aggregate_id\":\"B\"}\n{\"aggregate_id\":\"C\",\"type\":\"t\",\"data\":1}";
    fs::write(place.path("day.ndjson"), lines).unwrap();
    let command = ["record", "--root", "asn", "day.ndjson", "--rejects", "bad.ndjson"];
    assert_eq!(place.run(&command).code, 3);
    assert_eq!(ids(&place), ["A", "C"]);
    let bad = fs::read_to_string(place.path("bad.ndjson")).unwrap();
    let bad: Vec<Value> = bad.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&bad[0]["row"], &bad[0]["said"]), (&json!(2), &json!("not json")));
    assert_eq!(
        (&bad[1]["column"], &bad[1]["said"]),
        (&json!("type"), &json!("{\"aggregate_id\":\"B\"}"))
    );
    // And as a table, whose one column is the text.
    let command = ["record", "--root", "asn", "day.ndjson", "--rejects", "bad.csv"];
    assert_eq!(place.run(&command).code, 3);
    let bad = fs::read_to_string(place.path("bad.csv")).unwrap();
    assert!(bad.starts_with("rejected_row,rejected_because,event\n2,"), "{bad}");
}

#[test]
fn many_bad_rows_among_thousands_cost_only_themselves() {
    let place = Workplace::new();
    let row = |number: usize| match number % 100 {
        7 => format!("A-{number},Arrived,2224-03-01,\n"),
        8 => format!("A-{number},Arrived,,\n"),
        _ => format!("A-{number},Arrived,2024-03-01,\n"),
    };
    let rows: String = (0..2_500).map(row).collect();
    fs::write(place.path("yard.csv"), format!("ASN,What,When,Note\n{rows}")).unwrap();
    let ended = place.run(&record(&["--rejects", "bad.csv", "--json"]));
    let summary: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(summary, json!({"recorded": 2_450, "replayed": 0, "rejected": 50}));
    assert_eq!(place.event_count(), 2_450);
}

#[test]
fn the_file_itself_is_not_written_over() {
    let place = Workplace::new();
    fs::write(place.path("yard.csv"), YARD).unwrap();
    let complaint = place.fail(&record(&["--rejects", "./yard.csv"]));
    assert!(complaint.contains("would write over"), "{complaint}");
    assert_eq!(fs::read_to_string(place.path("yard.csv")).unwrap(), YARD);
    assert!(place.fail(&record(&["--rejects", "no/where"])).contains("cannot write no/where"));
}

#[test]
fn a_check_says_what_would_happen_and_stores_nothing() {
    let place = Workplace::new();
    fs::write(place.path("yard.csv"), YARD).unwrap();
    let check = record(&["--check"]);
    let said = "would record 2 events; 1 are there already; 5 cannot be recorded\n";
    let ended = place.run(&check);
    assert_eq!((ended.code, ended.stdout.as_str()), (3, said), "{}", ended.stderr);
    for expected in [
        "laterbase: yard.csv, line 3, column When: \"soon\" is no time",
        "laterbase: yard.csv, line 5, column ASN: is empty",
        "laterbase: yard.csv, line 7, column When: lies in the future",
        "laterbase: yard.csv, line 8: this key was used before",
    ] {
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    }
    assert!(!place.path("laterbase-data").exists());
    assert_eq!(place.run(&record(&["--rejects", "bad.csv"])).code, 3);
    let ended = place.run(&check);
    let said = "would record 0 events; 3 are there already; 5 cannot be recorded\n";
    assert_eq!((ended.code, ended.stdout.as_str(), place.event_count()), (3, said, 2));
}

/// Keys of earlier batches are known in a check too, which keeps no batch.
#[test]
fn a_check_knows_the_keys_of_rows_far_apart() {
    let place = Workplace::new();
    let rows: String = (0..2_400)
        .map(|number| format!("A-{},Arrived,2024-03-01,{}\n", number % 1_200, number / 2_399))
        .collect();
    fs::write(place.path("yard.csv"), format!("ASN,What,When,Note\n{rows}")).unwrap();
    let ended = place.run(&record(&["--check", "--json"]));
    let summary: Value = serde_json::from_str(&ended.stdout).unwrap();
    let expected = json!({"recorded": 1_200, "replayed": 1_199, "rejected": 1, "check": true});
    assert_eq!((ended.code, summary), (3, expected));
    assert!(ended.stderr.contains("line 2401: this key was used"), "{}", ended.stderr);
}

#[test]
fn a_check_beside_another_process_says_what_it_did_not_look_at() {
    let place = Workplace::new();
    fs::write(place.path("yard.csv"), "ASN,What,When\nA-1,Arrived,2024-03-01\n").unwrap();
    place.succeed(&record(&[]));
    let store = place.path("laterbase-data");
    let device = Arc::new(Device::open(&store, DeviceOptions::default()).unwrap());
    let listening = Listening::start(&store, Arc::clone(&device) as Arc<_>).unwrap();
    let ended = place.run(&record(&["--check"]));
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "would record 1 events\n"));
    assert!(ended.stderr.contains("is not looked up"), "{}", ended.stderr);
    // Rejects and replays are told by way of the other process as well.
    fs::write(place.path("yard.csv"), YARD).unwrap();
    let ended = place.run(&record(&["--rejects", "bad.csv"]));
    assert_eq!(ended.stdout, "recorded 2 events; 1 were there already; 5 cannot be recorded\n");
    listening.stop();
    Arc::into_inner(device).unwrap().close().unwrap();
}

/// A file that ends in a fault is recorded up to the batch before it; the rest comes by a second
/// run, and nothing doubles.
#[test]
fn a_run_that_failed_halfway_goes_on_where_it_was() {
    let place = Workplace::new();
    let rows: String =
        (0..2_500).map(|number| format!("A-{number},Arrived,2024-03-01,\n")).collect();
    let header = "ASN,What,When,Note\n";
    fs::write(place.path("yard.csv"), format!("{header}{rows}A,Arrived,soon,\n")).unwrap();
    let complaint = place.fail(&record(&[]));
    assert!(complaint.contains("stored 2000 events"), "{complaint}");
    fs::write(place.path("yard.csv"), format!("{header}{rows}")).unwrap();
    let said = place.succeed(&record(&[]));
    assert_eq!(said, "recorded 500 events; 2000 were there already\n");
}
