//! `laterbase log`: which events, in which order, and what arrives meanwhile.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use laterbase_client::device::{Device, DeviceOptions};
use serde_json::{Value, json};

use crate::command::Workplace;

/// One line of input.
fn line(id: &str, event_type: &str, day: u32) -> String {
    json!({
        "root": "shipment",
        "aggregate_id": id,
        "type": event_type,
        "occurred_at": format!("2024-05-{day:02}T10:00:00Z"),
        "data": {},
    })
    .to_string()
}

fn record(place: &Workplace, lines: &[String]) {
    let ended = place.feed(&["record"], lines.join("\n").as_bytes());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

/// Recorded in this order; only the first two happened in it.
fn yard() -> Workplace {
    let place = Workplace::new();
    record(
        &place,
        &[
            line("ASN-7", "Departed", 3),
            line("ASN-8", "Arrived", 4),
            line("ASN-7", "Packed", 1),
            line("ASN-7", "Arrived", 5),
        ],
    );
    place
}

fn word(line: &str) -> String {
    let event: Value = serde_json::from_str(line).unwrap();
    format!("{} {}", event["aggregate_id"].as_str().unwrap(), event["type"].as_str().unwrap())
}

#[track_caller]
fn check(place: &Workplace, flags: &[&str], expected: &[&str]) {
    let log = place.succeed(&[&["log", "--root", "shipment"], flags].concat());
    assert_eq!(log.lines().map(word).collect::<Vec<_>>(), expected, "{flags:?}");
}

const ALL: [&str; 4] = ["ASN-7 Departed", "ASN-8 Arrived", "ASN-7 Packed", "ASN-7 Arrived"];

#[test]
fn events_are_chosen_by_type_and_by_when_they_happened() {
    let place = yard();
    check(&place, &[], &ALL);
    check(&place, &["--type", "Arrived"], &["ASN-8 Arrived", "ASN-7 Arrived"]);
    check(&place, &["--type", "Packed", "--type", "Departed"], &["ASN-7 Departed", "ASN-7 Packed"]);
    check(&place, &["--since", "2024-05-04T10:00:00Z"], &["ASN-8 Arrived", "ASN-7 Arrived"]);
    check(&place, &["--until", "2024-05-03T10:00:00Z"], &["ASN-7 Departed", "ASN-7 Packed"]);
    let between = ["--since", "2024-05-03T12:00:00+02:00", "--until", "2024-05-04T10:00:00Z"];
    check(&place, &between, &ALL[..2]);
    check(&place, &[&between[..], &["--aggregate", "ASN-7"]].concat(), &["ASN-7 Departed"]);
    // All of them were recorded just now.
    check(&place, &["--recorded-since", "2024-05-06T00:00:00Z"], &ALL);
    check(&place, &["--recorded-since", "2260-01-01T00:00:00Z"], &[]);
}

#[test]
fn the_last_ones_come_first_when_they_are_asked_for() {
    let place = yard();
    let mut reversed = ALL;
    reversed.reverse();
    check(&place, &["--reverse"], &reversed);
    check(&place, &["--limit", "3"], &ALL[..3]);
    check(&place, &["--reverse", "--limit", "3"], &reversed[..3]);
    check(&place, &["--limit", "0"], &[]);
    let last = ["--aggregate", "ASN-7", "--reverse", "--limit", "2"];
    check(&place, &last, &["ASN-7 Arrived", "ASN-7 Departed"]);
    check(&place, &["--reverse", "--type", "Packed"], &["ASN-7 Packed"]);
    assert!(place.fail(&["log", "--root", "shipment", "--aggregate", "A"]).contains("of A"));
}

#[test]
fn many_pages_are_the_same_from_either_end() {
    let place = Workplace::new();
    let lines: Vec<String> = (0..3_210).map(|n| line("ASN-7", &format!("T{n}"), 1)).collect();
    record(&place, &lines);
    for flags in [&[][..], &["--aggregate", "ASN-7"]] {
        let log = place.succeed(&[&["log", "--root", "shipment"], flags].concat());
        assert_eq!(log.lines().count(), 3_210);
        let log: Vec<&str> = log.lines().rev().collect();
        let reversed =
            place.succeed(&[&["log", "--root", "shipment", "--reverse"], flags].concat());
        assert_eq!(reversed.lines().collect::<Vec<_>>(), log);
    }
}

/// `log --follow` in a process of its own.
struct Follower {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Follower {
    fn start(place: &Workplace, flags: &[&str]) -> Self {
        let mut command = place.command(&["log", "--root", "shipment", "--follow"]);
        let mut child = command.args(flags).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Awaits the next line.
    fn next(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        word(&line)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn what_other_processes_record_is_followed() {
    let place = yard();
    let mut follower = Follower::start(&place, &[]);
    for expected in ALL {
        assert_eq!(follower.next(), expected);
    }
    record(&place, &[line("ASN-9", "Packed", 2), line("ASN-9", "Departed", 3)]);
    assert_eq!([follower.next(), follower.next()], ["ASN-9 Packed", "ASN-9 Departed"]);
    // A process that has the store open, and keeps it.
    let path = place.path("laterbase-data");
    let device = Device::open(&path, DeviceOptions::default()).unwrap();
    let mut batch = device.batch(&"shipment".parse().unwrap());
    batch.push(&laterbase_core::event::Record::json("ASN-9", "Arrived", "{}")).unwrap();
    device.record(&batch).unwrap();
    assert_eq!(follower.next(), "ASN-9 Arrived");
    device.close().unwrap();
    record(&place, &[line("ASN-9", "Unloaded", 4)]);
    assert_eq!(follower.next(), "ASN-9 Unloaded");
}

#[test]
fn only_what_is_asked_for_is_followed() {
    let place = yard();
    let flags = ["--aggregate", "ASN-7", "--type", "Arrived", "--type", "Left", "--limit", "1"];
    let mut follower = Follower::start(&place, &flags);
    assert_eq!(follower.next(), "ASN-7 Arrived");
    let more = [line("ASN-8", "Left", 6), line("ASN-7", "Weighed", 6), line("ASN-7", "Left", 6)];
    record(&place, &more);
    assert_eq!(follower.next(), "ASN-7 Left");
    let conflict = place.run(&["log", "--root", "shipment", "--follow", "--reverse"]);
    assert_eq!(conflict.code, 2);
}

#[test]
fn a_root_that_is_yet_to_come_can_be_followed() {
    let place = Workplace::new();
    let other = r#"{"root":"pallet","aggregate_id":"P-1","type":"t","data":{}}"#;
    record(&place, &[other.to_owned()]);
    let mut follower = Follower::start(&place, &[]);
    record(&place, &[other.to_owned(), line("ASN-7", "Departed", 3)]);
    assert_eq!(follower.next(), "ASN-7 Departed");
}

/// It was marked by what came later.
#[test]
fn what_was_known_then_is_not_marked_by_what_came_later() {
    let place = yard();
    let marks = |flags: &[&str]| -> Vec<usize> {
        let log = place.succeed(&[&["log", "--root", "shipment"], flags].concat());
        let count = |line: &str| {
            let event: Value = serde_json::from_str(line).unwrap();
            event["voided_by"].as_array().map_or(0, Vec::len)
        };
        log.lines().map(count).collect()
    };
    let recorded_at = |index: usize| {
        let log = place.succeed(&["log", "--root", "shipment"]);
        let event: Value = serde_json::from_str(log.lines().nth(index).unwrap()).unwrap();
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        (text("id"), text("recorded_at"))
    };
    let (wrong, _) = recorded_at(1);
    place.succeed(&["void", &wrong]);
    let (_, before) = recorded_at(3);
    let (_, then) = recorded_at(4);
    assert_eq!(marks(&[]), [0, 1, 0, 0, 0]);
    for flag in ["--recorded-until", "--known-at"] {
        assert_eq!(marks(&[flag, &then]), [0, 1, 0, 0, 0], "{flag}");
        assert_eq!(marks(&[flag, &before]), [0; 4], "{flag}");
        assert_eq!(marks(&[flag, &before, "--aggregate", "ASN-8"]), [0], "{flag}");
        assert_eq!(marks(&[flag, &before, "--reverse", "--limit", "3"]), [0; 3], "{flag}");
    }
}

/// What had been taken back was followed as if it had not.
#[test]
fn what_is_followed_is_marked_as_taken_back() {
    let place = yard();
    let mut follower = Follower::start(&place, &["--limit", "1"]);
    assert_eq!(follower.next(), ALL[3]);
    // By now it only looks, and leaves the store to others.
    record(&place, &[line("ASN-9", "Departed", 2)]);
    assert_eq!(follower.next(), "ASN-9 Departed");
    // A batch holds an event and the one that takes it back, so both arrive at once.
    let device = Device::open(&place.path("laterbase-data"), DeviceOptions::default()).unwrap();
    let mut batch = device.batch(&"shipment".parse().unwrap());
    let packed = laterbase_core::event::Record::json("ASN-9", "Packed", "{}");
    batch.push(&packed).unwrap();
    let root = "shipment".parse().unwrap();
    let seq = device.reader().held_seq(&root, device.id()) + 1;
    let wrong = laterbase_core::id::Dot { origin: device.id(), seq };
    let voids: laterbase_core::event::VoidsBuf = [wrong].into_iter().collect();
    let voided = laterbase_core::event::Record::json("ASN-9", "Voided", "{}");
    batch.push(&voided.with_voids(voids.as_voids())).unwrap();
    device.record(&batch).unwrap();
    device.close().unwrap();
    let mut line = String::new();
    follower.lines.read_line(&mut line).unwrap();
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["voided_by"].as_array().map(Vec::len), Some(1), "{line}");
}
