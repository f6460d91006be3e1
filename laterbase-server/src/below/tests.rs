#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[track_caller]
fn check_instead(bare: &str, begin: &str, kind: &str) {
    let bytes = answer_instead(bare.as_bytes()).unwrap();
    let text = std::str::from_utf8(&bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(begin), "{head}");
    assert!(head.contains("content-type: application/problem+json\r\n"), "{head}");
    assert!(head.contains("cache-control: no-store\r\n"), "{head}");
    assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
    assert!(body.contains(kind), "{body}");
}

#[test]
fn heads_that_cannot_be_read_get_a_problem_document() {
    let bare =
        |status| format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    check_instead(&bare("400 Bad Request"), "HTTP/1.1 400 Bad Request\r\n", "malformed-request");
    check_instead(&bare("414 URI Too Long"), "HTTP/1.1 414 URI Too Long\r\n", "uri-too-long");
    let large = "431 Request Header Fields Too Large";
    check_instead(
        &bare(large),
        "HTTP/1.1 431 Request Header Fields Too Large\r\n",
        "head-too-large",
    );
}

#[test]
fn other_bytes_are_left_alone() {
    for bytes in ["", "HTTP/1.1 ", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "{}"]
    {
        assert_eq!(answer_instead(bytes.as_bytes()), None, "{bytes}");
    }
}
