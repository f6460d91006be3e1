//! `laterbase status`, `log` and `show`.

use std::io::Read;
use std::process::Stdio;

use serde_json::Value;

use crate::command::Workplace;
use crate::sample;

fn late_event() -> Vec<String> {
    [("Departed", "2024-05-02"), ("Arrived", "2024-05-03"), ("Packed", "2024-05-01")]
        .map(|(event_type, day)| {
            format!(
                r#"{{"root":"shipment","aggregate_id":"UA1545/2013-01-01/EWR","type":"{event_type}","occurred_at":"{day}T00:00:00Z","data":{{"last":"{event_type}","day":"{day}"}}}}"#
            )
        })
        .to_vec()
}

fn types(log: &str) -> Vec<String> {
    log.lines()
        .map(|line| {
            let event: Value = serde_json::from_str(line).unwrap();
            event["type"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn the_log_is_in_recorded_order_and_an_aggregate_in_the_order_of_events() {
    let place = Workplace::new();
    let file = place.write("day.ndjson", &late_event());
    place.succeed(&["record", &file]);
    let log = place.succeed(&["log", "--root", "shipment"]);
    assert_eq!(types(&log), ["Departed", "Arrived", "Packed"]);
    let id = "UA1545/2013-01-01/EWR";
    let log = place.succeed(&["log", "--root", "shipment", "--aggregate", id]);
    assert_eq!(types(&log), ["Packed", "Departed", "Arrived"]);
    let state = place.succeed(&["show", "--root", "shipment", id]);
    let state: Value = serde_json::from_str(&state).unwrap();
    assert_eq!(state["last"], "Arrived");
}

#[test]
fn the_log_of_many_pages_holds_every_event_once() {
    let place = Workplace::new();
    let lines: Vec<String> = (0..3_210)
        .map(|index| {
            format!(r#"{{"root":"pallet","aggregate_id":"P","type":"T{index}","data":0}}"#)
        })
        .collect();
    place.succeed(&["record", &place.write("day.ndjson", &lines)]);
    let expected: Vec<String> = (0..3_210).map(|index| format!("T{index}")).collect();
    assert_eq!(types(&place.succeed(&["log", "--root", "pallet"])), expected);
    let log = place.succeed(&["log", "--root", "pallet", "--aggregate", "P"]);
    assert_eq!(types(&log), expected);
}

#[test]
fn status_says_what_is_there_and_what_is_pending() {
    let place = Workplace::new();
    let lines = sample::lines(7, 500);
    place.succeed(&["record", &place.write("day.ndjson", &lines)]);
    let status = place.summary(&["status"]);
    assert_eq!(status["engine"], "lmdb");
    assert_eq!(status["replica"].as_str().unwrap().len(), 32);
    let roots = status["roots"].as_object().unwrap();
    assert_eq!(roots.len(), 3);
    for (name, root) in roots {
        let needle = format!(r#""root":"{name}""#);
        let expected = lines.iter().filter(|line| line.contains(&needle)).count() as u64;
        assert_eq!(
            (root["events"].as_u64(), root["pending"].as_u64()),
            (Some(expected), Some(expected))
        );
        assert_eq!(root["digest"].as_str().unwrap().len(), 64);
        assert!(root["vv"].is_string() && root["aggregates"].as_u64() > Some(0));
    }
    let text = place.succeed(&["status"]);
    assert!(text.contains("container@depot-7") && text.contains("pending"), "{text}");
}

#[test]
fn what_is_not_there_is_named() {
    let place = Workplace::new();
    for command in [
        &["status"][..],
        &["verify"],
        &["log", "--root", "pallet"],
        &["show", "--root", "pallet", "P"],
        &["export", "out.lbd"],
    ] {
        assert!(place.fail(command).contains("there is no store at"), "{command:?}");
    }
    assert!(!place.path("laterbase-data").exists() && !place.path("out.lbd").exists());
    place.succeed(&["record", &place.write("day.ndjson", &late_event())]);
    assert!(place.fail(&["log", "--root", "pallet"]).contains("no events of pallet"));
    assert!(place.fail(&["show", "--root", "shipment", "P"]).contains("no events of P"));
    let log = ["log", "--root", "shipment", "--aggregate", "P"];
    assert!(place.fail(&log).contains("no events of P"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = Workplace::new();
    place.succeed(&["record", &place.write("day.ndjson", &sample::lines(1, 5_000))]);
    let mut command = place.command(&["log", "--root", "shipment"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 10]).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn a_store_in_use_is_left_alone() {
    let place = Workplace::new();
    place.succeed(&["record", &place.write("day.ndjson", &late_event())]);
    let path = place.path("laterbase-data");
    let options = laterbase_client::device::DeviceOptions::default();
    let device = laterbase_client::device::Device::open(&path, options).unwrap();
    assert_eq!(place.event_count(), 3);
    // Nobody takes events here, or lets go of the store.
    let resolve = ["resolve", "--root", "r", "--origin", &"0".repeat(32), "--keep", "ours"];
    assert!(place.fail(&resolve).contains("open already"));
    device.close().unwrap();
    assert_eq!(place.event_count(), 3);
}
