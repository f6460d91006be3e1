#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId};

fn event(record: Record<'_>) -> Event<'_> {
    let dot = Dot { origin: ReplicaId::from_bytes([1; 16]), seq: 1 };
    Event { dot, recorded: Hlc::ZERO, arrived: 0, position: 1, record, voided_by: &[] }
}

fn folded(records: &[Record<'_>]) -> String {
    let mut state = ByType.start();
    for record in records {
        assert_eq!(state.apply(&event(*record)).unwrap(), Applied::Folded);
        // Through a snapshot behind each event.
        state = ByType.resume(&state.to_json().unwrap()).unwrap();
    }
    String::from_utf8(state.to_json().unwrap()).unwrap()
}

const SECOND: i64 = 1_000_000_000;

#[test]
fn each_type_has_its_count_its_times_and_its_newest_data() {
    let state = folded(&[
        Record::json("a", "Departed", r#"{"from": "Accra"}"#).at(0),
        Record::json("a", "Arrived", "1.50").at(SECOND),
        Record::json("a", "Departed", r#"{"n": 1e400, "n": 2}"#).at(2 * SECOND),
        Record::bytes("a", "Departed", &[0xff]).at(3 * SECOND),
        Record::bytes("a", "Photo", &[0xff]).at(3 * SECOND),
        Record::json("a", "Nothing", "null").at(4 * SECOND),
    ]);
    let expected = concat!(
        r#"{"Arrived":{"count":1,"first":"1970-01-01T00:00:01Z","last":"1970-01-01T00:00:01Z","data":1.50},"#,
        r#""Departed":{"count":3,"first":"1970-01-01T00:00:00Z","last":"1970-01-01T00:00:03Z","data":{"n": 1e400, "n": 2}},"#,
        r#""Nothing":{"count":1,"first":"1970-01-01T00:00:04Z","last":"1970-01-01T00:00:04Z","data":null},"#,
        r#""Photo":{"count":1,"first":"1970-01-01T00:00:03Z","last":"1970-01-01T00:00:03Z"}}"#,
    );
    assert_eq!(state, expected);
    assert_eq!(folded(&[]), "{}");
}

#[test]
fn data_as_deep_as_it_may_be_goes_through_a_snapshot() {
    let deep = format!("{}{}", "[".repeat(128), "]".repeat(128));
    assert!(folded(&[Record::json("a", "t", &deep).at(0)]).contains(&deep));
}

#[test]
fn what_only_claims_to_be_json_is_left_out() {
    let mut state = ByType.start();
    let applied = state.apply(&event(Record::json("a", "t", "{").at(0))).unwrap();
    assert!(matches!(applied, Applied::Refused(_)));
    assert_eq!(state.to_json().unwrap(), b"{}");
}
