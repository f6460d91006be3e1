//! `laterbase show` and `log` on the three time axes, and `timeline`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use laterbase_client::device::{Device, DeviceOptions};
use laterbase_core::event::Record;
use laterbase_core::id::RootName;
use laterbase_core::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use laterbase_core::time::parse_time;
use serde_json::{Value, json};

use crate::command::Workplace;

/// A device whose clock the test sets.
struct Desk {
    device: Device,
    now: Arc<AtomicI64>,
    root: RootName,
}

impl Desk {
    fn open(path: &Path, id: u8) -> Self {
        let now = Arc::new(AtomicI64::new(0));
        let clock = Arc::clone(&now);
        let options = DeviceOptions {
            wall_clock: Box::new(move || clock.load(Ordering::Relaxed)),
            random: Box::new(move || [id; 16]),
            ..DeviceOptions::default()
        };
        let device = Device::open(path, options).unwrap();
        Self { device, now, root: RootName::new("shipment").unwrap() }
    }

    fn set_clock(&self, time: &str) {
        self.now.store(parse_time(time).unwrap(), Ordering::Relaxed);
    }

    fn record(&self, now: &str, event_type: &str, occurred: &str, data: &str) {
        self.set_clock(now);
        let occurred = Some(parse_time(occurred).unwrap());
        let mut batch = self.device.batch(&self.root);
        batch.push(&Record { occurred, ..Record::json("S-1", event_type, data) }).unwrap();
        self.device.record(&batch).unwrap();
    }

    fn hear(&self, now: &str, other: &Self) {
        self.set_clock(now);
        let held = self.device.reader().version_vector(&self.root);
        let reader = other.device.reader();
        let page = reader.delta(&self.root, &held, BATCH_EVENTS_MAX, BATCH_BYTES_MAX).unwrap();
        self.device.merge(&page.bytes).unwrap();
    }
}

/// The office's store. It reroutes on Monday, without knowing what the truck did on Sunday and
/// says on Tuesday; on Wednesday it finds a form from Saturday.
fn office() -> Workplace {
    let place = Workplace::new();
    let office = Desk::open(&place.path("laterbase-data"), 0xa1);
    let truck = Desk::open(&place.path("truck"), 0xb2);
    let (saturday, sunday) = ("2024-03-02T08:00:00Z", "2024-03-03T10:00:00Z");
    office.record(saturday, "Departed", saturday, r#"{"at":"Accra"}"#);
    truck.record(sunday, "Arrived", sunday, r#"{"at":"Kumasi"}"#);
    let monday = "2024-03-04T09:00:00Z";
    office.record(monday, "Rerouted", monday, r#"{"to":"Tema"}"#);
    office.hear("2024-03-05T07:00:00Z", &truck);
    office.record("2024-03-06T07:00:00Z", "Weighed", "2024-03-02T07:00:00Z", r#"{"kg":12}"#);
    office.device.close().unwrap();
    truck.device.close().unwrap();
    place
}

#[track_caller]
fn check_state(place: &Workplace, flags: &[&str], expected: &Value) {
    let state = place.succeed(&[&["show", "--root", "shipment", "S-1"], flags].concat());
    assert_eq!(serde_json::from_str::<Value>(&state).unwrap(), *expected, "{flags:?}");
}

#[track_caller]
fn check_types(place: &Workplace, flags: &[&str], expected: &[&str]) {
    let log = place.succeed(&[&["log", "--root", "shipment"], flags].concat());
    let types: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["type"].clone())
        .collect();
    assert_eq!(types, expected, "{flags:?}");
}

#[test]
fn what_was_known_on_monday_about_sunday_is_one_command() {
    let place = office();
    let monday = ["--known-at", "2024-03-04T18:00:00Z"];
    let sunday = ["--occurred-until", "2024-03-03T23:59:59Z"];
    check_state(&place, &[], &json!({ "at": "Kumasi", "to": "Tema", "kg": 12 }));
    check_state(&place, &monday, &json!({ "at": "Accra", "to": "Tema" }));
    check_state(&place, &[monday, sunday].concat(), &json!({ "at": "Accra" }));
    check_state(&place, &sunday, &json!({ "at": "Kumasi", "kg": 12 }));
    let recorded = ["--recorded-until", "2024-03-04T08:00:00Z"];
    check_state(&place, &recorded, &json!({ "at": "Kumasi" }));
}

#[test]
fn bounds_are_inclusive_to_the_nanosecond() {
    let place = office();
    for flag in ["--occurred-until", "--recorded-until", "--known-at"] {
        check_types(&place, &[flag, "2024-03-02T09:00:00+01:00", "--aggregate", "S-1"], &{
            let mut expected = vec!["Departed"];
            if flag == "--occurred-until" {
                expected.insert(0, "Weighed");
            }
            expected
        });
    }
    let before = ["--known-at", "2024-03-02T07:59:59.999999999Z"];
    let nothing = "no events of S-1 within these times";
    let show = ["show", "--root", "shipment", "S-1"];
    assert!(place.fail(&[&show[..], &before].concat()).contains(nothing));
    let timeline = ["timeline", "--root", "shipment", "S-1"];
    assert!(place.fail(&[&timeline[..], &before].concat()).contains(nothing));
    let log = ["log", "--root", "shipment", "--aggregate", "S-1"];
    assert!(place.fail(&[&log[..], &before].concat()).contains(nothing));
}

#[test]
fn the_log_of_a_root_takes_the_same_times() {
    let place = office();
    check_types(&place, &[], &["Departed", "Arrived", "Rerouted", "Weighed"]);
    check_types(&place, &["--known-at", "2024-03-04T18:00:00Z"], &["Departed", "Rerouted"]);
    check_types(
        &place,
        &["--recorded-until", "2024-03-04T08:00:00Z", "--occurred-until", "2024-03-02T23:00:00Z"],
        &["Departed"],
    );
    check_types(&place, &["--occurred-until", "2024-03-01T00:00:00Z"], &[]);
}

#[test]
fn show_says_what_the_read_covered() {
    let place = office();
    let flags = ["show", "--root", "shipment", "S-1", "--known-at", "2024-03-05T07:00:00Z"];
    let read = place.summary(&flags);
    assert_eq!(read["state"], json!({ "at": "Kumasi", "to": "Tema" }));
    let covered = json!({
        "occurred_last": "2024-03-04T09:00:00Z",
        "recorded_last": "2024-03-04T09:00:00Z",
        "position": 3,
    });
    assert_eq!(read["covered"], covered);
    assert_eq!((&read["event_count"], &read["folded_count"]), (&json!(3), &json!(3)));
    assert_eq!((&read["fold"], &read["refused_count"]), (&json!("merge-patch"), &json!(0)));
    let whole = place.summary(&["show", "--root", "shipment", "S-1"]);
    assert_eq!(whole["covered"]["recorded_last"], "2024-03-06T07:00:00Z");
    assert_ne!(whole["etag"], read["etag"]);
}

#[test]
fn show_takes_another_fold() {
    let place = office();
    check_state(&place, &["--fold", "latest"], &json!({ "to": "Tema" }));
    let sunday = ["--fold", "latest", "--occurred-until", "2024-03-03T23:59:59Z"];
    check_state(&place, &sunday, &json!({ "at": "Kumasi" }));
    let read = place.summary(&["show", "--root", "shipment", "S-1", "--fold", "latest"]);
    assert_eq!(read["fold"], "latest");
}

#[test]
fn bad_flags_are_named() {
    let place = office();
    for (command, flag, value) in [
        (&["show", "--root", "shipment", "S-1"][..], "--known-at", "noonday"),
        (&["show", "--root", "shipment", "S-1"], "--fold", "median"),
        (&["show", "--root", "shipment", "S-1"], "--occurred-until", "2024-02-30"),
        (&["log", "--root", "shipment"], "--recorded-until", "2024-03-02T10"),
        (&["timeline", "--root", "shipment", "S-1"], "--occurred-until", "10000-01-01T00:00:00Z"),
        (&["timeline", "--root", "shipment", "S-1"], "--width", "20"),
    ] {
        let ended = place.run(&[command, &[flag, value]].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{command:?}");
        assert!(ended.stderr.contains(flag) && ended.stderr.contains(value), "{}", ended.stderr);
    }
}

#[test]
fn a_timeline_draws_both_axes_in_eighty_columns() {
    let place = office();
    let drawn = place.succeed(&["timeline", "--root", "shipment", "S-1"]);
    let (ours, theirs) = ("a1".repeat(16), "b2".repeat(16));
    let expected = [
        " occurred          type        lag  what it says",
        " id                                           2024-03-02              2024-03-06",
        "!2024-03-02 07:00  Weighed     +4d  kg: 12",
        &format!(" shipment:{ours}-3  o================================r"),
        " 2024-03-02 08:00  Departed     0s  at: Accra",
        &format!(" shipment:{ours}-1  o"),
        " 2024-03-03 10:00  Arrived      0s  at: Kumasi",
        &format!(" shipment:{theirs}-1           o--------------a"),
        " 2024-03-04 09:00  Rerouted     0s  to: Tema",
        &format!(" shipment:{ours}-2                   o"),
        "4 events, 1 late (!); o occurred, r recorded, a arrived here",
    ];
    assert_eq!(drawn.lines().collect::<Vec<_>>(), expected);
    let monday = ["timeline", "--root", "shipment", "S-1", "--known-at", "2024-03-04T18:00:00Z"];
    assert!(place.succeed(&monday).contains("2 events, 0 late"));
}

/// A late event is late on every page, whichever page the one that it comes behind is on.
#[test]
fn a_timeline_of_many_pages_has_every_event_once() {
    let place = Workplace::new();
    let line = |index: usize, second: usize| {
        format!(
            r#"{{"root":"pallet","aggregate_id":"P","type":"T{index}","occurred_at":"2024-03-01T{:02}:{:02}:{:02}Z","data":0}}"#,
            second / 3_600,
            second / 60 % 60,
            second % 60
        )
    };
    let mut lines: Vec<String> = (1..=2_500).map(|index| line(index, index)).collect();
    lines.push(line(2_501, 0));
    place.succeed(&["record", &place.write("day.ndjson", &lines)]);
    let rows = place.succeed(&["timeline", "--root", "pallet", "P", "--json"]);
    let rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    let types: Vec<&str> = rows.iter().map(|row| row["type"].as_str().unwrap()).collect();
    let expected: Vec<String> =
        [2_501].into_iter().chain(1..=2_500).map(|index| format!("T{index}")).collect();
    assert_eq!(types, expected);
    let late: Vec<bool> = rows.iter().map(|row| row["late"].as_bool().unwrap()).collect();
    assert!(late[0] && late[1..].iter().all(|late| !late));
}

/// What `docs/aggregates.md` says of concurrent branches: at the replica that wrote, a foreign
/// event is concurrent with an own one that has the greater stamp but stood here before it.
#[test]
fn a_timeline_tells_which_events_were_written_without_knowing_each_other() {
    let place = office();
    let own = place.summary(&["status"])["replica"].clone();
    let rows = place.succeed(&["timeline", "--root", "shipment", "S-1", "--json"]);
    let rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    let mut concurrent = Vec::new();
    for theirs in rows.iter().filter(|row| row["origin"] != own) {
        for ours in rows.iter().filter(|row| row["origin"] == own) {
            let is_not_before = ours["hlc"].as_str() >= theirs["hlc"].as_str();
            if is_not_before && ours["position"].as_u64() < theirs["position"].as_u64() {
                concurrent.push((&theirs["type"], &ours["type"]));
            }
        }
    }
    assert_eq!(concurrent, [(&json!("Arrived"), &json!("Rerouted"))]);
}
