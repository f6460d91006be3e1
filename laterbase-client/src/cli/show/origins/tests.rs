#![allow(clippy::unwrap_used, reason = "tests")]

use laterbase_core::fold::MergePatch;
use laterbase_core::hlc::Hlc;
use laterbase_core::id::{Dot, ReplicaId};
use serde_json::{Map, Value, json};

use super::*;

/// The fields as `path=value@event`, and the state that they make up.
fn explain(patches: &[&str]) -> (Vec<String>, Value) {
    let (mut origins, mut real) = (Origins.start(), MergePatch.start());
    for (patch, seq) in patches.iter().zip(1..) {
        let event = Event {
            dot: Dot { origin: ReplicaId::from_bytes([7; 16]), seq },
            recorded: Hlc::from_bits(seq),
            arrived: 0,
            position: seq,
            record: Record::json("a", "T", patch),
            voided_by: &[],
        };
        assert_eq!(origins.apply(&event).unwrap(), real.apply(&event).unwrap(), "{patch}");
    }
    let fields: Vec<Field> = serde_json::from_slice(&origins.to_json().unwrap()).unwrap();
    let mut state = json!({});
    for field in &fields {
        put(&mut state, &field.path, serde_json::from_str(field.value.get()).unwrap());
    }
    let expected: Value = serde_json::from_slice(&real.to_json().unwrap()).unwrap();
    assert_eq!(state, expected, "{patches:?}");
    let told = |field: &Field| {
        let (_, seq) = field.source.dot.rsplit_once('-').unwrap();
        format!("{}={}@{seq}", field.path.join("."), field.value)
    };
    (fields.iter().map(told).collect(), state)
}

fn put(state: &mut Value, path: &[String], value: Value) {
    let Some((name, rest)) = path.split_first() else {
        *state = value;
        return;
    };
    if !state.is_object() {
        *state = Value::Object(Map::new());
    }
    put(&mut state[name.as_str()], rest, value);
}

#[track_caller]
fn check(patches: &[&str], expected: &[&str]) {
    assert_eq!(explain(patches).0, expected, "{patches:?}");
}

#[test]
fn each_field_is_of_the_event_that_set_it_last() {
    check(&[r#"{"a":1,"b":2}"#, r#"{"b":3}"#], &["a=1@1", "b=3@2"]);
    // Also where the value is the one that was there.
    check(&[r#"{"a":1}"#, r#"{"a":1}"#], &["a=1@2"]);
    check(&[r#"{"a":{"x":1,"y":2}}"#, r#"{"a":{"y":3}}"#], &["a.x=1@1", "a.y=3@2"]);
}

#[test]
fn what_is_taken_out_or_replaced_as_a_whole_leaves_nothing() {
    check(&[r#"{"a":1,"b":2}"#, r#"{"a":null}"#], &["b=2@1"]);
    check(&[r#"{"a":{"x":1}}"#, r#"{"a":[1, 2]}"#, r#"{"a":{"y":null}}"#], &["a={}@3"]);
    check(&[r#"{"a":{"x":null}}"#], &["a={}@1"]);
    check(&[r#"{"a":1}"#, "5", r#"{"b":1}"#], &["b=1@3"]);
    check(&[r#"{"a":1}"#, "null"], &["=null@2"]);
    check(&[r#"{"a":1}"#, " \"text\" "], &["=\"text\"@2"]);
}

/// Every run of up to three of these, held against the fold that makes the state.
///
/// Mutation: a member that is taken out stays, or an object that takes the place of a value keeps it.
#[test]
fn the_fields_make_up_the_state_of_the_real_fold() {
    const PATCHES: [&str; 14] = [
        "{}",
        "null",
        "7",
        "[1]",
        r#"{"a":1}"#,
        r#"{"a":null}"#,
        r#"{"a":{}}"#,
        r#"{"a":{"b":1}}"#,
        r#"{"a":{"b":null}}"#,
        r#"{"a":{"c":{"d":2}}}"#,
        r#"{"a":{"c":null},"b":3}"#,
        r#"{"a":[{"b":null}]}"#,
        r#"{"b":{"a":null,"c":{"d":null}}}"#,
        "not JSON",
    ];
    for one in PATCHES {
        for two in PATCHES {
            explain(&[one, two]);
            for three in PATCHES {
                explain(&[one, two, three]);
            }
        }
    }
}

#[test]
fn numbers_names_and_data_that_cannot_be_read_are_as_in_the_state() {
    check(&[r#"{"a":1.50,"é":1.0e2}"#, r#"{"\u0061":2.0}"#], &["a=2.0@2", "é=1.0e2@1"]);
    check(&[r#"{"a":1,"a":{"b":2}}"#], &["a.b=2@1"]);
    check(&[r#"{"a":1}"#, "{\"a\":"], &["a=1@1"]);
}
