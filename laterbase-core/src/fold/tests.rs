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
        voided_by: &[],
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

/// The same events and the same etag led to different states, depending on how often the state had
/// gone through a snapshot, as the parser of numbers was not the inverse of their printer; and
/// numbers beyond a double were rounded.
#[test]
fn merge_patch_gives_a_number_back_as_its_writer_wrote_it() {
    for data in [
        r#"{"iccid":89490200001234567890,"lon":117.63331139400017}"#,
        r#"{"v":[-0,1E2,1e-400,1.0,123456789.123456789,8.009996726835691e-16]}"#,
        r#"{"note":"\u00e9\ud83d\ude00\/","v":1e400}"#,
    ] {
        check_fold(&MergePatch, &[data], data);
        check_fold(&MergePatch, &[data, "{}", "{}"], data);
    }
    let long = format!("{{\"v\":{}}}", "7".repeat(300));
    check_fold(&MergePatch, &["{}", &long, "{}", "{}"], &long);
}

/// What came by sync and nobody can read is left out, and said to be.
#[test]
fn built_in_folds_leave_out_what_cannot_be_read_and_say_so() {
    let deep = "[".repeat(129) + &"]".repeat(129);
    for data in [r#"{"note":"\ud83d","qty":7}"#, "{", &deep] {
        for fold in [&MergePatch as &dyn Fold, &Latest] {
            let mut state = fold.start();
            state.apply(&event("t", r#"{"qty":5}"#)).unwrap();
            assert!(matches!(state.apply(&event("t", data)), Ok(Applied::Refused(_))), "{data}");
            assert_eq!(state.to_json().unwrap(), br#"{"qty":5}"#);
        }
    }
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
    let fold = Typed::<Count>::new().unwrap();
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

/// A state with a mean, as a user may have it.
#[derive(Default, Serialize, Deserialize)]
struct Mean {
    sum: f64,
    mean: Option<f64>,
    count: u32,
    last: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "data")]
enum MeanEvent {
    Read(f64),
    Kept(serde_json::Value),
    Reset,
}

impl Aggregate for Mean {
    type Event = MeanEvent;
    const NAME: &'static str = "mean";

    fn apply(&mut self, event: MeanEvent, _: &Event<'_>) -> Result<(), FoldError> {
        match event {
            MeanEvent::Read(value) => (self.sum, self.count) = (self.sum + value, self.count + 1),
            MeanEvent::Kept(value) => self.last = value,
            MeanEvent::Reset => (self.sum, self.count) = (0.0, 0),
        }
        self.mean = Some(self.sum / f64::from(self.count));
        Ok(())
    }
}

/// Row 90 of the faults met in the field: `Some(NaN)` is null in JSON, and null is `None`.
#[test]
fn a_state_that_json_does_not_carry_leaves_no_snapshot() {
    let fold = Typed::<Mean>::new().unwrap();
    let mut state = fold.start();
    state.apply(&event("Read", "1.5")).unwrap();
    assert_eq!(state.to_snapshot(), Ok(Some(state.to_json().unwrap())));
    state.apply(&event("Reset", "null")).unwrap();
    assert_eq!(state.to_snapshot(), Ok(None));
    assert_eq!(state.to_json().unwrap(), br#"{"sum":0.0,"mean":null,"count":0,"last":null}"#);
    state.apply(&event("Read", "2")).unwrap();
    assert!(state.to_snapshot().unwrap().is_some());
}

#[test]
fn a_typed_fold_takes_data_and_states_of_every_depth_that_is_let_in() {
    let fold = Typed::<Mean>::new().unwrap();
    for depth in [120, 124, 125, 126, 127, 128] {
        let data = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(fold.validate(&Record::json("a", "Kept", &data)), Ok(()), "{depth}");
        let mut state = fold.start();
        state.apply(&event("Read", "1")).unwrap();
        assert_eq!(state.apply(&event("Kept", &data)), Ok(Applied::Folded), "{depth}");
        let json = state.to_snapshot().unwrap().unwrap();
        assert_eq!(fold.resume(&json).unwrap().to_json().unwrap(), json);
    }
    let data = format!("{}{}", "[".repeat(129), "]".repeat(129));
    assert!(fold.validate(&Record::json("a", "Kept", &data)).is_err());
}

proptest::proptest! {
    /// Every finite double is the same behind any number of snapshots, and so is what follows.
    #[test]
    fn finite_doubles_survive_snapshots_bit_by_bit(
        values in proptest::collection::vec(proptest::num::f64::NORMAL
            | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO, 1..12),
        narrow: f32,
    ) {
        let data: Vec<String> =
            values.iter().map(|value| serde_json::to_string(value).unwrap()).collect();
        let records: Vec<Record<'_>> =
            data.iter().map(|data| Record::json("a", "Read", data)).collect();
        proptest::prop_assert_eq!(check_snapshots(&Typed::<Mean>::new().unwrap(), &records), Ok(()));
        for value in values {
            let json = serde_json::to_string(&value).unwrap();
            let back: f64 = serde_json::from_str(&json).unwrap();
            proptest::prop_assert_eq!(back.to_bits(), value.to_bits());
        }
        if narrow.is_finite() {
            let back: f32 =
                serde_json::from_str(&serde_json::to_string(&narrow).unwrap()).unwrap();
            proptest::prop_assert_eq!(back.to_bits(), narrow.to_bits());
        }
    }
}

/// A state that keeps something from its snapshots.
#[derive(Default, Serialize, Deserialize)]
struct Forgetful {
    count: u32,
    #[serde(skip)]
    seen: u32,
}

impl Aggregate for Forgetful {
    type Event = CountEvent;
    const NAME: &'static str = "forgetful";

    fn apply(&mut self, _: CountEvent, _: &Event<'_>) -> Result<(), FoldError> {
        self.seen += 1;
        self.count = self.seen / 2;
        Ok(())
    }
}

#[test]
fn the_check_for_users_finds_a_state_that_a_snapshot_changes() {
    let records = [Record::json("a", "Added", r#"{"by":1}"#); 5];
    assert_eq!(check_snapshots(&Typed::<Count>::new().unwrap(), &records), Ok(()));
    assert_eq!(check_snapshots(&MergePatch, &records), Ok(()));
    let drift = check_snapshots(&Typed::<Forgetful>::new().unwrap(), &records).unwrap_err();
    assert_eq!((drift.snapshot_after, drift.event_index), (1, 1));
    assert_eq!((&*drift.without, &*drift.with), (r#"{"count":1}"#, r#"{"count":0}"#));
}

#[test]
fn the_probe_finds_what_becomes_null_wherever_it_is() {
    use super::probe::survives_json;
    #[derive(Serialize)]
    struct Newtype(Option<f32>);
    #[derive(Serialize)]
    enum Kind {
        Unit,
        Newtype(f64),
        Tuple(u8, f64),
        Struct { at: f64 },
    }
    let nan = f64::NAN;
    for kept in [Kind::Unit, Kind::Newtype(1.0), Kind::Tuple(1, -0.0), Kind::Struct { at: 1e-320 }]
    {
        assert!(survives_json(&[kept]));
    }
    for lost in [Kind::Newtype(nan), Kind::Tuple(1, f64::INFINITY), Kind::Struct { at: nan }] {
        assert!(!survives_json(&(0, [lost])));
    }
    assert!(survives_json(&(None::<u8>, (), Some(Some(1)), u128::MAX)));
    assert!(!survives_json(&Some(None::<u8>)));
    assert!(!survives_json(&Some(())));
    assert!(!survives_json(&Some(Newtype(None))));
    assert!(survives_json(&Newtype(None)));
    assert!(!survives_json(&Newtype(Some(f32::NAN))));
    assert!(survives_json(&std::collections::BTreeMap::from([("a", 1.0)])));
    assert!(!survives_json(&std::collections::BTreeMap::from([("a", nan)])));
    assert!(!survives_json(&Some(serde_json::Value::Null)));
}
