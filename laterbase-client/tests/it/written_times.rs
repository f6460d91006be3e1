//! Times on flags, as people say them.

use serde_json::Value;

use crate::command::Workplace;

/// The numbers of the events that a log by these flags has, in Berlin.
fn numbers(place: &Workplace, flags: &[&str]) -> Vec<u64> {
    let mut command = place.command(&[&["log", "--root", "asn"], flags].concat());
    let ended = command.env("TZ", "Europe/Berlin").output().unwrap();
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "");
    let log = String::from_utf8(ended.stdout).unwrap();
    let number = |line: &str| serde_json::from_str::<Value>(line).unwrap()["data"].as_u64();
    log.lines().map(|line| number(line).unwrap()).collect()
}

#[test]
fn bounds_are_read_by_the_clocks_of_the_place() {
    let place = Workplace::new();
    // The last of these is 2 March at 00:30 in Berlin.
    for (number, at) in [
        ("1", "2024-03-01T07:00:00Z"),
        ("2", "2024-03-01T09:30:00Z"),
        ("3", "2024-03-01T22:59:59.999999999Z"),
        ("4", "2024-03-01T23:30:00Z"),
    ] {
        place.succeed(&["add", "--root", "asn", "A", "t", "--at", at, "--data", number]);
    }
    assert_eq!(numbers(&place, &["--occurred-until", "2024-03-01 08:00"]), [1]);
    assert_eq!(numbers(&place, &["--occurred-until", "2024-03-01 10:29"]), [1]);
    assert_eq!(numbers(&place, &["--occurred-until", "2024-03-01 10:30"]), [1, 2]);
    assert_eq!(numbers(&place, &["--occurred-until", "2024-03-01T09:30:00Z"]), [1, 2]);
    // A day is meant to its end.
    assert_eq!(numbers(&place, &["--occurred-until", "2024-03-01"]), [1, 2, 3]);
    for recent in ["now", "yesterday", "monday 08:00", "2h ago", "9999-12-31T23:59:59Z"] {
        assert_eq!(numbers(&place, &["--occurred-until", recent]), [1, 2, 3, 4], "{recent}");
    }
    assert_eq!(numbers(&place, &["--known-at", "1 week ago"]), [0_u64; 0]);
    assert_eq!(numbers(&place, &["--recorded-until", "yesterday"]), [0_u64; 0]);
    assert_eq!(numbers(&place, &["--recorded-until", "today"]), [1, 2, 3, 4]);
}

#[test]
fn what_was_twice_is_said_on_flags_too() {
    let place = Workplace::new();
    let mut command = place.command(&["log", "--root", "asn", "--known-at", "2024-10-27 02:30"]);
    let ended = command.env("TZ", "Europe/Berlin").output().unwrap();
    let complaint = String::from_utf8(ended.stderr).unwrap();
    for said in ["--known-at", "2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00"] {
        assert!(complaint.contains(said), "{complaint}");
    }
    assert_eq!(ended.status.code(), Some(2));
}

/// Times by a zone that was mistyped were taken for UTC, and nobody saw it.
#[test]
fn a_zone_that_there_is_not_is_said() {
    let place = Workplace::new();
    place.write("yard.csv", &["id,type,when".into(), "A,t,2024-03-01 08:00".into()]);
    let add = ["add", "--root", "asn", "A", "t", "--at", "2024-03-01 08:00"];
    let record =
        ["record", "--root", "asn", "--id-column", "id", "--time-column", "when", "yard.csv"];
    for arguments in [&add[..], &record[..]] {
        let ended = place.command(arguments).env("TZ", "Europe/Berln").output().unwrap();
        let complaint = String::from_utf8(ended.stderr).unwrap();
        assert!(!ended.status.success() && complaint.contains("Europe/Berln"), "{complaint}");
    }
    assert!(!place.path("laterbase-data").exists());
}
