#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn gate(hosts: &[&str], origins: &[&str], listening: &str) -> Gate {
    let mut gate = Gate::default();
    hosts.iter().for_each(|host| gate.let_in_host(host).unwrap());
    origins.iter().for_each(|origin| gate.let_in_origin(origin).unwrap());
    gate.listening_on(listening.parse().unwrap())
}

fn headers(named: &[(HeaderName, &str)]) -> HeaderMap {
    let value = |text: &&str| HeaderValue::from_str(text).unwrap();
    named.iter().map(|(name, text)| (name.clone(), value(text))).collect()
}

#[track_caller]
fn check_host(gate: &Gate, host: &str, status: u16) {
    let asked = gate.check(Version::HTTP_11, &Uri::from_static("/"), &headers(&[(HOST, host)]));
    let found = asked.map_or_else(|problem| problem.into_response().status().as_u16(), |()| 200);
    assert_eq!(found, status, "{host:?}");
}

#[test]
fn a_server_is_known_by_loopback_its_address_and_the_names_it_was_given() {
    let gate = gate(&["depot-7", "Depot.Example.", "10.0.0.9"], &[], "192.168.1.5");
    for host in [
        "localhost",
        "localhost:4920",
        "LOCALHOST:1",
        "localhost.",
        "localhost.:4920",
        "127.0.0.1",
        "127.0.0.1:4920",
        "127.1.2.3",
        "[::1]",
        "[::1]:4920",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]:80",
        "192.168.1.5",
        "192.168.1.5:4920",
        "depot-7",
        "DEPOT-7:80",
        "depot.example",
        "depot.example.:1",
        "10.0.0.9:5",
        "localhost:",
    ] {
        check_host(&gate, host, 200);
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "192.168.1.6",
        "depot",
        "depot-7.evil.example",
        "[::2]",
        "127.0.0.1.evil.example",
        "0.0.0.0",
    ] {
        check_host(&gate, host, 421);
    }
    for host in ["", "a b", "a/b", "user@localhost", "localhost:x", "[::1", "localhost:99999", "."]
    {
        check_host(&gate, host, 400);
    }
}

#[test]
fn who_listens_everywhere_is_known_by_any_address_and_no_other_name() {
    let v4 = gate(&[], &[], "0.0.0.0");
    check_host(&v4, "192.168.1.6:4920", 200);
    check_host(&v4, "[fe80::1]", 421);
    check_host(&v4, "evil.example", 421);
    let both = gate(&[], &[], "::");
    check_host(&both, "[fe80::1]:4920", 200);
    check_host(&both, "10.0.0.1", 200);
    check_host(&both, "evil.example", 421);
}

#[test]
fn the_host_is_where_http_says_it_is() {
    let gate = gate(&[], &[], "127.0.0.1");
    let check = |version, uri: &str, named: &[(HeaderName, &str)]| {
        let asked = gate.check(version, &uri.parse().unwrap(), &headers(named));
        asked.map_or_else(|problem| problem.into_response().status().as_u16(), |()| 200)
    };
    assert_eq!(check(Version::HTTP_11, "/", &[]), 400);
    assert_eq!(check(Version::HTTP_10, "/", &[]), 200, "it need not say");
    assert_eq!(check(Version::HTTP_10, "/", &[(HOST, "evil.example")]), 421);
    let two = [(HOST, "localhost"), (HOST, "evil.example")];
    assert_eq!(check(Version::HTTP_11, "/", &two), 400);
    let twice = [(HOST, "localhost"), (HOST, "localhost")];
    assert_eq!(check(Version::HTTP_11, "/", &twice), 400);
    // An absolute target counts, and not the header beside it.
    assert_eq!(check(Version::HTTP_11, "http://localhost:1/", &[(HOST, "evil.example")]), 200);
    assert_eq!(check(Version::HTTP_11, "http://evil.example/", &[(HOST, "localhost")]), 421);
}

#[track_caller]
fn check_origin(gate: &Gate, host: &str, origin: &str, status: u16) {
    let headers = headers(&[(HOST, host), (ORIGIN, origin)]);
    let asked = gate.check(Version::HTTP_11, &Uri::from_static("/"), &headers);
    let found = asked.map_or_else(|problem| problem.into_response().status().as_u16(), |()| 200);
    assert_eq!(found, status, "{origin:?} asks {host:?}");
}

#[test]
fn foreign_pages_are_turned_away_unless_they_are_named() {
    let gate = gate(&["depot.example"], &["https://app.example", "http://Localhost:3000"], "::1");
    check_origin(&gate, "localhost:4920", "http://localhost:4920", 200);
    check_origin(&gate, "depot.example", "https://depot.example", 200);
    check_origin(&gate, "depot.example:443", "https://depot.example", 200);
    check_origin(&gate, "localhost:4920", "https://app.example", 200);
    check_origin(&gate, "localhost:4920", "https://app.example:443", 200);
    check_origin(&gate, "localhost:4920", "http://localhost:3000", 200);
    for origin in [
        "null",
        "",
        "https://evil.example",
        "http://app.example",
        "https://app.example:8443",
        "https://app.example.evil.example",
        "https://a@app.example",
        "http://localhost:4921",
        "http://localhost",
        "file://",
        "https://app.example/path",
        "localhost:4920",
        "http://localhost:4920, http://localhost:4920",
    ] {
        check_origin(&gate, "localhost:4920", origin, 403);
    }
}

#[test]
fn what_is_no_host_or_origin_is_refused_by_name() {
    let mut gate = Gate::default();
    for host in ["", " ", "a b", "http://depot", "depot:80", "a/b", "*"] {
        assert!(gate.let_in_host(host).is_err(), "{host:?}");
    }
    for origin in
        ["", "*", "null", "depot", "ftp://depot", "https://", "https://a/b", "https://a?b"]
    {
        assert!(gate.let_in_origin(origin).is_err(), "{origin:?}");
    }
    assert!(!gate.is_asked_for());
}
