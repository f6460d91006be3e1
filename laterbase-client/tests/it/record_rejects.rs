//! `laterbase record --rejects`: what becomes of files in which something is wrong.

use std::fs;

use serde_json::{Value, json};

use crate::command::Workplace;

pub(crate) const COLUMNS: [&str; 8] = [
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
pub(crate) const YARD: &str = "\
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

pub(crate) fn record(more: &[&'static str]) -> Vec<&'static str> {
    [&["record"], more, &COLUMNS].concat()
}

fn ids(place: &Workplace) -> Vec<String> {
    let log = place.succeed(&["log", "--root", "asn"]);
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["aggregate_id"].clone();
    log.lines().map(|line| id(line).as_str().unwrap().to_owned()).collect()
}

/// What somebody was mending was emptied by the next run of the same command, also by one that
/// recorded nothing.
#[test]
fn a_file_of_rejects_stays_until_there_is_something_to_write() {
    let place = Workplace::new();
    place.write("yard.csv", &[YARD.to_owned()]);
    assert_eq!(place.run(&record(&["--rejects", "bad.csv"])).code, 3);
    let bad = fs::read(place.path("bad.csv")).unwrap();
    let good = "ASN,What,When\nA-1,Arrived,2024-03-01 08:30\n";
    for (yard, code) in [(good, 0), ("ASN,What,When,\u{e9}\n", 0)] {
        fs::write(place.path("yard.csv"), yard).unwrap();
        assert_eq!(place.run(&record(&["--rejects", "bad.csv"])).code, code);
        assert_eq!(fs::read(place.path("bad.csv")).unwrap(), bad);
    }
    fs::write(place.path("yard.csv"), b"ASN,What,When,\xe9\nA-1,Arrived,2024-03-01 08:30,x\n")
        .unwrap();
    assert_eq!(place.run(&record(&["--rejects", "bad.csv"])).code, 1);
    assert_eq!(fs::read(place.path("bad.csv")).unwrap(), bad);
    fs::write(place.path("yard.csv"), "ASN,What,When\n,Arrived,2024-03-01 08:30\n").unwrap();
    assert_eq!(place.run(&record(&["--rejects", "bad.csv"])).code, 3);
    assert_eq!(fs::read_to_string(place.path("bad.csv")).unwrap().lines().count(), 2);
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
        "8,\"this key was used before, for another event of the same input\",A-1,Arrived,2024-03-01 08:00,not the first\n",
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
    let ended = place.run(&record(&["--rejects", "still bad.csv", "--json"]));
    let summary: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(summary, json!({"recorded": 4, "replayed": 0, "rejected": 1}));
    let rejected = fs::read_to_string(place.path("still bad.csv")).unwrap();
    assert!(rejected.contains("key was used before, for another event: asn:"), "{rejected}");
    assert!(rejected.contains(" of A-1\",A-1,Arrived"), "{rejected}");
    let log = place.succeed(&["log", "--root", "asn"]);
    assert!(!log.contains("rejected_"), "{log}");
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
    assert!(place.fail(&record(&["--rejects", "no/where.csv"])).contains("cannot write no/where"));
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

/// All rows were the first line, and so the good ones went with a bad one.
#[test]
fn a_bad_row_takes_no_good_one_with_it_whatever_ends_the_rows() {
    let place = Workplace::new();
    let rows = "ASN,What,When,Note\rA-1,Arrived,2024-03-01,\rA-2,Arrived,2224-03-01,\rA-3,Arrived,2024-03-02,\r";
    fs::write(place.path("yard.csv"), rows).unwrap();
    let ended = place.run(&record(&["--rejects", "bad.csv"]));
    assert_eq!((ended.code, ids(&place)), (3, vec!["A-1".to_owned(), "A-3".to_owned()]));
    let bad = fs::read_to_string(place.path("bad.csv")).unwrap();
    assert!(bad.contains("\n3,When: lies in the future,A-2,Arrived,2224-03-01,\n"), "{bad}");
}

/// Its cells were cut off where they were no text, and the rest of the row was lost.
#[test]
fn a_row_that_is_no_text_is_rejected_whole() {
    let place = Workplace::new();
    let rows = b"ASN,What,When,Note\nA-1,Arriv\xe9,2024-03-01,caf\xe9\nA-2,Arrived,2024-03-01,\n";
    fs::write(place.path("yard.csv"), rows).unwrap();
    assert_eq!(place.run(&record(&["--rejects", "bad.csv"])).code, 3);
    let bad = fs::read(place.path("bad.csv")).unwrap();
    let row = b",A-1,Arriv\xe9,2024-03-01,caf\xe9\n";
    assert!(bad.ends_with(row), "{}", String::from_utf8_lossy(&bad));
    // Nobody has put it right, so it is rejected again, and as it was.
    fs::rename(place.path("bad.csv"), place.path("yard.csv")).unwrap();
    assert_eq!(place.run(&record(&["--rejects", "bad.csv"])).code, 3);
    assert!(fs::read(place.path("bad.csv")).unwrap().ends_with(row));
    assert_eq!(ids(&place), ["A-2"]);
}

/// The next row was taken for the names then.
#[test]
fn a_table_whose_names_are_no_text_is_refused() {
    let place = Workplace::new();
    let rows = b"ASN,What,When,Caf\xe9\nASN,What,When,x\nA-2,Arrived,2024-03-01,\n";
    fs::write(place.path("yard.csv"), rows).unwrap();
    let complaint = place.fail(&record(&["--rejects", "bad.csv"]));
    assert!(complaint.contains("yard.csv, line 1: cell 4 is not UTF-8"), "{complaint}");
    assert!(!place.path("laterbase-data").exists());
}

#[cfg(unix)]
#[test]
fn no_other_name_of_what_is_read_is_written_over() {
    let place = Workplace::new();
    fs::write(place.path("yard.csv"), YARD).unwrap();
    fs::write(place.path("map.toml"), "").unwrap();
    for (read, other) in [("yard.csv", "same.csv"), ("map.toml", "map.csv")] {
        fs::hard_link(place.path(read), place.path(other)).unwrap();
        let complaint = place.fail(&record(&["--map", "map.toml", "--rejects", other]));
        assert!(complaint.contains("would write over"), "{complaint}");
    }
    let mut command = place.command(&record(&["--format", "csv", "--rejects", "same.csv"])[..12]);
    command.arg("-").stdin(fs::File::open(place.path("yard.csv")).unwrap());
    let ended: crate::command::Ended = command.output().unwrap().into();
    assert!(ended.stderr.contains("would write over"), "{}", ended.stderr);
    assert_eq!(fs::read_to_string(place.path("yard.csv")).unwrap(), YARD);
    // A second run writes over the rejects of the first.
    for _ in 0..2 {
        assert_eq!(place.run(&record(&["--map", "map.toml", "--rejects", "bad.csv"])).code, 3);
    }
}

#[test]
fn who_records_is_in_the_metadata_of_every_row() {
    let place = Workplace::new();
    let actors = || -> Vec<Value> {
        let log = place.succeed(&["log", "--root", "asn"]);
        let metadata = |line| serde_json::from_str::<Value>(line).unwrap()["metadata"].clone();
        log.lines().map(metadata).collect()
    };
    let row = |id: &str| format!("ASN,What,When\n{id},Arrived,2024-03-01\n");
    fs::write(place.path("yard.csv"), row("A-1")).unwrap();
    place.succeed(&record(&[]));
    place.succeed(&["init", "--actor", "ama"]);
    fs::write(place.path("yard.csv"), row("A-2")).unwrap();
    place.succeed(&record(&[]));
    fs::write(place.path("yard.csv"), row("A-3")).unwrap();
    place.succeed(&record(&["--actor", "kofi"]));
    assert_eq!(actors(), [Value::Null, json!({"actor": "ama"}), json!({"actor": "kofi"})]);
    // Who records a list again need not be who did so first.
    let again = "ASN,What,When\nA-1,Arrived,2024-03-01\nA-2,Arrived,2024-03-01\n";
    fs::write(place.path("yard.csv"), again).unwrap();
    for more in [&["--check"][..], &["--actor", "kofi"], &[]] {
        let ended = place.run(&record(more));
        assert!(ended.code == 0 && ended.stdout.contains(" 0 events; 2 "), "{}", ended.stderr);
    }
    // But what a row says is what it said.
    fs::write(
        place.path("yard.csv"),
        again.replace("When\n", "When,Note\n").replace("2024-03-01\nA-2", "2024-03-01,other\nA-2"),
    )
    .unwrap();
    let complaint = place.fail(&record(&[]));
    assert!(complaint.contains("line 2: this key was used before"), "{complaint}");
    let long = "x".repeat(2_000);
    let ended = place.run(&["record", "--root", "asn", "--actor", &long, "yard.csv"]);
    assert!(ended.stderr.contains("--actor"), "{}", ended.stderr);
}
