#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use laterbase_core::hlc::Hlc;
use laterbase_core::id::{Dot, ReplicaId};
use laterbase_core::time::parse_time;

use super::super::row::mark_late;
use super::*;
use crate::cli::table::width;

const HOUR: i64 = 3_600 * NANOS_PER_SECOND;

fn row(event_type: &str, occurred: i64, recorded: i64, arrived: i64) -> Row {
    let dot = Dot { origin: ReplicaId::from_bytes([0xab; 16]), seq: 7 };
    Row {
        dot,
        id: format!("shipment:{dot}"),
        says: "at: Tema".to_owned(),
        metadata: BTreeMap::new(),
        event_type: event_type.to_owned(),
        occurred,
        recorded: Hlc::from_unix_nanos(recorded),
        arrived,
        position: 1,
        voided_by: Vec::new(),
        is_late: false,
    }
}

fn drawing(rows: &[Row]) -> Drawing {
    let span = rows.iter().map(Row::span).reduce(Span::join).unwrap();
    let type_columns = rows.iter().map(|row| width(&row.event_type)).max().unwrap();
    let (id_columns, zone) = (rows[0].id.len(), Zone::new(true));
    let who_columns = rows.iter().map(|row| width(row.who())).max().unwrap();
    let width = WIDTH_DEFAULT;
    Drawing { width, span, id_columns, type_columns, who_columns, zone, is_coloured: false }
}

#[track_caller]
fn check_bar(row: &Row, rows: &[Row], expected: &str) {
    assert_eq!(bar(row, drawing(rows).span, 22), format!("{expected:<22}"));
}

#[test]
fn a_bar_leads_from_occurred_over_recorded_to_arrived() {
    let start = parse_time("2024-03-01T00:00:00Z").unwrap();
    let rows = [
        row("A", start, start, start + HOUR),
        row("B", start + 3 * HOUR, start + 9 * HOUR, start + 21 * HOUR),
        row("C", start + 21 * HOUR, start + 20 * HOUR, start + 21 * HOUR),
    ];
    check_bar(&rows[0], &rows, "oa");
    check_bar(&rows[1], &rows, "   o=====r-----------a");
    check_bar(&rows[2], &rows, "                    ro");
}

#[test]
fn every_line_fits_the_columns() {
    let (early, late) = (i64::MIN, i64::MAX);
    let mut rows = [row("Customs cleared at last", early, 0, late), row("Übergabe", 0, HOUR, HOUR)];
    rows[0].says = "note: 港口 ".repeat(100);
    rows[1].says = String::new();
    rows[1].metadata.insert("actor".to_owned(), "Ama Serwaa Nyarko 港口".to_owned());
    for columns in [WIDTH_MIN, 63, 64, WIDTH_DEFAULT, 120, WIDTH_MAX] {
        let drawing = Drawing { width: columns, ..drawing(&rows) };
        let text = [drawing.head(), drawing.row(&rows[0]), drawing.row(&rows[1])].join("\n");
        let is_id = |line: &&str| line.trim().ends_with("-7");
        for line in text.lines().filter(|line| !is_id(line)) {
            assert!(width(line) <= usize::from(columns), "{columns}: {line}");
        }
        // An id is whole, even if it is wider.
        assert!(text.contains(&rows[0].id));
        assert!(width(&drawing.foot(1_000_000, 999_999, 0)) <= 80);
    }
    let text = drawing(&rows).row(&rows[1]);
    assert!(text.contains("+1h  Ama Serwaa …"), "{text}");
    let text = drawing(&rows[..1]).row(&rows[0]);
    assert!(text.contains("  Customs cleared at …  +292y  note: 港口 "), "{text}");
}

#[test]
fn one_moment_is_drawn_all_the_same() {
    let rows = [row("A", 5, 5, 5)];
    check_bar(&rows[0], &rows, "o");
}

#[test]
fn a_name_cannot_steer_the_terminal() {
    let mut row = row("\x1b[2J", 0, HOUR, HOUR);
    row.says = "at: \x1b[2J\nB".to_owned();
    let text = drawing(&[row.clone()]).row(&row);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(!text.contains('\x1b') && text.contains(r"at: \u{1b}[2J\nB"), "{text}");
}

#[test]
fn lags_are_in_their_greatest_unit() {
    let second = NANOS_PER_SECOND;
    for (nanos, expected) in [
        (0, "0s"),
        (999, "0s"),
        (-45 * second, "-45s"),
        (90 * second, "+1m"),
        (47 * HOUR, "+47h"),
        (48 * HOUR, "+2d"),
        (546 * 24 * HOUR, "+546d"),
        (i64::MIN, "-292y"),
    ] {
        assert_eq!(lag(nanos), expected);
    }
}

#[test]
fn late_is_what_was_recorded_after_something_that_happened_later() {
    let mut rows = [row("A", 0, 30, 30), row("B", 1, 10, 10), row("C", 2, 20, 20)];
    mark_late(&mut rows, Hlc::MAX);
    assert_eq!(rows.each_ref().map(|row| row.is_late), [true, false, false]);
    // What follows on the next page counts as well.
    mark_late(&mut rows, Hlc::from_unix_nanos(15));
    assert_eq!(rows.each_ref().map(|row| row.is_late), [true, false, true]);
}

#[test]
fn late_rows_are_coloured_where_colour_is_wanted() {
    let mut late = row("A", 0, HOUR, HOUR);
    late.is_late = true;
    let plain = drawing(&[late.clone()]);
    let coloured = Drawing { is_coloured: true, ..plain.clone() };
    assert!(!plain.row(&late).contains('\x1b'));
    assert!(coloured.row(&late).starts_with("\x1b[33m!"));
    late.is_late = false;
    assert!(coloured.row(&late).starts_with(" 1970"));
}
