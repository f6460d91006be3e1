#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[track_caller]
fn check(name: &HeaderName, text: &str, text_of_log: Option<&str>) {
    let headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_str(text).unwrap())]);
    let ids = TraceIds::of(&headers);
    let mut given = HeaderMap::new();
    ids.give_back(&mut given);
    let is_taken = text_of_log.is_some();
    assert_eq!(given, if is_taken { headers } else { HeaderMap::new() }, "{text}");
    assert_eq!(ids.text(), text_of_log);
}

#[test]
fn ids_that_are_well_formed_are_taken_over_and_no_others() {
    check(&X_REQUEST_ID, "7f3a-42", Some("7f3a-42"));
    check(&X_REQUEST_ID, &"x".repeat(128), Some(&"x".repeat(128)));
    for bad in ["", "a b", "a\"b", "<script>", &"x".repeat(129)] {
        check(&X_REQUEST_ID, bad, None);
    }
    check(&TRACEPARENT, TRACE, Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    for bad in [
        "",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ] {
        check(&TRACEPARENT, bad, None);
    }
}

#[test]
fn the_id_of_the_request_itself_comes_before_that_of_its_trace() {
    let mut headers = HeaderMap::new();
    headers.insert(TRACEPARENT, HeaderValue::from_static(TRACE));
    headers.insert(X_REQUEST_ID, HeaderValue::from_static("mine"));
    assert_eq!(TraceIds::of(&headers).text(), Some("mine"));
}
