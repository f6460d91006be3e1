#![allow(clippy::unwrap_used, reason = "tests")]

use axum::http::HeaderValue;
use proptest::prelude::*;

use super::*;

const OFFERED: [&str; 3] = ["application/json", "application/x-ndjson", "text/event-stream"];

#[track_caller]
fn check_choice(accept: &str, expected: Option<&str>) {
    let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_str(accept).unwrap())]);
    assert_eq!(choose(&headers, &OFFERED).ok(), expected, "{accept}");
}

#[test]
fn the_caller_chooses_the_form() {
    assert_eq!(choose(&HeaderMap::new(), &OFFERED).unwrap(), "application/json");
    check_choice("*/*", Some("application/json"));
    check_choice("", Some("application/json"));
    check_choice(" , ", Some("application/json"));
    check_choice("application/*", Some("application/json"));
    check_choice("application/x-ndjson", Some("application/x-ndjson"));
    check_choice("Text/Event-Stream", Some("text/event-stream"));
    check_choice("text/html, text/*;q=0.8, */*;q=0.1", Some("text/event-stream"));
    check_choice(
        "application/json;q=0.5, application/x-ndjson; q=0.75",
        Some("application/x-ndjson"),
    );
    check_choice("application/json;q=0, */*", Some("application/x-ndjson"));
    check_choice("text/html", None);
    check_choice("application/json;q=0", None);
    check_choice("application/json;q=nonsense", None);
}

#[test]
fn a_plus_that_came_as_a_space_is_put_back() {
    for (text, expected) in [
        ("2024-03-01T00:00:00 01:00", "2024-03-01T00:00:00+01:00"),
        ("2024-03-01T00:00:00.25 01:00", "2024-03-01T00:00:00.25+01:00"),
        ("2024-03-01 00:00:00 01:00", "2024-03-01 00:00:00+01:00"),
        ("2024-03-01 00:00:00Z", "2024-03-01 00:00:00Z"),
        ("2024-03-01T00:00:00-01:00", "2024-03-01T00:00:00-01:00"),
        ("2024-03-01 00:00", "2024-03-01 00:00"),
        (" 01:00", " 01:00"),
        ("", ""),
        ("é01:00", "é01:00"),
    ] {
        assert_eq!(with_plus(text), expected, "{text:?}");
    }
}

#[test]
fn a_cursor_is_only_taken_where_it_came_from() {
    let (place, root) = (Place::from_bytes([7; 32]), RootName::new("order").unwrap());
    let cursor = place_cursor(&place, &root, "a");
    let read_place_cursor = |text: &str| read_place_cursor(text, &root, "a");
    assert_eq!(read_place_cursor(&cursor), Some(place));
    assert_eq!(read_place_cursor(&place_cursor(&place, &root, "b")), None);
    let other = RootName::new("order@a").unwrap();
    assert_eq!(read_place_cursor(&place_cursor(&place, &other, "a")), None);
    assert_eq!(read_id_cursor(&cursor), None);
    assert_eq!(read_place_cursor(&id_cursor("x".repeat(36).as_str())), None);
    for text in ["", "AQ", "!", "AQ==", "Av", "UA1545"] {
        assert_eq!(read_id_cursor(text), None, "{text}");
        assert_eq!(read_place_cursor(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn cursors_come_back(id in "\\PC{1,60}") {
        prop_assert_eq!(read_id_cursor(&id_cursor(&id)), Some(id));
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}", accept in "[a-z*/;=q.,0-9 ]{0,40}") {
        let _ = read_id_cursor(&text);
        let _ = read_place_cursor(&text, &RootName::new("order").unwrap(), "a");
        let _ = with_plus(&text);
        let _ = quality(&accept, "application/json");
        let _ = quality(&text, "application/json");
    }
}
