#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[track_caller]
fn check(state: &str, path: &str, expected: Option<&str>) {
    let found = State::read(state).find(path).map(|value| value.text().into_owned());
    assert_eq!(found.as_deref(), expected, "{path:?} of {state}");
}

#[test]
fn a_path_leads_into_objects() {
    let state = r#"{"at":"Tema","leg":{"to":{"port":"Lomé"},"n":1.50},"a.b":2,"a":{"b":3}}"#;
    check(state, "at", Some("Tema"));
    check(state, "leg.to.port", Some("Lomé"));
    check(state, "leg.n", Some("1.50"));
    check(state, "leg.to", Some(r#"{"port":"Lomé"}"#));
    check(state, "leg.from", None);
    check(state, "at.to", None);
    // A member of just this name goes first.
    check(state, "a.b", Some("2"));
    check(r#"{"a.b":{"c":1},"a":{"b.c":2}}"#, "a.b.c", Some("2"));
}

#[test]
fn a_state_that_is_no_object_has_no_members() {
    for state in ["null", "[1,2]", "\"AAEC\"", "5"] {
        assert!(State::read(state).names().is_none(), "{state}");
        check(state, "a", None);
    }
    check("[1,\n2]", "", Some("[1, 2]"));
    check(" \"AAEC\"\n", "", Some("AAEC"));
}

#[test]
fn names_are_found_by_their_characters_and_the_last_of_a_name_counts() {
    check(r#"{"\u0061t":"\ud83d\ude9a"}"#, "at", Some("🚚"));
    check(r#"{"at":1,"at":2}"#, "at", Some("2"));
}

#[test]
fn a_deep_state_is_read_as_far_as_it_is_asked_for() {
    let state = format!(r#"{{"a":{}1{},"b":2}}"#, "[".repeat(5_000), "]".repeat(5_000));
    check(&state, "b", Some("2"));
}

#[test]
fn keys_of_one_kind_stand_together() {
    let json = r#"{"a":"10","b":10,"c":9,"d":"9","e":[1],"f":true,"g":null}"#;
    let state = State::read(json);
    let mut names: Vec<&str> = state.names().unwrap().collect();
    names.sort_by_key(|name| state.find(name).unwrap().key());
    assert_eq!(names, ["g", "f", "c", "b", "a", "d", "e"]);
}
