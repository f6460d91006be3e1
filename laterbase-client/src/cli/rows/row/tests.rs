use super::*;

/// What a cell of one kind is, once somebody may have changed its text.
#[track_caller]
fn check(kind: Kind, text: &str, expected: Kind) {
    let mut row = Row::default();
    row.push("mark", Kind::Written);
    row.push(text, Kind::Written);
    row.set_kinds(&kind.letter().to_string(), |column| column > 0);
    assert_eq!(row.cell(1), Cell { text, kind: expected });
    assert_eq!(row.cell(0).kind, Kind::Written);
}

#[test]
fn cells_get_their_kinds_back() {
    check(Kind::Text, "12", Kind::Text);
    check(Kind::Number, "100000000000000000000", Kind::Number);
    check(Kind::Truth, "true", Kind::Truth);
    check(Kind::Time, "2024-03-02T12:00:00", Kind::Time);
    check(Kind::Fault, "#N/A", Kind::Fault);
}

#[test]
fn what_was_changed_is_read_as_it_is_written() {
    check(Kind::Number, "twelve", Kind::Written);
    check(Kind::Truth, "yes", Kind::Written);
    check(Kind::Time, "2.3.2024", Kind::Written);
    check(Kind::Fault, "12", Kind::Written);
}
