#![allow(clippy::unwrap_used, reason = "tests")]

use laterbase_core::event::Record;

use super::*;

const DEPARTED: &str = r##"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "events": {
        "Departed": {
            "type": "object",
            "properties": {"from": {"$ref": "#/$defs/place"}, "kg": {"type": "number", "minimum": 0}},
            "required": ["from"],
            "additionalProperties": false
        },
        "a/b~c %25": {"const": 1},
        "Like it": {"$ref": "#/events/Departed"}
    },
    "$defs": {"place": {"type": "string", "minLength": 1}}
}"##;

fn schemas(text: &str) -> EventSchemas {
    EventSchemas::parse(text.as_bytes()).unwrap()
}

fn check(schemas: &EventSchemas, event_type: &str, data: &str) -> Result<(), String> {
    schemas.check(&Record::json("S1", event_type, data)).map_err(|refusal| refusal.0)
}

#[test]
fn data_is_judged_by_the_schema_of_its_event_type() {
    let schemas = schemas(DEPARTED);
    for good in [r#"{"from":"Lagos"}"#, r#"{"from":"Lagos","kg":0.5}"#] {
        assert_eq!(check(&schemas, "Departed", good), Ok(()));
        assert_eq!(check(&schemas, "Like it", good), Ok(()));
    }
    for (bad, said) in [
        ("{}", "data: \"from\" is a required property"),
        (r#"{"from":""}"#, "data/from: \"\" is shorter than 1 character"),
        (r#"{"from":"Lagos","kg":-1}"#, "data/kg: -1 is less than the minimum of 0"),
        ("7", "data: 7 is not of type \"object\""),
    ] {
        for event_type in ["Departed", "Like it"] {
            assert_eq!(check(&schemas, event_type, bad), Err(said.to_owned()), "{bad}");
        }
    }
    assert_eq!(check(&schemas, "a/b~c %25", "1"), Ok(()));
    assert!(check(&schemas, "a/b~c %25", "2").is_err());
    let photo = Record::bytes("S1", "Departed", b"\xff\xd8");
    assert_eq!(schemas.check(&photo).unwrap_err().0, "the schema of its type wants JSON");
    // A number that no `f64` holds is no JSON to a schema, and says so.
    let huge = check(&schemas, "Departed", r#"{"from":"Lagos","kg":1e400}"#).unwrap_err();
    assert!(huge.starts_with("no schema can judge its data"), "{huge}");
}

#[test]
fn several_faults_are_told_in_bounds() {
    let schemas = schemas(r#"{"events":{"T":{"type":"array","items":{"type":"string"}}}}"#);
    let told = check(&schemas, "T", "[1,2]").unwrap_err();
    assert_eq!(told, r#"data/0: 1 is not of type "string"; data/1: 2 is not of type "string""#);
    let told = check(&schemas, "T", "[1,2,3,4]").unwrap_err();
    assert!(told.ends_with(", and more") && told.matches(';').count() == 2, "{told}");
    let long = format!("[[\"{}\"]]", "x".repeat(10_000));
    assert!(check(&schemas, "T", &long).unwrap_err().len() < 1_000);
}

#[test]
fn other_types_are_taken_unless_the_file_says_otherwise() {
    let open = schemas(r#"{"events":{"T":{}}}"#);
    assert_eq!(check(&open, "U", "1"), Ok(()));
    let closed = schemas(r#"{"events":{"T":{},"W":true},"additionalEvents":false}"#);
    let said = "the root has no events of this type, but T, W";
    assert_eq!(check(&closed, "U", "1"), Err(said.to_owned()));
    assert_eq!(check(&closed, "W", "1"), Ok(()));
    // An event of this type that takes nothing back is like any other.
    assert!(check(&closed, VOIDED, "{}").is_err());
}

#[test]
fn a_file_that_is_not_as_it_should_be_says_what_is_wrong() {
    for (text, said) in [
        ("", "it cannot be read"),
        (r#"{"events":{"A":{},"A":{"type":"string"}}}"#, "it cannot be read"),
        (r#"{"events":{"A":{"type":"string","type":"object"}}}"#, "it cannot be read"),
        ("[]", "it is an object with the member \"events\""),
        ("{}", "\"events\" is an object: of each event type, the schema of its data"),
        (r#"{"event":{}}"#, "it has no member \"event\", but "),
        (r#"{"events":{},"additionalEvents":1}"#, "\"additionalEvents\" is true or false"),
        (
            r#"{"$schema":"http://json-schema.org/draft-07/schema#","events":{}}"#,
            "its \"$schema\" is https://json-schema.org/draft/2020-12/schema, or nothing",
        ),
        (r#"{"events":{"T":{"type":"strin"}}}"#, "the schema of the event type \"T\": /type: "),
        (r#"{"events":{"T":{"pattern":"("}}}"#, "the schema of the event type \"T\": /pattern: "),
        (
            r##"{"events":{"T":{"$ref":"#/$defs/no"}}}"##,
            "the schema of the event type \"T\": it refers to something that is not in the file",
        ),
        (
            r#"{"events":{"T":{"$ref":"https://example.com/a.json"}}}"#,
            "the schema of the event type \"T\": it refers to something that is not in the file",
        ),
    ] {
        let error = EventSchemas::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(said), "{text}: {error}");
    }
}

#[test]
fn what_means_the_same_has_the_same_version() {
    let spaced = DEPARTED.replace("\"minLength\": 1", "\"minLength\":1");
    assert_eq!(schemas(DEPARTED).version(), schemas(&spaced).version());
    let longer = DEPARTED.replace("\"minLength\": 1", "\"minLength\": 2");
    assert_ne!(schemas(DEPARTED).version(), schemas(&longer).version());
}

/// Data as deep as events may have was refused by a schema that takes everything, and so were
/// numbers that no double holds.
#[test]
fn what_is_allowed_without_condition_is_not_read() {
    let schemas = schemas(r#"{"events":{"Any":true,"Object":{"type":["array","object"]}}}"#);
    let deep = format!("{}{}", "[".repeat(128), "]".repeat(128));
    assert_eq!(check(&schemas, "Any", &deep), Ok(()));
    assert_eq!(check(&schemas, "Any", "1e400"), Ok(()));
    assert_eq!(check(&schemas, "Object", &deep), Ok(()));
    assert!(check(&schemas, "Object", "[1e400]").unwrap_err().contains("no schema can judge"));
}
