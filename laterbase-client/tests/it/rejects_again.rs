//! What `laterbase record --rejects` writes, put right where it was wrong and recorded again by the
//! same command.

use std::fs;

use serde_json::{Value, json};

use crate::command::Workplace;
use crate::spreadsheet::{self, Cell};

const FLAGS: [&str; 7] = [
    "record",
    "--root=asn",
    "--id-column=ASN",
    "--type-column=What",
    "--time-column=When",
    "--timezone=Europe/Berlin",
    "--time-format=%d.%m.%Y %H:%M",
];

/// A run by all of its arguments, which leaves so many events out.
#[track_caller]
fn reject(place: &Workplace, arguments: &[&str], count: u64) {
    let ended = place.run(&[arguments, &["--json"]].concat());
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    let summary: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(summary["rejected"], count, "{summary}");
}

fn text(place: &Workplace, name: &str) -> String {
    fs::read_to_string(place.path(name)).unwrap()
}

#[track_caller]
fn mend(place: &Workplace, name: &str, wrong: &str, right: &str) {
    let text = text(place, name);
    assert_eq!(text.matches(wrong).count(), 1, "{text}");
    fs::write(place.path(name), text.replace(wrong, right)).unwrap();
}

/// Every event, as id, time and data.
fn events(place: &Workplace) -> Vec<Value> {
    let log = place.succeed(&["log", "--root", "asn"]);
    let event = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        json!([event["aggregate_id"], event["occurred_at"], event["data"]])
    };
    log.lines().map(event).collect()
}

/// Records a table with one bad time, twice over rejected, and then put right. `first` is a line
/// before the names, if there is one.
#[track_caller]
fn check_table(ending: &str, delimiter: &str, first: &str, more: &[&str]) {
    let place = Workplace::new();
    let rows = [
        ["ASN", "What", "When", "Kg", "\"a,b;c\""],
        ["A-1", "Arrived", "01.03.2024 08:00", "1.5", "x"],
        ["A-2", "Arrived", "01.03. 09:00", "007", "\"y;\"\"z\"\"\""],
    ];
    let table = rows.map(|row| row.join(delimiter) + "\n").concat();
    let [name, bad, worse] = ["yard", "bad", "worse"].map(|name| format!("{name}.{ending}"));
    fs::write(place.path(&name), format!("{first}{table}")).unwrap();
    let command = [&FLAGS[..], more].concat();
    let names = ["rejected_row", "rejected_because", "ASN", "What", "When", "Kg", "a,b;c"];
    let names = names.map(|name| format!("\"{name}\"")).join(delimiter);
    for (name, rejects) in [(&name, &bad), (&bad, &worse)] {
        reject(&place, &[&command[..], &[name, "--rejects", rejects]].concat(), 1);
        let text = text(&place, rejects);
        assert!(text.starts_with(&format!("{first}{names}\n")), "{text}");
    }
    let when = |time: &str| format!("{delimiter}{time}{delimiter}");
    mend(&place, &worse, &when("01.03. 09:00"), &when("01.03.2024 09:00"));
    place.succeed(&[&command[..], &[&worse]].concat());
    let expected = [
        json!(["A-1", "2024-03-01T07:00:00Z", {"Kg": 1.5, "a,b;c": "x"}]),
        json!(["A-2", "2024-03-01T08:00:00Z", {"Kg": "007", "a,b;c": "y;\"z\""}]),
    ];
    assert_eq!(events(&place), expected, "{name}");
}

#[test]
fn tables_keep_what_stands_between_their_cells() {
    for delimiter in [",", ";", "|", "\t"] {
        check_table("csv", delimiter, "", &[]);
    }
    check_table("tsv", "\t", "", &[]);
    check_table("csv", "~", "", &["--delimiter=~"]);
    check_table("csv", "~", "sep=~\n", &[]);
}

/// A text of digits was a number afterwards, `true` a text, a long number one too, a date none, and
/// what had no value a text that was recorded.
#[test]
fn cells_of_a_spreadsheet_stay_what_they_are() {
    let (early, due) = (Cell::Date(45_352.0 + 8.0 / 24.0), Cell::Date(45_353.5));
    let header = ["ASN", "What", "When", "Code", "Kg", "Due", "Bay"].map(Cell::Text).to_vec();
    let row = |id, bay| {
        let (what, code, kg) = (Cell::Text("Arrived"), Cell::Text("12"), Cell::Number(1e18));
        vec![Cell::Text(id), what, early, code, kg, due, bay]
    };
    let rows = vec![header, row("A-1", Cell::Text("3")), row("A-2", Cell::Fault("#N/A"))];
    let place = Workplace::new();
    fs::write(place.path("yard.xlsx"), spreadsheet::xlsx(&[("Yard", &rows)])).unwrap();
    reject(&place, &[&FLAGS[..], &["yard.xlsx", "--rejects", "bad.csv"]].concat(), 1);
    reject(&place, &[&FLAGS[..], &["bad.csv", "--rejects", "worse.csv"]].concat(), 1);
    let names = "rejected_row,rejected_because,rejected_kinds,ASN,";
    assert!(text(&place, "worse.csv").starts_with(names), "{}", text(&place, "worse.csv"));
    mend(&place, "worse.csv", ",#N/A\n", ",7\n");
    place.succeed(&[&FLAGS[..], &["worse.csv"]].concat());
    let expected = |id, bay: Value| {
        let kg = 1_000_000_000_000_000_000_u64;
        let data = json!({"Code": "12", "Kg": kg, "Due": "2024-03-02T12:00:00", "Bay": bay});
        json!([id, "2024-03-01T07:00:00Z", data])
    };
    assert_eq!(events(&place), [expected("A-1", json!("3")), expected("A-2", json!(7))]);
}

#[test]
fn json_is_written_as_the_objects_that_it_was() {
    let place = Workplace::new();
    let lines = "{\"aggregate_id\":\"A\",\"type\":\"t\",\"data\":1}\nnot json\n{\"aggregate_id\":\"B\", \"data\":1.50}\n{\"aggregate_id\":\"C\",\"type\":\"t\"";
    fs::write(place.path("day.ndjson"), lines).unwrap();
    let record = |name, rejects| ["record", "--root=asn", name, "--rejects", rejects];
    reject(&place, &record("day.ndjson", "bad.ndjson"), 3);
    reject(&place, &record("bad.ndjson", "worse.ndjson"), 3);
    let worse = text(&place, "worse.ndjson");
    for (line, (number, end)) in worse.lines().zip([
        (1, ",\"rejected_text\":\"not json\"}"),
        (2, ",\"aggregate_id\":\"B\", \"data\":1.50}"),
        (3, ",\"aggregate_id\":\"C\",\"type\":\"t\""),
    ]) {
        assert!(
            line.starts_with(&format!("{{\"rejected_row\":{number},\"rejected_because\":")),
            "{line}"
        );
        assert!(line.ends_with(end) && line.matches("rejected_").count() <= 3, "{line}");
    }
    mend(
        &place,
        "worse.ndjson",
        "\"rejected_text\":\"not json\"",
        "\"aggregate_id\":\"D\",\"type\":\"t\",\"data\":2",
    );
    mend(&place, "worse.ndjson", "\"B\", ", "\"B\",\"type\":\"t\",");
    mend(&place, "worse.ndjson", "\"C\",\"type\":\"t\"", "\"C\",\"type\":\"t\",\"data\":3}");
    place.succeed(&["record", "--root=asn", "worse.ndjson"]);
    let found: Vec<Value> =
        events(&place).iter().map(|event| json!([event[0], event[2]])).collect();
    let expected = [json!(["A", 1]), json!(["D", 2]), json!(["B", 1.5]), json!(["C", 3])];
    assert_eq!(found, expected);
}

#[test]
fn elements_of_an_array_are_written_as_lines() {
    let place = Workplace::new();
    let array =
        json!([{"aggregate_id": "A", "type": "t", "data": 1}, {"aggregate_id": "B", "data": [2]}]);
    fs::write(place.path("day.json"), format!("{array:#}")).unwrap();
    reject(&place, &["record", "--root=asn", "day.json", "--rejects", "bad.json"], 1);
    mend(&place, "bad.json", "\"aggregate_id\"", "\"type\":\"t\",\"aggregate_id\"");
    place.succeed(&["record", "--root=asn", "bad.json"]);
    assert_eq!(events(&place)[1][2], json!([2]));
}

#[test]
fn rejects_that_the_command_would_not_read_are_refused() {
    let place = Workplace::new();
    fs::write(place.path("yard.csv"), "ASN,What,When\nA,t,soon\n").unwrap();
    fs::write(place.path("day.ndjson"), "no\n").unwrap();
    let complaint = place.fail(&[&FLAGS[..], &["yard.csv", "--rejects", "bad.ndjson"]].concat());
    assert!(complaint.contains("ends in .csv"), "{complaint}");
    let complaint = place.fail(&["record", "--root=asn", "day.ndjson", "--rejects", "bad.csv"]);
    assert!(complaint.contains("ends in .ndjson"), "{complaint}");
    assert!(!place.path("bad.ndjson").exists() && !place.path("bad.csv").exists());
    // Who does not want them may say so.
    reject(&place, &[&FLAGS[..], &["yard.csv", "--rejects", "/dev/null"]].concat(), 1);
}
