//! A first hour with the command: lists that other people keep, as they are.

use std::fs;

use serde_json::Value;

use crate::command::{Ended, Workplace};
use crate::spreadsheet::{self, Cell};

/// What a gate writes by hand: two scans twice, a time that was twice, a time that is none, and a
/// row without a container.
const GATE: &str = "\u{feff}Container;Event;Time;Gate\r
MSCU 123456-7;Gate in;2024-03-01 08:00;03\r
MSCU 123456-7;Gate in;2024-03-01 08:00;03\r
TGHU 765432-1;Gate in;2024-03-01 08:12;03\r
;Gate in;2024-03-01 08:20;03\r
TGHU 765432-1;Gate out;2024-10-27 02:30;04\r
MSCU 123456-7;Gate out;half past nine;\"04, by hand\"\r
MSCU 123456-7;Gate out;2024-03-02 09:30;04\r
MSCU 123456-7;Gate out;2024-03-02 09:30;04\r
";

/// What the office keeps in Excel. 45352 is 1 March 2024.
fn office() -> Vec<u8> {
    let header = ["Container", "Event", "Time", "Kg"].map(Cell::Text).to_vec();
    let (weighed, first) = (Cell::Text("Weighed"), Cell::Text("MSCU 123456-7"));
    let rows = vec![
        header,
        vec![first, weighed, Cell::Date(45_352.375), Cell::Number(18_250.0)],
        vec![Cell::Text("TGHU 765432-1"), weighed, Cell::Date(45_352.5), Cell::Number(9_870.5)],
    ];
    spreadsheet::xlsx(&[("Weights", &rows)])
}

/// Everybody's lists have the same columns here.
const COLUMNS: &str = "root = \"container\"\nid-column = \"Container\"\ntype-column = \"Event\"\n\
                       time-column = \"Time\"\ntimezone = \"Europe/Berlin\"\nkey-columns = [\"Time\"]\n";

/// Runs a command as it stands in a shell, and gives its status and what it said.
fn run(place: &Workplace, line: &str) -> (i32, String) {
    let arguments: Vec<&str> = line.split(' ').collect();
    let Ended { code, stdout, stderr } = place.run(&arguments);
    (code, stdout + &stderr)
}

/// Every event: container, type and time.
fn events(place: &Workplace) -> Vec<String> {
    let log = place.succeed(&["log", "--root", "container"]);
    let event = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        ["aggregate_id", "type", "occurred_at"]
            .map(|field| event[field].as_str().unwrap().to_owned())
    };
    let mut events: Vec<String> = log.lines().map(|line| event(line).join(" ")).collect();
    events.sort();
    events
}

#[test]
fn two_lists_become_events_once() {
    let place = Workplace::new();
    fs::write(place.path("gate.csv"), GATE).unwrap();
    fs::write(place.path("weights.xlsx"), office()).unwrap();
    fs::write(place.path("lists.toml"), COLUMNS).unwrap();
    let ran = run(&place, "record --map lists.toml weights.xlsx");
    assert_eq!(ran, (0, "recorded 2 events\n".to_owned()));
    let (code, said) = run(&place, "record --map lists.toml gate.csv");
    assert!(code == 1 && said.contains("gate.csv, line 5, column Container: is empty"), "{said}");
    let said = "recorded 3 events; 2 were there already; 3 cannot be recorded\n";
    let ran = run(&place, "record --map lists.toml gate.csv --rejects wrong.csv");
    assert_eq!(ran, (3, said.to_owned()));
    let expected = [
        "MSCU 123456-7 Gate in 2024-03-01T07:00:00Z",
        "MSCU 123456-7 Gate out 2024-03-02T08:30:00Z",
        "MSCU 123456-7 Weighed 2024-03-01T08:00:00Z",
        "TGHU 765432-1 Gate in 2024-03-01T07:12:00Z",
        "TGHU 765432-1 Weighed 2024-03-01T11:00:00Z",
    ];
    assert_eq!(events(&place), expected);

    // Again, as nobody remembers what was recorded.
    let ran = run(&place, "record --map lists.toml weights.xlsx");
    assert_eq!(ran, (0, "recorded 0 events; 2 were there already\n".to_owned()));
    let said = "recorded 0 events; 5 were there already; 3 cannot be recorded\n";
    let ran = run(&place, "record --map lists.toml gate.csv --rejects wrong.csv");
    assert_eq!((ran, events(&place).len()), ((3, said.to_owned()), 5));

    // What was wrong is put right in the file that it was written to.
    let wrong = fs::read_to_string(place.path("wrong.csv")).unwrap();
    assert_eq!(wrong.lines().count(), 4, "{wrong}");
    assert!(wrong.contains("7;\"Time: \"\"half past nine\"\" is no time"), "{wrong}");
    assert!(wrong.contains("2024-10-27T02:30:00+02:00"), "{wrong}");
    let right = wrong
        .replace(";;Gate in", ";OOLU 111111-0;Gate in")
        .replace(";half past nine;", ";2024-03-02 09:45;")
        .replace(";2024-10-27 02:30;", ";2024-10-27T02:30:00+01:00;");
    fs::write(place.path("right.csv"), right).unwrap();
    let ran = run(&place, "record --map lists.toml right.csv");
    assert_eq!(ran, (0, "recorded 3 events\n".to_owned()));
    let (code, id) = run(&place, "add --root container OOLU-2 Sealed seal=00471 kg=12");
    assert!(code == 0 && id.starts_with("container:"), "{id}");
    assert_eq!(events(&place).len(), 9);
    let state = place.succeed(&["show", "--root", "container", "TGHU 765432-1"]);
    assert_eq!(state, "{\"Gate\":\"04\",\"Kg\":9870.5}\n");
}
