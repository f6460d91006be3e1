#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId};
use serde::{Deserialize, Serialize};

fn event<'a>(event_type: &'a str, data: &'a str) -> Event<'a> {
    Event {
        dot: Dot { origin: ReplicaId::from_bytes([1; 16]), seq: 1 },
        recorded: Hlc::from_bits(1),
        arrived: 0,
        position: 1,
        record: Record::json("a", event_type, data),
    }
}

#[track_caller]
fn check_fold(fold: &dyn Fold, data: &[&str], expected: &str) {
    let mut state = fold.start();
    for (index, data) in data.iter().enumerate() {
        // A state that went through a snapshot is the same state.
        if index % 2 == 1 {
            state = fold.resume(&state.to_json().unwrap()).unwrap();
        }
        state.apply(&event("t", data)).unwrap();
    }
    assert_eq!(String::from_utf8(state.to_json().unwrap()).unwrap(), expected);
}

#[test]
fn merge_patch_follows_the_cases_of_rfc_7396() {
    for (target, patch, expected) in [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
        (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
        (r#"{"a":"foo"}"#, "null", "null"),
        ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
        ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
    ] {
        check_fold(&MergePatch, &[target, patch], expected);
    }
}

#[test]
fn latest_is_the_last_events_text_byte_for_byte() {
    check_fold(&Latest, &[r#"{"a":1}"#, r#"{ "b" : 2.50 }"#], r#"{ "b" : 2.50 }"#);
    check_fold(&Latest, &[], "null");
}

#[derive(Default, Serialize, Deserialize)]
struct Count(u32);

#[derive(Deserialize)]
#[serde(tag = "type", content = "data")]
enum CountEvent {
    Added { by: u32 },
}

impl Aggregate for Count {
    type Event = CountEvent;
    const NAME: &'static str = "count";
    const TYPES: &'static [&'static str] = &["Added"];

    fn validate(event: &CountEvent) -> Result<(), Refusal> {
        let CountEvent::Added { by } = event;
        if *by == 0 { Err("adds nothing".into()) } else { Ok(()) }
    }

    fn apply(&mut self, event: CountEvent, _: &Event<'_>) -> Result<(), FoldError> {
        let CountEvent::Added { by } = event;
        self.0 = self.0.checked_add(by).ok_or("too many")?;
        Ok(())
    }
}

#[test]
fn a_typed_fold_folds_ignores_and_refuses() {
    let fold = Typed::<Count>::new();
    let mut state = fold.start();
    assert_eq!(state.apply(&event("Added", r#"{"by":2}"#)), Ok(Applied::Folded));
    assert_eq!(state.apply(&event("Other", "5")), Ok(Applied::Ignored));
    assert_eq!(
        state.apply(&event("Added", r#"{"by":0}"#)),
        Ok(Applied::Refused("adds nothing".into()))
    );
    assert!(matches!(state.apply(&event("Added", "{}")), Ok(Applied::Refused(_))));
    assert_eq!(state.apply(&event("Added", r#"{"by":4294967295}"#)), Err("too many".into()));
    assert_eq!(state.to_json().unwrap(), b"2");
}

#[test]
fn the_first_fold_of_a_kind_is_its_default_and_names_are_taken_once() {
    let folds = Folds::new()
        .aggregate::<Count>("shipment")
        .and_then(|folds| folds.fold("shipment", Arc::new(Latest)))
        .unwrap();
    let root = RootName::new("shipment@depot-7").unwrap();
    assert_eq!(folds.default_for(&root).unwrap().name(), "count");
    assert_eq!(folds.named(&root, "latest").unwrap().name(), "latest");
    assert!(folds.named(&root, "merge-patch").is_none());
    assert!(!folds.knows(&RootName::new("order").unwrap()));
    let again = folds.clone().aggregate::<Count>("shipment");
    assert!(matches!(again, Err(FoldsError::NameTaken { .. })));
    assert!(folds.aggregate::<Count>("a@b").is_err());
}

#[test]
fn a_panic_of_user_code_becomes_text() {
    assert_eq!(contain(|| 1), Ok(1));
    let caught = contain(|| panic!("on {}", 7));
    assert_eq!(caught, Err::<(), _>("panicked: on 7".to_owned()));
}
