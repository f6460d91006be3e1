#![allow(clippy::unwrap_used, reason = "tests")]

use laterbase_core::time::format_time;

use super::*;

fn times(zone: &str, format: Option<&str>) -> WrittenTimes {
    let flags = WrittenTimeFlags {
        time_format: format.map(str::to_owned),
        timezone: Some(zone.to_owned()),
    };
    WrittenTimes::new(&flags).unwrap()
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let read = times("Europe/Berlin", None).read(text).unwrap();
    assert_eq!(format_time(read.nanos), expected, "{text}");
}

#[track_caller]
fn check_refused(text: &str, remarks: &[&str]) {
    let error = times("Europe/Berlin", None).read(text).unwrap_err().to_string();
    for remark in remarks {
        assert!(error.contains(remark), "{text}: {error}");
    }
}

#[test]
fn a_time_without_an_offset_is_one_on_the_wall() {
    check("2024-03-01 08:00", "2024-03-01T07:00:00Z");
    check("2024-07-01 08:00", "2024-07-01T06:00:00Z");
    check("2024-03-01T08:00:15.5", "2024-03-01T07:00:15.5Z");
    check("2024-03-01 08:00:15,25", "2024-03-01T07:00:15.25Z");
    check("2024-03-01", "2024-02-29T23:00:00Z");
}

#[test]
fn a_time_with_an_offset_is_the_same_everywhere() {
    check("2024-03-01T08:00:00Z", "2024-03-01T08:00:00Z");
    check("2024-03-01 08:00:00+05:30", "2024-03-01T02:30:00Z");
    check("2024-03-01T08:00+01:00", "2024-03-01T07:00:00Z");
    check("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999999Z");
}

#[test]
fn how_far_the_clock_was_from_utc_is_kept() {
    let offset = |zone: &str, format, text: &str| times(zone, format).read(text).unwrap().offset;
    assert_eq!(offset("Europe/Berlin", None, "2024-03-01 08:00"), Some(60));
    assert_eq!(offset("Europe/Berlin", None, "2024-07-01"), Some(120));
    assert_eq!(offset("Asia/Kolkata", None, "2024-07-01"), Some(330));
    assert_eq!(offset("Europe/London", None, "2024-03-01"), Some(0));
    assert_eq!(offset("UTC", None, "2024-03-01"), None);
    assert_eq!(offset("Europe/Berlin", None, "2024-03-01T08:00-03:00"), Some(-180));
    assert_eq!(offset("Europe/Berlin", None, "2024-03-01T08:00Z"), None);
    assert_eq!(
        offset("Europe/Berlin", Some("%Y-%m-%d %H:%M %z"), "2024-03-01 08:00 -0300"),
        Some(-180)
    );
    assert_eq!(offset("Europe/Berlin", Some("%d.%m.%Y"), "01.03.2024"), Some(60));
    assert_eq!(offset("Europe/Berlin", Some("%s"), "1709276400"), None);
}

#[test]
fn a_time_that_was_twice_is_refused_with_both_readings() {
    let readings = ["Europe/Berlin", "2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00"];
    check_refused("2024-10-27 02:30", &readings);
    check("2024-10-27T02:30:00+02:00", "2024-10-27T00:30:00Z");
    check("2024-10-27 03:00", "2024-10-27T02:00:00Z");
}

#[test]
fn a_time_that_never_was_is_refused_with_both_readings() {
    let readings = ["Europe/Berlin", "2024-03-31T03:30:00+02:00", "2024-03-31T01:30:00+01:00"];
    check_refused("2024-03-31 02:30", &readings);
}

#[test]
fn what_is_no_time_is_refused() {
    for text in ["", "soon", "01.03.2024", "2024-03-01 8", "2024-3-1", "20240301", "45352.33"] {
        check_refused(text, &[&format!("{text:?}"), "--time-format"]);
    }
    for text in ["2024-03-01 08:00 +", "2024-03-01 08:00[Europe/Paris]", "ä024-03-01", "2024-03-0ä"]
    {
        check_refused(text, &["--time-format"]);
    }
    check_refused("2024-02-30 08:00", &["2024-02-30"]);
    check_refused("2024-02-28 25:00", &["2024-02-28"]);
    check_refused("1500-02-28 12:00", &["1677"]);
}

#[test]
fn another_form_can_be_said() {
    let read = |format: &str, text: &str| {
        times("Europe/Berlin", Some(format)).read(text).map(|read| format_time(read.nanos))
    };
    assert_eq!(read("%d.%m.%Y %H:%M", "01.03.2024 08:00").unwrap(), "2024-03-01T07:00:00Z");
    assert_eq!(read("%d.%m.%Y", "01.03.2024").unwrap(), "2024-02-29T23:00:00Z");
    assert_eq!(read("%s", "1709276400").unwrap(), "2024-03-01T07:00:00Z");
    assert_eq!(
        read("%d.%m.%Y %H:%M %z", "01.03.2024 08:00 +0000").unwrap(),
        "2024-03-01T08:00:00Z"
    );
    let error = read("%d.%m.%Y %H:%M", "27.10.2024 02:30").unwrap_err().to_string();
    assert!(error.contains("2024-10-27T02:30:00+02:00"), "{error}");
    let error = read("%d.%m.%Y", "2024-03-01").unwrap_err().to_string();
    assert!(error.contains("%d.%m.%Y"), "{error}");
}

#[test]
fn an_unknown_zone_is_refused() {
    assert!(zone_of(Some("Europe/Berlni")).unwrap_err().to_string().contains("Europe/Berlni"));
    assert!(zone_of(Some("UTC")).is_ok());
}

/// Each row was refused by it, in the words of a parser.
#[test]
fn a_form_that_says_no_day_is_refused_before_any_time() {
    for format in ["%H:%M", "%Q%", "%d.%m. %H:%M", "day"] {
        let flags =
            WrittenTimeFlags { time_format: Some(format.to_owned()), timezone: Some("UTC".into()) };
        let error = WrittenTimes::new(&flags).map(drop).unwrap_err().to_string();
        assert!(error.contains(&format!("{format:?}")), "{error}");
    }
}

#[test]
fn what_is_said_of_a_time_is_about_the_time() {
    let times = |format: Option<&str>| {
        let flags = WrittenTimeFlags {
            time_format: format.map(str::to_owned),
            timezone: Some("UTC".to_owned()),
        };
        WrittenTimes::new(&flags).unwrap()
    };
    let said = times(None).read("2024-13-01 08:00").unwrap_err().to_string();
    assert_eq!(said, "\"2024-13-01 08:00\": there is no such day, or no such time of day");
    let said = times(Some("%d.%m.%Y")).read("3.x").unwrap_err().to_string();
    assert_eq!(said, "\"3.x\" is no time of the form \"%d.%m.%Y\"");
}
