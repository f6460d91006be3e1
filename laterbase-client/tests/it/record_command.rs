//! `laterbase record`.

use serde_json::json;

use crate::command::Workplace;
use crate::sample;

/// Lines for `--root`, or for none where they name it.
fn plain_lines(count: usize) -> Vec<String> {
    (0..count).map(|index| good(index, "")).collect()
}

fn good(index: usize, more: &str) -> String {
    format!(r#"{{"aggregate_id":"P{index}","type":"Packed","data":{index}{more}}}"#)
}

/// Records 2,500 lines, the last but 100 of which is replaced, and looks at the complaint.
#[track_caller]
fn check_bad_line(bad: &str, field: Option<&str>) {
    let place = Workplace::new();
    let mut lines = plain_lines(2_500);
    bad.clone_into(&mut lines[2_399]);
    let file = place.write("day.ndjson", &lines);
    let complaint = place.fail(&["record", "--root", "pallet", &file]);
    let expected = match field {
        Some(field) => format!("day.ndjson, line 2400, field {field}: "),
        None => "day.ndjson, line 2400: ".to_owned(),
    };
    assert!(complaint.contains(&expected), "{complaint}");
    assert!(complaint.contains("from line 2001 on"), "{complaint}");
    assert!(complaint.contains("stored 2000 events"), "{complaint}");
    assert_eq!(place.event_count(), 2_000);
}

#[test]
fn lines_of_several_roots_are_recorded_and_counted() {
    let place = Workplace::new();
    let file = place.write("day.ndjson", &sample::lines(1, 2_345));
    assert_eq!(place.summary(&["record", &file]), json!({"recorded": 2_345, "replayed": 0}));
    assert_eq!(place.event_count(), 2_345);
}

#[test]
fn standard_input_serves_as_a_file() {
    let place = Workplace::new();
    for arguments in [&["record", "--root", "pallet"][..], &["record", "--root", "pallet", "-"]] {
        let ended = place.feed(arguments, plain_lines(3).join("\n").as_bytes());
        assert_eq!((ended.code, ended.stdout.as_str()), (0, "recorded 3 events\n"));
    }
    let ended = place.feed(&["record"], b"{\n");
    assert!(ended.stderr.contains("standard input, line 1"), "{}", ended.stderr);
    assert_eq!((ended.code, place.event_count()), (1, 6));
}

#[test]
fn an_empty_file_records_nothing() {
    let place = Workplace::new();
    let file = place.write("empty.ndjson", &["\n\n  \r".to_owned()]);
    assert_eq!(place.summary(&["record", &file])["recorded"], 0);
}

#[test]
fn a_bad_line_keeps_its_batch_out_and_is_named() {
    check_bad_line("not json", None);
    check_bad_line(r#"{"aggregate_id":"P1","type":"Packed","data":1"#, None);
    check_bad_line("[]", None);
    check_bad_line(&good(1, r#","colour":"red""#), Some("colour"));
    check_bad_line(r#"{"aggregate_id":"P1","data":1}"#, Some("type"));
    check_bad_line(r#"{"aggregate_id":7,"type":"Packed","data":1}"#, Some("aggregate_id"));
    check_bad_line(r#"{"aggregate_id":"","type":"Packed","data":1}"#, Some("aggregate_id"));
    check_bad_line(r#"{"aggregate_id":"P1","type":"Packed"}"#, Some("data"));
    check_bad_line(&good(1, r#","data_base64":"AA==""#), Some("data_base64"));
    check_bad_line(&good(1, r#","occurred_at":"yesterday""#), Some("occurred_at"));
    check_bad_line(&good(1, r#","occurred_at":"2200-01-01T00:00:00Z""#), Some("occurred_at"));
    check_bad_line(&good(1, r#","root":"truck""#), Some("root"));
    let long_key = format!(r#","idempotency_key":"{}""#, "k".repeat(256));
    check_bad_line(&good(1, &long_key), Some("idempotency_key"));
    check_bad_line(&"x".repeat(5 * 1024 * 1024), None);
}

#[test]
fn bytes_that_are_no_text_are_a_bad_line() {
    let ended = Workplace::new().feed(&["record", "--root", "pallet"], b"{\"type\":\"\xff\"}\n");
    assert!(ended.stderr.contains("line 1: not UTF-8"), "{}", ended.stderr);
    assert_eq!(ended.code, 1);
}

#[test]
fn the_root_comes_from_the_line_or_the_command() {
    let place = Workplace::new();
    let named = [good(1, r#","root":"pallet""#)];
    let file = place.write("named.ndjson", &named);
    place.succeed(&["record", &file]);
    place.succeed(&["record", "--root", "pallet", &file]);
    let file = place.write("unnamed.ndjson", &plain_lines(1));
    assert!(place.fail(&["record", &file]).contains("line 1, field root: is missing"));
    let file = place.write("odd.ndjson", &[good(1, r#","root":"a/b""#)]);
    assert!(place.fail(&["record", &file]).contains("line 1, field root: "));
    assert_eq!(place.event_count(), 2);
}

#[test]
fn lines_with_known_keys_are_replayed() {
    let place = Workplace::new();
    let keyed: Vec<String> =
        (0..10).map(|index| good(index, &format!(r#","idempotency_key":"k{index}""#))).collect();
    let file = place.write("keyed.ndjson", &keyed);
    let record = ["record", "--root", "pallet", &file];
    assert_eq!(place.summary(&record), json!({"recorded": 10, "replayed": 0}));
    assert_eq!(place.summary(&record), json!({"recorded": 0, "replayed": 10}));
    let mut changed = plain_lines(3);
    changed.push(good(99, r#","idempotency_key":"k4""#));
    let file = place.write("changed.ndjson", &changed);
    let complaint = place.fail(&["record", "--root", "pallet", &file]);
    assert!(complaint.contains("line 4, field idempotency_key: "), "{complaint}");
    assert_eq!(place.event_count(), 10);
}

#[test]
fn large_lines_make_small_batches() {
    let place = Workplace::new();
    let pad = "x".repeat(900_000);
    let mut lines: Vec<String> = (0..12)
        .map(|index| format!(r#"{{"aggregate_id":"P{index}","type":"Scanned","data":"{pad}"}}"#))
        .collect();
    lines.push("{".to_owned());
    let file = place.write("large.ndjson", &lines);
    let complaint = place.fail(&["record", "--root", "pallet", &file]);
    // Four lines make 3.6 MB, so the bad one is in the third batch.
    assert!(complaint.contains("from line 9 on"), "{complaint}");
    assert_eq!(place.event_count(), 8);
}

#[test]
fn a_file_that_is_not_there_makes_no_store() {
    let place = Workplace::new();
    assert!(place.fail(&["record", "nowhere.ndjson"]).contains("cannot open nowhere.ndjson"));
    assert!(!place.path("laterbase-data").exists());
}

#[test]
fn wrong_use_is_told_from_failure() {
    let place = Workplace::new();
    for arguments in [
        &["record", "--root", "a b"][..],
        &["record", "one", "two"],
        &["sync"],
        &["sync", "--server", "depot"],
        &["log"],
        &["remember"],
        &[],
    ] {
        let ended = place.run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{arguments:?}");
    }
}
