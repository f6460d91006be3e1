#![allow(clippy::unwrap_used, reason = "tests")]

use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;
use crate::event::Event;
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId, RootName};

fn parse(text: &str) -> Result<JsonEvent<'_>, JsonError> {
    JsonEvent::parse(text.as_bytes())
}

fn collect(
    visit_all: fn(&'static [u8], &mut Visit<'_, 'static>) -> Result<(), JsonError>,
    text: &'static str,
) -> (Vec<String>, Result<(), JsonError>) {
    let mut ids = Vec::new();
    let result = visit_all(text.as_bytes(), &mut |event| {
        ids.push(event.record().aggregate_id.to_owned());
        ControlFlow::Continue(())
    });
    (ids, result)
}

fn event<'a>(record: Record<'a>) -> Event<'a> {
    let origin = ReplicaId::from_bytes([0xab; 16]);
    Event {
        dot: Dot { origin, seq: 7 },
        recorded: Hlc::from_unix_nanos(1_500_000_000),
        arrived: 0,
        position: 1,
        record,
        voided_by: &[],
    }
}

fn written(record: Record<'_>) -> String {
    let mut out = Vec::new();
    write_event(&mut out, &RootName::new("shipment").unwrap(), &event(record));
    String::from_utf8(out).unwrap()
}

#[test]
fn a_full_event_is_read_field_by_field() {
    let event = parse(
        r#" { "root": "shipment", "aggregate_id": "ASN-5", "type": "Depart\u0065d", "version": 3,
              "occurred_at": "1970-01-01T00:00:01Z", "data": { "a" : [1, 2.50] },
              "idempotency_key": "k1" } "#,
    )
    .unwrap();
    assert_eq!(event.root(), Some("shipment"));
    let expected = Record {
        version: 3,
        occurred: Some(1_000_000_000),
        idempotency_key: Some("k1"),
        ..Record::json("ASN-5", "Departed", r#"{ "a" : [1, 2.50] }"#)
    };
    assert_eq!(event.record(), expected);
}

#[test]
fn absent_fields_have_their_defaults_and_null_is_data() {
    let event = parse(r#"{"aggregate_id":"a","type":"t","data":null}"#).unwrap();
    assert_eq!(event.record(), Record::json("a", "t", "null"));
    assert_eq!(event.root(), None);
}

/// Lua, spreadsheets and others write whole numbers so.
#[test]
fn a_whole_number_is_one_however_it_is_written() {
    for (version, expected) in [("1.0", 1), ("1e0", 1), ("0.3e1", 3), ("4294967295.0", u32::MAX)] {
        let text = format!(r#"{{"aggregate_id":"a","type":"t","data":1,"version":{version}}}"#);
        assert_eq!(parse(&text).unwrap().record().version, expected, "{version}");
    }
    for version in ["1.5", "-1.0", "4294967296.0", "1e400", "\"1\""] {
        let text = format!(r#"{{"aggregate_id":"a","type":"t","data":1,"version":{version}}}"#);
        assert_eq!(parse(&text).unwrap_err().field.as_deref(), Some("version"), "{version}");
    }
}

/// Tools on Windows begin a file with a byte order mark, also where they add to one.
#[test]
fn a_byte_order_mark_is_passed_over() {
    let one = "\u{feff}{\"aggregate_id\":\"a\",\"type\":\"t\",\"data\":1}";
    assert_eq!(parse(one).unwrap().record().aggregate_id, "a");
    assert_eq!(collect(visit_document, one), (vec!["a".into()], Ok(())));
    assert_eq!(collect(visit_document, "\u{feff} []"), (vec![], Ok(())));
    let lines = "\u{feff}{\"aggregate_id\":\"a\",\"type\":\"t\",\"data\":1}\r\n\
                 \u{feff}{\"aggregate_id\":\"b\",\"type\":\"t\",\"data\":1}\n\u{feff}\n";
    assert_eq!(collect(visit_lines, lines), (vec!["a".into(), "b".into()], Ok(())));
    let utf16 = JsonEvent::parse(b"\xff\xfe{\0").unwrap_err();
    assert!(utf16.detail.contains("UTF-16"), "{utf16}");
}

/// What a peer sent may be such that parsers give up, and with them whoever follows the feed.
#[test]
fn data_that_common_parsers_do_not_take_goes_out_as_base64() {
    let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let is_base64 = |data: &str| written(Record::json("a", "t", data)).contains("\"data_base64\":");
    assert!(!is_base64(&deep(128)));
    assert!(is_base64(&deep(129)));
    assert!(is_base64(r#"{"note":"\ud83d"}"#));
    assert!(is_base64("{"));
}

#[test]
fn events_are_read_whatever_the_depth_of_their_data() {
    for depth in [127, 128, 129, 100_000] {
        let data = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let one = format!(r#"{{"aggregate_id":"a","type":"t","data":{data}}}"#);
        assert_eq!(parse(&one).unwrap().record().data, data.as_bytes());
        let mut count = 0;
        let mut visit = |_: JsonEvent<'_>| {
            count += 1;
            ControlFlow::Continue(())
        };
        visit_document(format!("[{one},{one}]").as_bytes(), &mut visit).unwrap();
        visit_lines(format!("{one}\n{one}").as_bytes(), &mut visit).unwrap();
        assert_eq!(count, 4);
    }
}

#[test]
fn null_in_a_field_that_may_be_absent_is_as_if_it_were() {
    // Serializers of many languages write all of a struct's fields. `occurred_at: null` was 400.
    let nulls = r#""root":null,"version":null,"occurred_at":null,"idempotency_key":null"#;
    let json = format!(r#"{{"aggregate_id":"a","type":"t","data":1,"data_base64":null,{nulls}}}"#);
    let event = parse(&json).unwrap();
    assert_eq!((event.record(), event.root()), (Record::json("a", "t", "1"), None));
    let bytes =
        format!(r#"{{"aggregate_id":"a","type":"t","data":null,"data_base64":"MQ==",{nulls}}}"#);
    let event = parse(&bytes).unwrap();
    assert_eq!(event.record(), Record { is_json: false, ..Record::json("a", "t", "1") });
    let data = r#"{"aggregate_id":"a","type":"t","data":null,"data_base64":null}"#;
    assert_eq!(parse(data).unwrap().record(), Record::json("a", "t", "null"));
    // The field at fault is still the one that is named.
    let other = format!(r#"{{"aggregate_id":"a","type":"t","data":1,{nulls},"colour":null}}"#);
    assert_eq!(parse(&other).unwrap_err().field.as_deref(), Some("colour"));
    let twice = r#"{"aggregate_id":"a","type":"t","data":1,"version":null,"version":1}"#;
    assert_eq!(parse(twice).unwrap_err().field.as_deref(), Some("version"));
}

#[test]
fn base64_data_is_bytes_and_not_json() {
    let event = parse(r#"{"aggregate_id":"a","type":"t","data_base64":"e30="}"#).unwrap();
    assert_eq!(event.record(), Record { is_json: false, ..Record::json("a", "t", "{}") });
}

#[test]
fn plain_text_is_borrowed_from_the_request() {
    let event = parse(r#"{"aggregate_id":"a","type":"t","data":1}"#).unwrap();
    assert!(matches!(event.aggregate_id, Cow::Borrowed("a")));
}

#[test]
fn the_field_at_fault_is_named() {
    for (text, field) in [
        (r#"{"type":"t","data":1}"#, Some("aggregate_id")),
        (r#"{"aggregate_id":"a","data":1}"#, Some("type")),
        (r#"{"aggregate_id":"a","type":"t"}"#, Some("data")),
        (r#"{"aggregate_id":"a","type":"t","data":1,"data_base64":""}"#, Some("data_base64")),
        (r#"{"aggregate_id":"a","type":"t","data_base64":"e30"}"#, Some("data_base64")),
        (r#"{"aggregate_id":"a","type":"t","data_base64":5}"#, Some("data_base64")),
        (r#"{"aggregate_id":7,"type":"t","data":1}"#, Some("aggregate_id")),
        (r#"{"aggregate_id":"a","type":null,"data":1}"#, Some("type")),
        (r#"{"aggregate_id":"a","type":"t","data":1,"version":"1"}"#, Some("version")),
        (r#"{"aggregate_id":"a","type":"t","data":1,"version":-1}"#, Some("version")),
        (r#"{"aggregate_id":"a","type":"t","data":1,"version":1.5}"#, Some("version")),
        (r#"{"aggregate_id":"a","type":"t","data":1,"version":4294967296}"#, Some("version")),
        (r#"{"aggregate_id":"a","type":"t","data":1,"occurred_at":5}"#, Some("occurred_at")),
        (
            r#"{"aggregate_id":"a","type":"t","data":1,"idempotency_key":{}}"#,
            Some("idempotency_key"),
        ),
        (r#"{"aggregate_id":"a","type":"t","data":1,"root":[]}"#, Some("root")),
        (r#"{"aggregate_id":"a","type":"t","data":1,"colour":"red"}"#, Some("colour")),
        (r#"{"aggregate_id":"a","type":"t","data":1,"type":"t"}"#, Some("type")),
        (r#"{"aggregate_id":"\ud800","type":"t","data":1}"#, Some("aggregate_id")),
        (r#"{"aggregate_id":"a","type":"t","data":tru}"#, None),
        (r#"{"aggregate_id":"a","type":"t","data":1} {}"#, None),
        (r#"{"aggregate_id":"a","type":"t","data":1"#, None),
        (r#"["a","t",1]"#, None),
        ("null", None),
        ("", None),
        ("{}", Some("aggregate_id")),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.field.as_deref(), field, "{text}: {error}");
        assert_eq!(error.kind, JsonErrorKind::Malformed, "{text}");
    }
    assert_eq!(JsonEvent::parse(b"{\"\xff\":1}").unwrap_err().field, None);
}

#[test]
fn a_time_that_there_is_not_is_invalid_rather_than_malformed() {
    for time in [
        "",
        "yesterday",
        "2013-02-30T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2024-03-01T08:00:00+25:59",
    ] {
        let text = format!(r#"{{"aggregate_id":"a","type":"t","data":1,"occurred_at":"{time}"}}"#);
        let error = parse(&text).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("occurred_at"));
        assert_eq!(error.kind, JsonErrorKind::Invalid);
    }
}

#[test]
fn a_document_is_an_object_or_an_array() {
    let one = r#" {"aggregate_id":"a","type":"t","data":1} "#;
    assert_eq!(collect(visit_document, one), (vec!["a".into()], Ok(())));
    let two = r#"[{"aggregate_id":"a","type":"t","data":1},
                  {"aggregate_id":"b","type":"t","data":[{}]}]"#;
    assert_eq!(collect(visit_document, two), (vec!["a".into(), "b".into()], Ok(())));
    assert_eq!(collect(visit_document, " [ ] "), (vec![], Ok(())));
}

#[test]
fn an_array_names_the_element_and_its_field() {
    for (text, index, field) in [
        (
            r#"[{"aggregate_id":"a","type":"t","data":1},{"aggregate_id":"b","data":1}]"#,
            1,
            Some("type"),
        ),
        (
            r#"[{"aggregate_id":"a","type":"t","data":1},{"aggregate_id":"b","type":"t"}]"#,
            1,
            Some("data"),
        ),
        (r#"[{"aggregate_id":"a","type":"t","data":1},7]"#, 1, None),
        (r#"[{"aggregate_id":"a","type":"t","data":1},]"#, 1, None),
        (r#"[{"aggregate_id":"a","type":"t","data":1}"#, 1, None),
        (r#"[{"aggregate_id":"a","type":"t","data":1}] x"#, 1, None),
        (r#"[{"aggregate_id":"a","type":"t","data":1,"occurred_at":"x"}]"#, 0, Some("occurred_at")),
    ] {
        let error = collect(visit_document, text).1.unwrap_err();
        assert_eq!((error.index, error.field.as_deref()), (index, field), "{text}: {error}");
    }
}

#[test]
fn lines_are_events_and_blank_ones_are_skipped() {
    let lines = "\n{\"aggregate_id\":\"a\",\"type\":\"t\",\"data\":1}\r\n  \n\
                 {\"aggregate_id\":\"b\",\"type\":\"t\",\"data\":1}";
    assert_eq!(collect(visit_lines, lines), (vec!["a".into(), "b".into()], Ok(())));
    let broken = "{\"aggregate_id\":\"a\",\"type\":\"t\",\"data\":1}\n\n{\"aggregate_id\":\n\"b\"}";
    let (ids, result) = collect(visit_lines, broken);
    assert_eq!((ids, result.unwrap_err().index), (vec!["a".into()], 1));
}

#[test]
fn each_event_can_be_read_for_itself() {
    let good = |id: &str| format!(r#"{{"aggregate_id":"{id}","type":"t","data":1}}"#);
    let mut seen: Vec<Result<String, (usize, Option<String>)>> = Vec::new();
    let mut visit = |event: Result<JsonEvent<'_>, JsonError>| {
        let told = event.map(|event| event.record().aggregate_id.to_owned());
        seen.push(told.map_err(|error| (error.index, error.field)));
        ControlFlow::Continue(())
    };
    let array = format!(r#"[{}, 7, {{"aggregate_id":"x"}}, {}]"#, good("a"), good("b"));
    visit_document_each(array.as_bytes(), &mut visit).unwrap();
    let mut lines = format!("{}\n\nnot JSON\n", good("c")).into_bytes();
    lines.extend_from_slice(b"\xff\n");
    lines.extend_from_slice(good("d").as_bytes());
    visit_lines_each(&lines, &mut visit);
    visit_document_each(good("e").as_bytes(), &mut visit).unwrap();
    let missing = Some("type".to_owned());
    let expected = [
        Ok("a".to_owned()),
        Err((1, None)),
        Err((2, missing)),
        Ok("b".to_owned()),
        Ok("c".to_owned()),
        Err((1, None)),
        Err((2, None)),
        Ok("d".to_owned()),
        Ok("e".to_owned()),
    ];
    assert_eq!(seen, expected);
    // Where the array itself is broken, nobody can say where the next event begins.
    let mut ignore = |_event: Result<JsonEvent<'_>, JsonError>| ControlFlow::Continue(());
    for broken in [format!("[{},", good("a")), format!("[{}] x", good("a")), "[}".to_owned()] {
        assert!(visit_document_each(broken.as_bytes(), &mut ignore).is_err(), "{broken}");
    }
}

#[test]
fn a_visitor_that_breaks_sees_no_more() {
    let array =
        r#"[{"aggregate_id":"a","type":"t","data":1},{"aggregate_id":"b","type":"t","data":1}]"#;
    let lines = "{\"aggregate_id\":\"a\",\"type\":\"t\",\"data\":1}\n{\"aggregate_id\":\"b\"}";
    let mut count = 0;
    let mut visit = |_event: JsonEvent<'_>| {
        count += 1;
        ControlFlow::Break(())
    };
    assert_eq!(visit_document(array.as_bytes(), &mut visit), Ok(()));
    assert_eq!(visit_lines(lines.as_bytes(), &mut visit), Ok(()));
    assert_eq!(count, 2);
}

#[test]
fn an_event_goes_out_with_its_id_and_clock() {
    let record = Record {
        version: 2,
        occurred: Some(-1),
        idempotency_key: Some("k\"1"),
        ..Record::json("UA1545/2013-01-01/EWR", "Departed", r#"{"delay": 2.0}"#)
    };
    let expected = concat!(
        r#"{"id":"shipment:abababababababababababababababab-7","root":"shipment","#,
        r#""aggregate_id":"UA1545/2013-01-01/EWR","type":"Departed","version":2,"#,
        r#""occurred_at":"1969-12-31T23:59:59.999999999Z","#,
        r#""recorded_at":"1970-01-01T00:00:01.500000000Z","hlc":"0000000180000000","#,
        r#""idempotency_key":"k\"1","data":{"delay": 2.0}}"#
    );
    assert_eq!(written(record), expected);
}

#[test]
fn line_breaks_in_data_do_not_break_the_line() {
    let data = "{\n  \"a\": \"x\\ny\",\r\n  \"b\": [1,\n2]\n}";
    let record = Record::json("a", "t", data);
    let line = written(record);
    assert!(!line.contains(['\n', '\r']), "{line}");
    assert!(line.ends_with(r#""data":{   "a": "x\ny",    "b": [1, 2] }}"#), "{line}");

    let mut verbatim = Vec::new();
    write_event_verbatim(&mut verbatim, &RootName::new("shipment").unwrap(), &event(record));
    assert!(verbatim.ends_with(format!("\"data\":{data}}}").as_bytes()));
}

/// Mutation: without the check in `write_data`, a peer's "JSON" closes our object.
#[test]
fn data_that_only_claims_to_be_json_goes_out_as_base64() {
    let line = written(Record::json("a", "t", r#"1},{"id":"forged""#));
    assert!(line.contains(r#""data_base64":"MX0seyJpZCI6ImZvcmdlZCI=""#), "{line}");
    let bytes = written(Record { data: &[0xff], ..Record::json("a", "t", "") });
    assert!(bytes.ends_with(r#""data_base64":"/w=="}"#), "{bytes}");
}

#[test]
fn who_why_and_the_offset_come_in_and_go_out() {
    let event = parse(
        r#"{"aggregate_id":"a","type":"t","data":1,"occurred_at":"1970-01-01T02:30:00+02:30",
            "metadata":{"device":"scanner 7","actor":"Am\u0061"}}"#,
    )
    .unwrap();
    let record = event.record();
    assert_eq!((record.occurred, record.occurred_offset), (Some(0), Some(150)));
    assert_eq!(
        record.metadata.iter().collect::<Vec<_>>(),
        [("actor", "Ama"), ("device", "scanner 7")]
    );
    let line = written(record);
    assert!(line.contains(r#""occurred_at":"1970-01-01T00:00:00Z","occurred_offset":"+02:30""#));
    assert!(line.contains(r#""metadata":{"actor":"Ama","device":"scanner 7"},"data""#), "{line}");
    let west = parse(
        r#"{"aggregate_id":"a","type":"t","data":1,"occurred_at":"1970-01-01T00:00:00-09:15"}"#,
    )
    .unwrap();
    assert!(written(west.record()).contains(r#""occurred_offset":"-09:15""#));
    for unsaid in ["Z", "-00:00"] {
        let text = format!(
            r#"{{"aggregate_id":"a","type":"t","data":1,"occurred_at":"1970-01-01T00:00:00{unsaid}"}}"#
        );
        assert_eq!(parse(&text).unwrap().record().occurred_offset, None, "{unsaid}");
    }
}

#[test]
fn ids_of_what_is_taken_back_are_of_the_events_own_root() {
    let text = format!(
        r#"{{"aggregate_id":"a","type":"t","data":1,"voids":["shipment:{0}-3","shipment:{0}-2"]}}"#,
        "ab".repeat(16)
    );
    let event = parse(&text).unwrap();
    let seqs: Vec<u64> = event.record().voids.iter().map(|void| void.dot.seq).collect();
    assert_eq!(seqs, [2, 3]);
    let shipment = RootName::new("shipment").unwrap();
    assert_eq!(event.check_root(&shipment), Ok(()));
    let error = event.check_root(&RootName::new("shipment@depot-7").unwrap()).unwrap_err();
    assert_eq!((error.field.as_deref(), error.kind), (Some("voids"), JsonErrorKind::Invalid));
    let ids = format!(r#""voids":["shipment:{0}-2","shipment:{0}-3"]"#, "ab".repeat(16));
    assert!(written(event.record()).contains(&ids));
    let voided = Event {
        voided_by: &[Dot { origin: ReplicaId::from_bytes([1; 16]), seq: 9 }],
        ..self::event(event.record())
    };
    let mut out = Vec::new();
    write_event(&mut out, &shipment, &voided);
    let by = format!(r#""voided_by":["shipment:{}-9"]"#, "01".repeat(16));
    assert!(String::from_utf8(out).unwrap().contains(&by));
}

#[test]
fn metadata_and_voids_of_another_form_are_named() {
    let of = |fields: &str| {
        let text = format!(r#"{{"aggregate_id":"a","type":"t","data":1,{fields}}}"#);
        parse(&text).map(drop).map_err(|error| (error.field.unwrap_or_default(), error.kind))
    };
    let malformed = |field: &str| Err((field.to_owned(), JsonErrorKind::Malformed));
    let invalid = |field: &str| Err((field.to_owned(), JsonErrorKind::Invalid));
    assert_eq!(of(r#""metadata":null,"voids":null"#), Ok(()));
    assert_eq!(of(r#""metadata":{},"voids":[]"#), Ok(()));
    for other in ["1", "[]", r#"{"a":1}"#, r#"{"a":"1","a":"2"}"#] {
        assert_eq!(of(&format!(r#""metadata":{other}"#)), malformed("metadata"), "{other}");
    }
    for other in ["1", "{}", "[1]", r#""shipment:x""#] {
        assert_eq!(of(&format!(r#""voids":{other}"#)), malformed("voids"), "{other}");
    }
    assert_eq!(of(r#""metadata":{"":"1"}"#), invalid("metadata"));
    assert_eq!(of(&format!(r#""metadata":{{"a":"{}"}}"#, "x".repeat(1025))), invalid("metadata"));
    let many: Vec<String> = (0..33).map(|n| format!(r#""n{n}":"""#)).collect();
    assert_eq!(of(&format!(r#""metadata":{{{}}}"#, many.join(","))), invalid("metadata"));
    assert_eq!(of(r#""voids":["shipment"]"#), invalid("voids"));
    let id = |root: &str, seq: u32| format!(r#""{root}:{}-{seq}""#, "0".repeat(32));
    assert_eq!(of(&format!(r#""voids":[{},{}]"#, id("a", 1), id("b", 1))), invalid("voids"));
    let many: Vec<String> = (1..=257).map(|seq| id("a", seq)).collect();
    assert_eq!(of(&format!(r#""voids":[{}]"#, many.join(","))), invalid("voids"));
}

proptest! {
    #[test]
    fn what_goes_out_says_what_came_in(
        aggregate_id in "\\PC{1,20}", event_type: String, version: u32, occurred: Option<i64>,
        key: Option<String>, data: Vec<u8>, is_json: bool, text: String,
    ) {
        let quoted = serde_json::to_string(&text).unwrap();
        let data = if is_json { quoted.as_bytes() } else { &data };
        let record = Record {
            event_type: &event_type, version, aggregate_id: &aggregate_id, occurred, is_occurred_defaulted: false,
            idempotency_key: key.as_deref(), is_json, data, ..Record::json("", "", "")
        };
        let out: serde_json::Value = serde_json::from_str(&written(record)).unwrap();
        let mut fields = out.as_object().unwrap().clone();
        for added in ["id", "recorded_at", "hlc"] {
            prop_assert!(fields.remove(added).is_some());
        }
        let again = serde_json::to_string(&fields).unwrap();
        let event = parse(&again).unwrap();
        let occurred = Some(occurred.unwrap_or(1_500_000_000));
        prop_assert_eq!(event.record(), Record { occurred, ..record });
    }

    #[test]
    fn no_text_panics(
        bytes: Vec<u8>,
        text in r#"[\[{]?(\{?"(aggregate_id|type|data|version|x)":("a"|1|null|\{\}|\[),?\}?){0,6}[\]}\n]?"#,
    ) {
        for input in [&bytes[..], text.as_bytes()] {
            let _ = visit_document(input, &mut |_event| ControlFlow::Continue(()));
            let _ = visit_lines(input, &mut |_event| ControlFlow::Continue(()));
        }
    }
}
