//! A first hour with the command: lists that other people keep, as they are.

use std::fs;

use serde_json::{Value, json};

use crate::command::{Ended, Workplace};
use crate::depot::{Listening, server};
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

/// A yard with its lists.
fn yard() -> Workplace {
    let place = Workplace::new();
    fs::write(place.path("gate.csv"), GATE).unwrap();
    fs::write(place.path("weights.xlsx"), office()).unwrap();
    fs::write(place.path("lists.toml"), COLUMNS).unwrap();
    place
}

/// Everything, as the office sees it.
fn list(place: &Workplace) -> Vec<(String, Value)> {
    let listed = place.succeed(&["list", "--root", "container", "--json"]);
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        (row["id"].as_str().unwrap().to_owned(), row["state"].clone())
    };
    listed.lines().map(row).collect()
}

#[test]
fn a_yard_s_lists_are_the_office_s_answer_an_hour_later() {
    let listening = Listening::start(server());
    let (yard, office) = (yard(), Workplace::new());
    yard.succeed(&["init", "--server", &listening.url(), "--root", "container", "--actor", "Ama"]);
    assert_eq!(run(&yard, "record --map lists.toml weights.xlsx").0, 0);
    assert_eq!(run(&yard, "record --map lists.toml gate.csv --rejects wrong.csv").0, 3);
    let before = list(&yard);
    assert_eq!(before.len(), 2);
    assert_eq!(before[0], ("MSCU 123456-7".to_owned(), json!({"Gate": "04", "Kg": 18_250})));

    // One scan was of another container. Where it was thought to be then is not forgotten.
    let id = run(&yard, "add --root container TGHU-1 Sealed seal=00471").1;
    let known = yard.summary(&["show", "--root", "container", "TGHU-1"]);
    yard.succeed(&["void", id.trim(), "--reason", "another container"]);
    assert_eq!(list(&yard)[1], ("TGHU 765432-1".to_owned(), before[1].1.clone()));
    assert_eq!(run(&yard, "show --root container TGHU-1").1, "{}\n");
    let event = yard.succeed(&["log", "--root", "container", "--aggregate", "TGHU-1"]);
    let event: Value = serde_json::from_str(event.lines().next().unwrap()).unwrap();
    let at = event["recorded_at"].as_str().unwrap();
    let then = yard.summary(&["show", "--root", "container", "TGHU-1", "--recorded-until", at]);
    assert_eq!((&then["state"], &then["etag"]), (&known["state"], &known["etag"]));
    // What had happened by the evening of the first day.
    let evening = "show --root container TGHU^765432-1 --occurred-until 2024-03-01T10:00:00Z";
    let arguments: Vec<String> = evening.split(' ').map(|word| word.replace('^', " ")).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(yard.succeed(&arguments), "{\"Gate\":\"03\"}\n");

    assert_eq!(yard.summary(&["sync"])["pushed"], 7);
    office.succeed(&["sync", "--server", &listening.url()]);
    assert_eq!((list(&office), events(&office)), (list(&yard), events(&yard)));
    // The same lists again, on both sides of the link.
    for (list, count) in [("weights.xlsx", 2), ("gate.csv --rejects wrong.csv", 5)] {
        let said = run(&yard, &format!("record --map lists.toml {list}")).1;
        let none = format!("recorded 0 events; {count} were there already");
        assert!(said.contains(&none), "{said}");
    }
    let again = yard.summary(&["sync"]);
    assert_eq!(
        (&again["pushed"], &again["pulled"], &again["requests"]),
        (&json!(0), &json!(0), &json!(1))
    );
}

#[test]
fn two_lists_become_events_once() {
    let place = yard();
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
