#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::client::AggregateEntry;

#[test]
fn a_problem_document_is_read_field_by_field() {
    let mut vv = VersionVector::new();
    vv.set(laterbase_core::id::ReplicaId::from_bytes([3; 16]), 9);
    let body = format!(
        r#"{{"type":"/problems/hole","title":"Hole","status":409,"detail":"seq 4 is missing",
            "index":2,"field":"data","vv":"{vv}","other":[1]}}"#
    );
    let problem = Problem::read(StatusCode::CONFLICT, None, body.as_bytes());
    assert_eq!(problem.kind, "/problems/hole");
    assert_eq!(problem.vv, Some(vv));
    assert_eq!(
        problem.to_string(),
        "409 Hole: seq 4 is missing (event 2 of the batch, counted from 0) (field data)"
    );
}

#[test]
fn an_error_page_that_is_no_document_still_has_a_title() {
    let problem = Problem::read(StatusCode::BAD_GATEWAY, None, b"<html>");
    assert_eq!(problem.to_string(), "502 Bad Gateway");
    assert!(ClientError::Problem(Box::new(problem)).is_transient());
}

#[test]
fn what_the_caller_did_wrong_is_not_tried_again() {
    let problem = Problem::read(StatusCode::UNPROCESSABLE_ENTITY, None, b"{}");
    assert!(!ClientError::Problem(Box::new(problem)).is_transient());
    assert!(!ClientError::Address { detail: String::new() }.is_transient());
}

/// A server, or a proxy before it, could put a line on the terminal of whoever asks, or in the log
/// of a server that syncs with it, that looks like one of ours.
#[test]
fn what_a_server_says_stays_on_one_line_and_steers_no_terminal() {
    let body =
        br#"{"title":"No\nlaterbase: all is well","detail":"\u001b[2J\u009b1A","field":"a\rb"}"#;
    let text = Problem::read(StatusCode::CONFLICT, None, body).to_string();
    assert_eq!(text, r"409 No\nlaterbase: all is well: \u{1b}[2J\u{9b}1A (field a\rb)");
}

/// A list said of an aggregate without a state nothing at all.
#[test]
fn a_list_says_why_an_aggregate_has_no_state() {
    let listed = br#"{"id":"s-2","problem":{"type":"urn:laterbase:problem:fold-failed",
        "title":"A fold failed","status":500,"event":"shipment:1-1"},"refused_count":2}"#;
    let entry: AggregateEntry = serde_json::from_slice(listed).unwrap();
    let problem = entry.problem.unwrap();
    assert!(problem.is("fold-failed") && problem.status == StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!((entry.state.is_none(), entry.refused_count), (true, 2));
    let entry: AggregateEntry = serde_json::from_slice(br#"{"id":"a","state":1}"#).unwrap();
    assert_eq!((entry.problem, entry.refused_count), (None, 0));
}
