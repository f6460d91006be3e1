#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn table(rows: &[&[&str]]) -> (Header, Vec<Row>) {
    let mut read = Vec::new();
    for (index, cells) in rows.iter().enumerate() {
        let mut row = Row::default();
        row.begin(index as u64 + 1);
        cells.iter().for_each(|cell| row.push(cell, Kind::Written));
        read.push(row);
    }
    let rows = read.split_off(1);
    (Header::new(&read[0]), rows)
}

#[track_caller]
fn check(rows: &[&[&str]], id: &str, event_type: Option<&str>, time: Option<(&str, Option<&str>)>) {
    let (header, rows) = table(rows);
    let guess = guess(&header, &rows, &ColumnFlags::default());
    assert_eq!(guess.id.as_deref(), Some(id));
    assert_eq!(guess.event_type.as_deref(), event_type);
    let found = guess.time.as_ref().map(|time| (time.column.as_str(), time.format));
    assert_eq!(found, time);
}

#[test]
fn columns_are_known_by_their_names_and_what_is_in_them() {
    check(
        &[
            &["Pos", "Order No", "When", "Status", "Gross kg"],
            &["1", "O-1", "2024-03-01 08:00", "Packed", "12"],
            &["2", "O-1", "2024-03-01", "Sent", ""],
        ],
        "Order No",
        Some("Status"),
        Some(("When", None)),
    );
    check(&[&["Behälter", "Ort"], &["B-1", "Hof"]], "Behälter", None, None);
}

#[test]
fn a_column_of_times_is_one_in_which_all_are() {
    check(
        &[&["a", "b"], &["01.03.2024 08:00", "x"], &["13.3.2024 9:15", "y"]],
        "b",
        None,
        Some(("a", Some("%d.%m.%Y %H:%M"))),
    );
    check(&[&["a", "b"], &["x", "01.03.2024"], &["y", "soon"]], "a", None, None);
    check(&[&["a", "b"], &["x", "03/31/2024"]], "a", None, Some(("b", Some("%m/%d/%Y"))));
}

#[test]
fn another_order_of_day_and_month_is_said() {
    let (header, rows) = table(&[&["a", "b"], &["x", "03/04/2024"]]);
    let time = guess(&header, &rows, &ColumnFlags::default()).time;
    let forms = time.map(|time| (time.format, time.or_format));
    assert_eq!(forms, Some((Some("%d/%m/%Y"), Some("%m/%d/%Y"))));
}

#[test]
fn what_was_said_is_not_guessed_again() {
    let (header, rows) = table(&[
        &["Order", "Status", "Sent", "Due", "Dock"],
        &["O-1", "Packed", "2024-03-01 08:00", "03.03.2024", "north"],
    ]);
    let flags = |id: &str, time: &str| ColumnFlags {
        id_column: Some(id.to_owned()),
        time_column: Some(time.to_owned()),
        ..ColumnFlags::default()
    };
    let guessed = guess(&header, &rows, &flags("Status", " Due "));
    assert_eq!(guessed.id.as_deref(), Some("Order"), "the likeliest of the rest");
    assert_eq!(guessed.event_type, None);
    let time = guessed.time.unwrap();
    assert_eq!((time.column.as_str(), time.format), ("Due", Some("%d.%m.%Y")));
    assert_eq!(guess(&header, &rows, &flags("Dock", "Status")).time, None);
}
