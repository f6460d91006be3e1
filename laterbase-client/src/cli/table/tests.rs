#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const fn column(natural: usize) -> Column {
    Column { natural, floor: 10 }
}

#[track_caller]
fn check_line(widths: &[usize], room: Option<usize>, cells: &[&str], expected: &str) {
    let columns: Vec<Column> = widths.iter().map(|&natural| column(natural)).collect();
    let expendable: Vec<usize> = (1..columns.len()).rev().collect();
    let table = Table::fit(&columns, &expendable, 0, room);
    let shown = table.shown().iter();
    let line = table.line(&shown.map(|&index| Cow::Borrowed(cells[index])).collect::<Vec<_>>());
    assert_eq!(line, expected);
    assert!(room.is_none_or(|room| line.width() <= room), "{line:?}");
}

#[test]
fn cells_stand_below_each_other() {
    check_line(&[6, 4], None, &["ASN-7", "Tema"], "ASN-7   Tema");
    check_line(&[6, 4], Some(80), &["ASN-7", ""], "ASN-7");
}

#[test]
fn wide_characters_take_two_columns() {
    check_line(&[6, 4], None, &["港口", "Tema"], "港口    Tema");
    check_line(&[8], Some(10), &["港口港口"], "港口港口");
    check_line(&[12], Some(11), &["港口港口港口"], "港口港口港…");
    check_line(&[20], Some(10), &["港口港口港口港口港口"], "港口港口…");
}

#[test]
fn what_does_not_fit_is_cut_and_then_left_out() {
    let id = "a".repeat(30);
    let cells = [id.as_str(), "0123456789abcdef", "0123456789abcdef"];
    check_line(&[30, 16, 16], Some(40), &cells, "aaaaaaaaaaaaaaa…  012345678…  012345678…");
    check_line(&[30, 16, 16], Some(24), &cells, "aaaaaaaaaaa…  012345678…");
    check_line(&[30, 16, 16], Some(12), &cells, "aaaaaaaaaaa…");
}

#[test]
fn what_steers_a_terminal_is_escaped_before_it_is_measured() {
    check_line(&[12, 1], None, &["\x1b[31m", "x"], "\\u{1b}[31m    x");
    assert_eq!(width("\x1b[31m"), 10);
}

#[test]
fn there_may_be_no_room_at_all() {
    for room in 0..10 {
        let table = Table::fit(&[column(5), column(500)], &[1], 0, Some(room));
        assert_eq!(table.shown(), [0]);
        assert_eq!(table.line(&["ASN-7".into()]), "ASN-7");
    }
}
