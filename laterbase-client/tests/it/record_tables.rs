//! `laterbase record` of tables, spreadsheets, JSON arrays and texts in UTF-16.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::command::Workplace;
use crate::spreadsheet::{self, Cell};

/// What a yard's list looks like.
const YARD: &str = "\
ASN;What;When;Gross kg;Dock\r
A-7;Arrived;2024-03-01 08:00;1250.5;007\r
A-7;Unloaded;2024-03-01 09:30;;007\r
A-8;Arrived;2024-03-01 10:15;980;\"12\r
north\"\r
";

const YARD_FLAGS: [&str; 10] = [
    "record",
    "--root",
    "asn",
    "--id-column=ASN",
    "--type-column=What",
    "--time-column=When",
    "--timezone=Europe/Berlin",
    "--key-columns",
    "When,Dock",
    "--",
];

/// Every event, as id, type, time and data.
fn events(place: &Workplace) -> Vec<Value> {
    let log = place.succeed(&["log", "--root", "asn"]);
    let event = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        json!([event["aggregate_id"], event["type"], event["occurred_at"], event["data"]])
    };
    log.lines().map(event).collect()
}

fn yard_events() -> Vec<Value> {
    vec![
        json!(["A-7", "Arrived", "2024-03-01T07:00:00Z", {"Gross kg": 1250.5, "Dock": "007"}]),
        json!(["A-7", "Unloaded", "2024-03-01T08:30:00Z", {"Dock": "007"}]),
        json!(["A-8", "Arrived", "2024-03-01T09:15:00Z", {"Gross kg": 980, "Dock": "12\r\nnorth"}]),
    ]
}

fn put(place: &Workplace, name: &str, bytes: impl AsRef<[u8]>) {
    fs::write(place.path(name), bytes).unwrap();
}

fn utf16(text: &str, bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(bytes_of).collect()
}

/// Records a CSV that has a bad row and looks at what is said of it.
#[track_caller]
fn check_bad(name: &str, text: &str, more: &[&str], expected: &[&str]) {
    let place = Workplace::new();
    put(&place, name, text);
    let complaint = place.fail(&[&["record", "--root", "asn", name], more].concat());
    for expected in expected {
        assert!(complaint.contains(expected), "{complaint}");
    }
    assert!(!place.path("laterbase-data").exists());
}

#[test]
fn a_csv_is_recorded_by_its_columns() {
    let place = Workplace::new();
    put(&place, "yard.csv", YARD);
    let said = place.succeed(&[&YARD_FLAGS[..], &["yard.csv"]].concat());
    assert_eq!(said, "recorded 3 events\n");
    assert_eq!(events(&place), yard_events());
    let log = place.succeed(&["log", "--root", "asn"]);
    assert!(log.lines().all(|line| line.contains("\"occurred_offset\":\"+01:00\"")), "{log}");
}

#[test]
fn a_file_that_is_recorded_twice_is_stored_once() {
    let place = Workplace::new();
    put(&place, "yard.csv", YARD);
    let record = [&YARD_FLAGS[..9], &["yard.csv"]].concat();
    assert_eq!(place.summary(&record), json!({"recorded": 3, "replayed": 0}));
    assert_eq!(place.succeed(&record), "recorded 0 events; 3 were there already\n");
    // With a row more, and one that is there twice.
    let row = "A-9;Arrived;2024-03-01 11:00;1;1\r\n";
    put(&place, "yard.csv", format!("{YARD}{row}{row}"));
    assert_eq!(place.summary(&record), json!({"recorded": 1, "replayed": 4}));
    assert_eq!(place.event_count(), 4);
}

#[test]
fn text_in_utf16_or_behind_a_mark_is_read() {
    for bytes in [
        utf16(YARD, u16::to_le_bytes),
        utf16(YARD, u16::to_be_bytes),
        format!("\u{feff}{YARD}").into_bytes(),
    ] {
        let place = Workplace::new();
        put(&place, "yard.csv", bytes);
        place.succeed(&[&YARD_FLAGS[..], &["yard.csv"]].concat());
        assert_eq!(events(&place), yard_events());
    }
    let place = Workplace::new();
    let lines = "{\"aggregate_id\":\"A\",\"type\":\"t\",\"data\":\"ü\"}\r\n".repeat(2);
    put(&place, "day.ndjson", utf16(&lines, u16::to_le_bytes));
    assert_eq!(place.summary(&["record", "--root", "asn", "day.ndjson"])["recorded"], 2);
    assert_eq!(events(&place)[1][3], json!("ü"));
}

#[test]
fn a_tsv_and_other_delimiters_are_read() {
    for (name, delimiter, more) in
        [("a.tsv", '\t', None), ("a.csv", '|', None), ("a.txt", '~', Some("--delimiter=~"))]
    {
        let place = Workplace::new();
        let text =
            "aggregate_id,type,note\nA-1,Seen,\"x;y;z;\"\n".replace(',', &delimiter.to_string());
        put(&place, name, text);
        let mut record = vec!["record", "--root", "asn", name];
        record.extend(more);
        record.extend(more.map(|_| "--format=csv"));
        place.succeed(&record);
        assert_eq!(events(&place)[0][3], json!({"note": "x;y;z;"}), "{name}");
    }
}

#[test]
fn a_json_array_is_recorded_in_one_or_many_lines() {
    let event = |id: &str| json!({"aggregate_id": id, "type": "t", "data": {"a": [1, "]"]}});
    let array = json!([event("A"), event("B"), event("C")]);
    for text in [array.to_string(), format!("{array:#}\n")] {
        let place = Workplace::new();
        put(&place, "day.json", text);
        assert_eq!(place.succeed(&["record", "--root", "asn", "day.json"]), "recorded 3 events\n");
        assert_eq!(events(&place)[2][0], "C");
    }
    let bad = json!([event("A"), {"aggregate_id": "B", "type": "t"}]).to_string();
    check_bad("day.json", &bad, &[], &["day.json, event 2, field data: "]);
    check_bad("day.json", "[{", &[], &["day.json, event 1: the array does not end"]);
}

#[test]
fn a_bad_row_is_named_with_its_line_its_column_and_its_value() {
    let flags = ["--id-column", "ASN", "--type", "Seen", "--time-column", "When"];
    let check = |rows: &str, expected: &[&str]| {
        check_bad("yard.csv", &format!("ASN,When,Note\n{rows}"), &flags, expected);
    };
    check(
        "A,2024-03-01,\n\n\"A\nB\",soon,\n",
        &["yard.csv, line 4, column When: \"soon\" is no time"],
    );
    check("A,2024-03-01,\n,2024-03-01,\n", &["line 3, column ASN: is empty"]);
    check("A,2024-03-01,x,y\n", &["line 2: cell 4 holds \"y\""]);
    check("A,2224-03-01,\n", &["line 2, column When: lies in the future"]);
    check(&format!("{},2024-03-01,\n", "A".repeat(256)), &["line 2, column ASN: "]);
    check("A,2024-03-01,\"x\n", &["line 2: a quote"]);
    let zone = ["--timezone", "Europe/Berlin"];
    let rows = "ASN,When\nA,2024-10-27 02:30\n";
    let both = ["2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00", "line 2, column When"];
    check_bad("yard.csv", rows, &[&flags[..], &zone].concat(), &both);
}

#[test]
fn columns_that_are_not_there_are_said_with_the_nearest() {
    let text = "ASN no,What,ASN no\nA,t,\n";
    check_bad("yard.csv", text, &[], &["yard.csv: ", "--id-column", "\"ASN no\", \"What\""]);
    let flags = ["--id-column", "ASN nr", "--type-column", "What"];
    check_bad("yard.csv", text, &flags, &["no column \"ASN nr\"; did you mean \"ASN no\"?"]);
    let flags = ["--id-column", "ASN no", "--type-column", "What"];
    check_bad("yard.csv", text, &flags, &["columns 1 and 3 are both named \"ASN no\""]);
}

#[test]
fn flags_of_tables_are_for_tables() {
    check_bad("day.ndjson", "", &["--id-column", "A"], &["--id-column is for tables"]);
    check_bad("a.csv", "a\n", &["--delimiter", "é"], &["cannot stand between cells"]);
    check_bad("a.csv", "a\n", &["--timezone", "Europe/Berlni"], &["no time zone"]);
    let place = Workplace::new();
    put(&place, "a.csv", "aggregate_id,type\nA,t\n");
    assert!(place.fail(&["record", "a.csv"]).contains("--root is missing"));
    let complaint = place.fail(&["record", "--root", "asn", "--format=xlsx"]);
    assert!(complaint.contains("is read from a file"), "{complaint}");
}

/// A workbook of a yard: 45352 is 1 March 2024.
fn workbook() -> Vec<u8> {
    let header = ["ASN", "What", "When", "Kg", "Dock", "Due"].map(Cell::Text).to_vec();
    let due = Cell::Date(45_353.5);
    let (arrived, dock) = (Cell::Text("Arrived"), Cell::Text("007"));
    let early = Cell::Date(45_352.0 + 8.0 / 24.0);
    let rows = vec![
        vec![],
        header,
        vec![Cell::Number(7.0), arrived, early, Cell::Number(12.5), dock, due],
        vec![Cell::Text("A-8"), arrived, Cell::Text("2024-03-01 09:00"), Cell::Number(1e6)],
        vec![Cell::Empty, Cell::Text(" ")],
        vec![Cell::Text("A-9"), arrived, early],
    ];
    spreadsheet::xlsx(&[("Yard", &rows)])
}

#[test]
fn a_spreadsheet_is_recorded_with_its_dates() {
    let place = Workplace::new();
    put(&place, "yard.xlsx", workbook());
    let record = [&YARD_FLAGS[..], &["yard.xlsx"]].concat();
    assert_eq!(place.succeed(&record), "recorded 3 events\n");
    let early = "2024-03-01T07:00:00Z";
    let data = json!({"Kg": 12.5, "Dock": "007", "Due": "2024-03-02T12:00:00"});
    assert_eq!(events(&place)[0], json!(["7", "Arrived", early, data]));
    assert_eq!(events(&place)[1][3], json!({"Kg": 1_000_000}));
    assert_eq!(events(&place)[2], json!(["A-9", "Arrived", early, {}]));
    assert_eq!(place.succeed(&record), "recorded 0 events; 3 were there already\n");
    // A form of texts is not that of dates.
    let place = Workplace::new();
    put(&place, "yard.xlsx", workbook());
    let record = [&["record", "--time-format", "%Y-%m-%d %H:%M"], &YARD_FLAGS[1..], &["yard.xlsx"]];
    assert_eq!(place.succeed(&record.concat()), "recorded 3 events\n");
}

#[test]
fn a_bad_row_of_a_spreadsheet_is_named() {
    let header = vec![Cell::Text("aggregate_id"), Cell::Text("type"), Cell::Text("Kg")];
    let bad = vec![Cell::Text("A"), Cell::Text("t"), Cell::Fault("#N/A")];
    let place = Workplace::new();
    put(&place, "yard.xlsx", spreadsheet::xlsx(&[("Yard", &[header.clone(), vec![], bad])]));
    let complaint = place.fail(&["record", "--root", "asn", "yard.xlsx"]);
    assert!(complaint.contains("yard.xlsx, row 3, column Kg: holds #N/A"), "{complaint}");
    let rows = [header];
    let sheets = spreadsheet::xlsx(&[("March", &rows), ("April", &rows)]);
    put(&place, "yard.xlsx", sheets);
    let record = ["record", "--root", "asn", "yard.xlsx"];
    let complaint = place.fail(&record);
    assert!(complaint.contains("--sheet: \"March\", \"April\""), "{complaint}");
    assert_eq!(place.succeed(&[&record[..], &["--sheet=April"]].concat()), "recorded 0 events\n");
    let complaint = place.fail(&[&record[..], &["--sheet=May"]].concat());
    assert!(complaint.contains("no sheet \"May\""), "{complaint}");
}

#[test]
fn an_open_document_spreadsheet_is_recorded() {
    let text = |text: &str| {
        format!(
            r#"<table:table-cell office:value-type="string"><text:p>{text}</text:p></table:table-cell>"#
        )
    };
    let row = |cells: &[String]| format!("<table:table-row>{}</table:table-row>", cells.concat());
    let date = r#"<table:table-cell office:value-type="date" office:date-value="2024-03-01T08:00:00"><text:p>1.3.</text:p></table:table-cell>"#;
    let number = r#"<table:table-cell office:value-type="float" office:value="12"><text:p>12</text:p></table:table-cell>"#;
    let empty = r#"<table:table-row table:number-rows-repeated="1048570"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>"#;
    let header = ["ASN", "What", "When", "Kg", "Dock"].map(text);
    let first = [text("A-7"), text("Arrived"), date.to_owned(), number.to_owned(), text("007")];
    let place = Workplace::new();
    let rows = format!("{}{}{empty}", row(&header), row(&first));
    put(&place, "yard.ods", spreadsheet::ods("Yard", &rows));
    place.succeed(&[&YARD_FLAGS[..], &["yard.ods"]].concat());
    let data = json!({"Kg": 12, "Dock": "007"});
    assert_eq!(events(&place), [json!(["A-7", "Arrived", "2024-03-01T07:00:00Z", data])]);
}

#[test]
fn a_file_that_is_not_what_its_ending_says_is_refused() {
    let place = Workplace::new();
    let (old, text) = (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(), b"a,b\n".to_vec());
    for (name, bytes, expected) in [
        ("a.csv", workbook(), "say --format xlsx"),
        ("a.ndjson", workbook(), "say --format xlsx"),
        ("a.xls", old.clone(), "save it as .xlsx"),
        ("a.xlsx", old, "save it as .xlsx"),
        ("a.xlsx", text, "say --format csv"),
        ("a.xlsx", workbook()[..600].to_vec(), "a.xlsx"),
        ("a.ods", workbook(), "a.ods"),
    ] {
        put(&place, name, bytes);
        let complaint = place.fail(&["record", "--root", "asn", name]);
        assert!(complaint.contains(expected) && !complaint.contains("panicked"), "{complaint}");
    }
    put(&place, "a.csv", workbook());
    place.succeed(&[&YARD_FLAGS[..9], &["--format=xlsx", "a.csv"]].concat());
}

#[test]
fn rows_from_a_pipe_are_stored_when_it_pauses() {
    let place = Workplace::new();
    let mut command = place.command(&["record", "--root", "asn", "--format=csv"]);
    let mut recording = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = recording.stdin.take().unwrap();
    input.write_all(b"aggregate_id,type\nA-1,Seen\nA-2,\"Se").unwrap();
    crate::odd_files::wait_until(|| {
        place.path("laterbase-data").exists() && place.event_count() == 1
    });
    input.write_all(b"en\"\n").unwrap();
    drop(input);
    assert!(recording.wait().unwrap().success());
    assert_eq!(place.event_count(), 2);
}
