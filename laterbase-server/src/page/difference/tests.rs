use super::*;

#[track_caller]
fn check(here: Option<&str>, there: Option<&str>, expected: &[(&str, Option<&str>, Option<&str>)]) {
    let found = between(here.map(str::as_bytes), there.map(str::as_bytes));
    let expected: Vec<Field> = expected
        .iter()
        .map(|(path, here, there)| Field {
            path: (*path).to_owned(),
            here: here.map(str::to_owned),
            there: there.map(str::to_owned),
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn only_what_differs_is_listed_down_to_the_field() {
    check(Some(r#"{"a":1,"b":[1,2]}"#), Some(r#"{"a":1,"b":[1,2]}"#), &[]);
    check(
        Some(r#"{"at":"Lagos","deep":{"n":1,"same":true},"list":[1,2]}"#),
        Some(r#"{"at":"Abuja","deep":{"n":1.0,"same":true},"list":[1,3,4],"new":null}"#),
        &[
            ("at", Some("Lagos"), Some("Abuja")),
            ("deep.n", Some("1"), Some("1.0")),
            ("list[1]", Some("2"), Some("3")),
            ("list[2]", None, Some("4")),
            ("new", None, Some("null")),
        ],
    );
    check(Some(r#"{"a":1}"#), Some(r#"{"a":{"b":1}}"#), &[("a", Some("1"), Some(r#"{"b":1}"#))]);
}

#[test]
fn a_state_that_is_not_there_lacks_every_field() {
    check(None, Some(r#"{"a":1}"#), &[("a", None, Some("1"))]);
    check(Some("7"), None, &[("(all)", Some("7"), None)]);
    check(None, None, &[]);
}

#[test]
fn what_is_hostile_or_too_much_is_escaped_and_cut() {
    let many: Vec<String> = (0..1_000).map(|n| format!("\"<{n}>\":1")).collect();
    let shown = table(Some(format!("{{{}}}", many.join(",")).as_bytes()), None).into_string();
    assert_eq!(shown.matches("<tr>").count(), FIELDS_MAX + 1);
    assert!(shown.contains("&lt;1&gt;") && shown.contains("And more"));
    let long = format!("\"{}\"", "x".repeat(STATE_BYTES_MAX));
    assert!(table(Some(long.as_bytes()), None).into_string().contains("too long"));
}
