#![allow(clippy::unwrap_used, reason = "tests")]

use axum::body::Body;

use super::*;

#[test]
fn the_nearest_parameter_is_named() {
    const ALLOWED: Allowed = only(&["limit", "after"]).and_query();
    let nearest = |name: &str| {
        let request = Request::builder().uri(format!("/?{name}=1")).body(Body::empty()).unwrap();
        let problem = ALLOWED.read(&request).unwrap_err();
        String::from_utf8(problem.to_json()).unwrap()
    };
    assert!(nearest("limt").contains("the nearest is limit"));
    assert!(nearest("aftr").contains("the nearest is after"));
    assert!(nearest("occured_until").contains("the nearest is occurred_until"));
    assert!(nearest("knownAt").contains("the nearest is known_at"));
}

#[test]
fn what_may_be_repeated_is_said_and_nothing_else_may() {
    let allowed = only(&["cursor"]).and_repeated(&["not"]);
    let read = |query: &str| {
        let request = Request::builder().uri(format!("/?{query}")).body(Body::empty()).unwrap();
        allowed.read(&request)
    };
    assert_eq!(read("not=a&cursor=b&not=c").unwrap().all("not"), ["a", "c"]);
    assert!(read("cursor=b&cursor=b").is_err());
    assert!(read("").unwrap().all("not").is_empty());
}
