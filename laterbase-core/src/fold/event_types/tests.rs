#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(dead_code, reason = "of most enums, only the names are looked at")]

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::*;
use crate::event::{Event, Record};
use crate::fold::{Fold, FoldError, Folds, FoldsError, Refusal, Typed, decode_json};

#[track_caller]
fn check_names<E: DeserializeOwned>(expected: &[&str]) {
    let types = EventTypes::of_enum::<E>().unwrap();
    assert_eq!(types.names(), expected);
    assert!(!types.takes_others());
}

/// Expects that the types are not known, and that the reason has this in it.
#[track_caller]
fn check_unlearnable<E: DeserializeOwned>(reason: &str) {
    let error = EventTypes::of_enum::<E>().unwrap_err();
    assert!(error.reason.contains(reason), "{error}");
    assert!(error.to_string().contains("Aggregate::TYPES"), "{error}");
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "data")]
enum Shapes {
    Unit,
    Newtype(u8),
    Tuple(u8, u8),
    Struct { a: u8 },
    Empty {},
}

#[test]
fn variants_of_every_shape_are_known() {
    check_names::<Shapes>(&["Unit", "Newtype", "Tuple", "Struct", "Empty"]);
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case", deny_unknown_fields)]
enum Renamed {
    LeftPort,
    #[serde(rename = "ARR")]
    Arrived,
    #[serde(rename(serialize = "out", deserialize = "in"))]
    Customs,
    #[serde(alias = "moved_on", alias = "Moved")]
    Moved,
    #[serde(skip)]
    Skipped,
    #[serde(skip_deserializing)]
    OnlyWritten,
    #[serde(skip_serializing)]
    OnlyRead,
}

#[test]
fn names_are_those_that_serde_reads() {
    let types = EventTypes::of_enum::<Renamed>().unwrap();
    let mut names = types.names().to_vec();
    names.sort_unstable();
    assert_eq!(names, ["ARR", "Moved", "in", "left_port", "moved", "moved_on", "only_read"]);
    for name in names {
        assert!(types.contains(name));
        let read = decode_json::<Renamed>(&Record::json("a", name, "null"));
        assert!(read.is_ok(), "{name}");
    }
    assert!(!types.contains("Arrived") && !types.contains("skipped"));
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "data")]
enum Generic<T> {
    Weighed(T),
    Checked { by: Option<T> },
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Wrapped(Box<Generic<Value>>);

#[derive(Deserialize)]
#[serde(from = "Generic<u8>")]
struct Converted(u8);

impl From<Generic<u8>> for Converted {
    fn from(event: Generic<u8>) -> Self {
        match event {
            Generic::Weighed(value) => Self(value),
            Generic::Checked { by } => Self(by.unwrap_or(0)),
        }
    }
}

#[derive(Deserialize)]
struct Written {
    r#type: Kind,
    data: Value,
}

#[derive(Deserialize)]
enum Kind {
    Weighed,
    Checked,
}

#[test]
fn an_enum_is_known_through_what_stands_around_it() {
    check_names::<Generic<String>>(&["Weighed", "Checked"]);
    check_names::<Wrapped>(&["Weighed", "Checked"]);
    check_names::<Converted>(&["Weighed", "Checked"]);
    check_names::<Option<Generic<u8>>>(&["Weighed", "Checked"]);
    check_names::<Written>(&["Weighed", "Checked"]);
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Internal {
    A { data: u8 },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Untagged {
    A { data: u8 },
    B(Generic<u8>),
}

#[derive(Deserialize)]
enum External {
    A(u8),
}

#[derive(Deserialize)]
#[serde(tag = "kind", content = "body")]
enum OtherMembers {
    A(u8),
}

#[derive(Deserialize)]
struct AnyType {
    r#type: String,
    data: Value,
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "data")]
enum Nothing {}

struct ByHand;

impl<'de> Deserialize<'de> for ByHand {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let tagged = Generic::<u8>::deserialize(input);
        tagged.map(|_| Self).map_err(de::Error::custom)
    }
}

#[test]
fn what_does_not_tell_its_types_is_said_to() {
    check_unlearnable::<Internal>("tagged internally");
    check_unlearnable::<Untagged>("not at all");
    check_unlearnable::<External>("an enum without a tag");
    check_unlearnable::<OtherMembers>("[\"kind\", \"body\"]");
    check_unlearnable::<AnyType>("its `type` is no enum");
    check_unlearnable::<Nothing>("no variants");
    check_unlearnable::<Value>("code of its own");
    check_unlearnable::<std::collections::BTreeMap<String, Value>>("no enum");
    check_unlearnable::<ByHand>("code of its own");
}

/// Keeps what it folded.
macro_rules! log_of {
    ($state:ident, $event:ty, $types:expr) => {
        #[derive(Default, Serialize, Deserialize)]
        struct $state(Vec<String>);

        impl Aggregate for $state {
            type Event = $event;
            const NAME: &'static str = "log";
            const TYPES: Option<&'static [&'static str]> = $types;

            fn apply(&mut self, _: $event, event: &Event<'_>) -> Result<(), FoldError> {
                self.0.push(event.record.event_type.to_owned());
                Ok(())
            }
        }
    };
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "data")]
enum WithOther {
    Weighed {
        kg: u8,
    },
    #[serde(other)]
    Rest,
}

log_of!(LogOfAll, WithOther, None);
log_of!(LogOfInternal, Internal, None);
log_of!(LogOfNamed, Internal, Some(&["A"]));

/// serde reads the variant for all others with no data, or null.
#[test]
fn a_variant_for_all_others_takes_events_of_every_type_whatever_their_data() {
    let types = EventTypes::of_enum::<WithOther>().unwrap();
    assert!(types.takes_others() && types.contains("Scanned"));
    let fold = Typed::<LogOfAll>::new().unwrap();
    for record in [
        Record::json("a", "Scanned", r#"{"at":"Lagos"}"#),
        Record::json("a", "Scanned", "null"),
        Record::bytes("a", "Photographed", &[0xff; 4]),
        Record::json("a", "Weighed", r#"{"kg":7}"#),
    ] {
        assert_eq!(fold.validate(&record), Ok(()), "{record:?}");
    }
    // What is its own, or nobody can read, is refused as ever.
    assert!(fold.validate(&Record::json("a", "Weighed", r#"{"kg":-7}"#)).is_err());
    assert!(fold.validate(&Record::json("a", "Scanned", r#""\ud83d""#)).is_err());
}

#[test]
fn an_aggregate_whose_types_are_not_known_is_not_registered() {
    let refused = Folds::new().aggregate::<LogOfInternal>("shipment").unwrap_err();
    assert!(matches!(&refused, FoldsError::EventTypes(error) if error.event.contains("Internal")));
    let fold = Typed::<LogOfNamed>::new().unwrap();
    assert_eq!(fold.types().names(), ["A"]);
    assert_eq!(fold.validate(&Record::json("a", "A", "1")), Ok(()));
    assert_eq!(fold.validate(&Record::json("a", "B", "-1")), Ok(()));
    assert!(matches!(fold.validate(&Record::json("a", "A", "-1")), Err(Refusal(_))));
    assert!(Folds::new().fold("shipment", Arc::new(fold)).is_ok());
}
