#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::cli::written_time::WrittenTimeFlags;

fn row(number: u64, cells: &[&str]) -> Row {
    let mut row = Row::default();
    row.begin(number);
    for cell in cells {
        row.push(cell, Kind::Written);
    }
    row
}

fn names(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

fn mapping(header: &[&str], flags: &ColumnFlags) -> anyhow::Result<Mapping> {
    let times = WrittenTimeFlags { timezone: Some("UTC".to_owned()), time_format: None };
    Mapping::new(&row(1, header), flags, WrittenTimes::new(&times).unwrap())
}

/// Flags for the columns `ASN` and `What`.
fn flags() -> ColumnFlags {
    let (id, event_type) = (Some("ASN".to_owned()), Some("What".to_owned()));
    ColumnFlags { id_column: id, type_column: event_type, ..ColumnFlags::default() }
}

#[track_caller]
fn check_data(header: &[&str], flags: &ColumnFlags, cells: &[&str], expected: &str) {
    let mut event = RowEvent::default();
    mapping(header, flags).unwrap().fill(&row(2, cells), &mut event).unwrap();
    assert_eq!(str::from_utf8(event.record().data).unwrap(), expected);
}

#[track_caller]
fn check_fault(header: &[&str], flags: &ColumnFlags, cells: &[&str], expected: (&str, &str)) {
    let mut event = RowEvent::default();
    let fault = mapping(header, flags).unwrap().fill(&row(2, cells), &mut event).unwrap_err();
    assert_eq!(fault.column.as_deref().unwrap_or(""), expected.0);
    assert!(fault.detail.contains(expected.1), "{fault}");
}

#[track_caller]
fn check_refused(header: &[&str], flags: &ColumnFlags, expected: &str) {
    let error = mapping(header, flags).map(drop).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn all_other_columns_make_the_data() {
    let header = ["Qty", "ASN", " Bay no ", "What", "Note"];
    let cells = ["12.50", " S-1 ", "00123", "Packed", "two \"big\"\nboxes"];
    let expected = r#"{"Qty":12.50,"Bay no":"00123","Note":"two \"big\"\nboxes"}"#;
    check_data(&header, &flags(), &cells, expected);
    check_data(&header, &flags(), &["", "S-1", "  ", "Packed"], "{}");
    let chosen = ColumnFlags { columns: names(&["Note", "ASN"]), ..flags() };
    check_data(&header, &chosen, &["1", "7", "2", "x", "y"], r#"{"Note":"y","ASN":7}"#);
}

#[test]
fn the_names_of_json_fields_need_no_flag() {
    let header = ["aggregate_id", "type", "occurred_at", "at"];
    let mut event = RowEvent::default();
    let cells = ["S-1", "Arrived", "1970-01-01 00:00:01", "Accra"];
    let mapping = mapping(&header, &ColumnFlags::default()).unwrap();
    mapping.fill(&row(2, &cells), &mut event).unwrap();
    let record = event.record();
    assert_eq!((record.aggregate_id, record.event_type), ("S-1", "Arrived"));
    assert_eq!((record.occurred, record.data), (Some(1_000_000_000), &br#"{"at":"Accra"}"#[..]));
}

#[test]
fn keys_are_made_of_id_type_and_the_columns_that_are_said() {
    let key = |cells: &[&str]| {
        let flags = ColumnFlags { key_columns: names(&["Scan"]), ..flags() };
        let mut event = RowEvent::default();
        mapping(&["ASN", "What", "Scan", "Note"], &flags)
            .unwrap()
            .fill(&row(2, cells), &mut event)
            .unwrap();
        event.key.unwrap()
    };
    assert_eq!(key(&["S-1", "Packed", " 7 ", "a"]), r#"["S-1","Packed","7"]"#);
    assert_eq!(key(&["S-1", "Packed", "7", "b"]), key(&["S-1 ", "Packed", "7", ""]));
    assert_ne!(key(&["S-2", "Packed", "7", "a"]), key(&["S-1", "Packed", "7", "a"]));
}

/// The same moment, written in another way, was another key, and so its row was recorded twice.
#[test]
fn a_time_in_a_key_is_the_moment_that_it_says() {
    let key = |text: &str, kind: Kind| {
        let (time_column, key_columns) = (Some("When".to_owned()), names(&["When", "Note"]));
        let flags = ColumnFlags { time_column, key_columns, ..flags() };
        let mut event = RowEvent::default();
        let mut timed = row(2, &["S-1", "Packed"]);
        timed.push(text, kind);
        let mapping = mapping(&["ASN", "What", "When", "Note"], &flags).unwrap();
        mapping.fill(&timed, &mut event).unwrap();
        event.key.unwrap()
    };
    let expected = r#"["S-1","Packed","2024-03-01T08:00:00Z",""]"#;
    for text in ["2024-03-01 08:00", "2024-03-01T08:00:00.000", "2024-03-01 09:00+01:00"] {
        assert_eq!(key(text, Kind::Written), expected);
    }
    assert_eq!(key("2024-03-01T08:00:00", Kind::Time), expected);
    assert_ne!(key("2024-03-01 08:00:01", Kind::Written), expected);
}

#[test]
fn what_is_missing_is_said_with_what_is_there() {
    check_refused(&["ASN", "What"], &ColumnFlags::default(), "--id-column: \"ASN\", \"What\"");
    let no_type = ColumnFlags { type_column: None, ..flags() };
    check_refused(&["ASN", "What"], &no_type, "--type-column");
    check_refused(&["asn", "What"], &flags(), "did you mean \"asn\"?");
    check_refused(&["Kg", "What"], &flags(), "there are \"Kg\", \"What\"");
}

#[test]
fn columns_of_one_name_are_told_apart_by_nobody() {
    check_refused(&["ASN", "What", "ASN"], &flags(), "1 and 3");
    check_refused(&["ASN", "What", "Kg", "Kg"], &flags(), "3 and 4");
    let chosen = ColumnFlags { columns: names(&["Note"]), ..flags() };
    check_data(&["ASN", "What", "Kg", "Kg", "Note"], &chosen, &["1", "2", "3"], "{}");
}

#[test]
fn a_row_that_says_too_little_or_too_much_is_refused() {
    let header = ["ASN", "What", "Kg", "", ""];
    check_fault(&header, &flags(), &["", "Packed"], ("ASN", "empty"));
    check_fault(&header, &flags(), &["S-1"], ("What", "empty"));
    check_fault(&header, &flags(), &["S-1", "Packed", "1", "", "x"], ("", "cell 5 holds \"x\""));
    check_fault(&header, &flags(), &["S-1", "Packed", "1", "", "", "y"], ("", "cell 6 holds"));
    check_data(&header, &flags(), &["S-1", "Packed", "1", "", "", "", " "], r#"{"Kg":1}"#);
    // Cells that are shifted go unseen where columns are chosen.
    let chosen = ColumnFlags { columns: names(&["Kg"]), ..flags() };
    check_fault(&header, &chosen, &["S-1", "Packed", "1", "", "", "y"], ("", "cell 6 holds"));
    check_data(&header, &chosen, &["S-1", "Packed", "1", "", "x"], r#"{"Kg":1}"#);
    let timed = ColumnFlags { time_column: Some("Kg".to_owned()), ..flags() };
    check_fault(&header, &timed, &["S-1", "Packed", ""], ("Kg", "empty"));
    check_fault(&header, &timed, &["S-1", "Packed", "soon"], ("Kg", "\"soon\" is no time"));
}

#[test]
fn a_spreadsheets_fault_is_no_value() {
    let mut event = RowEvent::default();
    let mut broken = row(2, &["S-1", "Packed"]);
    broken.push("#N/A", Kind::Fault);
    let mapping = mapping(&["ASN", "What", "Kg"], &flags()).unwrap();
    let fault = mapping.fill(&broken, &mut event).unwrap_err();
    assert_eq!((fault.column.as_deref(), fault.detail.contains("#N/A")), (Some("Kg"), true));
}

/// A file of zeros was printed whole.
#[test]
fn no_name_and_no_cell_is_printed_whole_however_long_it_is() {
    let long = "\0".repeat(1_000_000);
    let named = |name: &str| ColumnFlags { id_column: Some(name.to_owned()), ..flags() };
    for error in [
        mapping(&[&long, &long], &flags()).map(drop).unwrap_err(),
        mapping(&[&long, "What", &long], &named(&long)).map(drop).unwrap_err(),
        mapping(&["ASN", "What"], &named(&long)).map(drop).unwrap_err(),
    ] {
        assert!(error.to_string().len() < 2_000, "{error}");
    }
    let timed = ColumnFlags { time_column: Some("When".to_owned()), ..flags() };
    let mapping = mapping(&["ASN", "What", "When"], &timed).unwrap();
    for cells in [["S-1", "Packed", &long, ""], ["S-1", "Packed", "2024-03-01", &long]] {
        let fault = mapping.fill(&row(2, &cells), &mut RowEvent::default()).unwrap_err();
        assert!(fault.detail.len() < 2_000, "{fault}");
    }
}
