//! Every row of the contract's table of errors that a request can meet: the right status, a
//! problem document that says what and where, and nothing stored.

use laterbase_core::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, DATA_BYTES_MAX};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::connection::{ACCEPT_DELTA, Connection, DELTA, JSON, LINES};
use crate::running::{Running, in_memory, order};

/// A request, and the problem that it is answered with.
struct Case {
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    status: u16,
    kind: &'static str,
    index: Option<u64>,
    field: Option<&'static str>,
}

fn post(body: impl Into<Vec<u8>>, status: u16, kind: &'static str) -> Case {
    Case {
        method: "POST",
        target: "/e/shipment".into(),
        headers: vec![JSON],
        body: body.into(),
        status,
        kind,
        index: None,
        field: None,
    }
}

fn get(target: &str, status: u16, kind: &'static str) -> Case {
    Case { method: "GET", target: target.into(), headers: Vec::new(), ..post("", status, kind) }
}

impl Case {
    fn at(self, index: u64, field: &'static str) -> Self {
        Self { index: Some(index), field: Some(field), ..self }
    }

    fn index(self, index: u64) -> Self {
        Self { index: Some(index), ..self }
    }

    fn field(self, field: &'static str) -> Self {
        Self { field: Some(field), ..self }
    }

    fn to(self, target: &str) -> Self {
        Self { target: target.into(), ..self }
    }

    fn headers(self, headers: &[(&'static str, &'static str)]) -> Self {
        Self { headers: headers.to_vec(), ..self }
    }

    /// Sends the request on a connection of its own, and checks the answer and that the server
    /// holds what it held.
    async fn check(self, server: &Running) {
        let what = format!("{} {} {}", self.method, self.target, preview(&self.body));
        let mut connection = server.connect().await;
        let before = connection.status().await;
        let reply = connection.send(self.method, &self.target, &self.headers, self.body).await;
        assert_eq!(reply.status, self.status, "{what}: {}", reply.text());
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{what}");
        let problem = reply.json();
        assert_eq!(problem["type"], format!("urn:laterbase:problem:{}", self.kind), "{what}");
        assert_eq!(problem["status"], self.status, "{what}");
        assert!(problem["title"].is_string(), "{what}");
        assert_eq!(problem.get("index").and_then(Value::as_u64), self.index, "{what}: {problem}");
        assert_eq!(problem.get("field").and_then(Value::as_str), self.field, "{what}: {problem}");
        let has_id = problem.get("correlation_id").is_some();
        assert_eq!(has_id, self.status >= 500, "{what}: {problem}");
        let after = server.connect().await.status().await;
        assert_eq!(after, before, "{what}: something was stored");
    }
}

fn preview(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned()
}

const GOOD: &str = r#"{"aggregate_id":"s-1","type":"Arrived","data":{"at":"EWR"}}"#;

/// The good event with one member more, or replaced by it.
fn with(member: &str) -> String {
    format!("{},{member}}}", &GOOD[..GOOD.len() - 1])
}

fn without(name: &str) -> String {
    let mut event: Value = serde_json::from_str(GOOD).unwrap();
    event.as_object_mut().unwrap().remove(name);
    event.to_string()
}

fn setting(name: &str, value: impl Into<Value>) -> String {
    let mut event: Value = serde_json::from_str(GOOD).unwrap();
    event[name] = value.into();
    event.to_string()
}

fn data_of(data: &str) -> String {
    format!(r#"{{"aggregate_id":"s-1","type":"Other","data":{data}}}"#)
}

fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

fn malformed_events() -> Vec<Case> {
    let case = |body: String| post(body, 400, "malformed-event");
    vec![
        case("{".into()).index(0),
        case("not JSON".into()).index(0),
        case(String::new()).index(0),
        case("\"text\"".into()).index(0),
        case(format!("{GOOD} {GOOD}")).index(0),
        case(format!("[{GOOD},]")).index(1),
        post(b"{\"aggregate_id\":\"\xff\"}".to_vec(), 400, "malformed-event").index(0),
        case(without("aggregate_id")).at(0, "aggregate_id"),
        case(without("type")).at(0, "type"),
        case(without("data")).at(0, "data"),
        case(with(r#""data_base64":"""#)).at(0, "data_base64"),
        case(with(r#""colour":"red""#)).at(0, "colour"),
        case(setting("aggregate_id", 5)).at(0, "aggregate_id"),
        case(setting("type", Value::Null)).at(0, "type"),
        case(setting("version", "1")).at(0, "version"),
        case(setting("version", -1)).at(0, "version"),
        case(setting("version", 1.5)).at(0, "version"),
        case(data_of(r#""\u12""#)).index(0),
        case(data_of(&"[".repeat(100_000))).index(0),
        case(setting("occurred_at", 1_357_035_300)).at(0, "occurred_at"),
        case(setting("idempotency_key", 7)).at(0, "idempotency_key"),
        case(setting("root", "order")).at(0, "root"),
        case(format!("[{GOOD},{}]", without("type"))).at(1, "type"),
        case(format!("{GOOD}\n\n{}\n", without("type"))).headers(&[LINES]).at(1, "type"),
        case(format!("{GOOD}\n{{")).headers(&[LINES]).index(1),
    ]
}

fn invalid_events() -> Vec<Case> {
    let case = |body: String| post(body, 422, "invalid-event");
    let long = "x".repeat(256);
    let data = "x".repeat(DATA_BYTES_MAX - 1);
    vec![
        case(setting("aggregate_id", "")).at(0, "aggregate_id"),
        case(setting("aggregate_id", long.as_str())).at(0, "aggregate_id"),
        case(setting("type", "")).at(0, "type"),
        case(setting("type", long.as_str())).at(0, "type"),
        case(setting("idempotency_key", "")).at(0, "idempotency_key"),
        case(setting("idempotency_key", long.as_str())).at(0, "idempotency_key"),
        case(setting("data", data.as_str())).at(0, "data"),
        // Clients take dot segments out of every URL.
        case(setting("aggregate_id", ".")).at(0, "aggregate_id"),
        case(format!("{GOOD}\n{}", setting("aggregate_id", "..")))
            .headers(&[LINES])
            .at(1, "aggregate_id"),
        case(format!("[{GOOD},{}]", data_of(&nested(129)))).at(1, "data"),
        case(data_of(&nested(100_000))).at(0, "data"),
        case(data_of(r#"{"note":"\ud83d","qty":7}"#)).at(0, "data"),
        case(data_of(r#"{"\uDE00":7}"#)).at(0, "data").to("/e/order"),
        case(setting("occurred_at", "yesterday")).at(0, "occurred_at"),
        case(setting("occurred_at", "2013-02-30T00:00:00Z")).at(0, "occurred_at"),
        case(setting("occurred_at", "9999-01-01T00:00:00Z")).at(0, "occurred_at"),
        case(format!("[{GOOD},{}]", setting("type", ""))).at(1, "type"),
        post(
            format!("[{GOOD},{}]", setting("occurred_at", "2262-01-01T00:00:00Z")),
            422,
            "future-event",
        )
        .at(1, "occurred_at"),
        post(format!("[{GOOD},{}]", GOOD.replace("EWR", "")), 422, "refused-event").index(1),
        post(setting("data", 5), 422, "refused-event").index(0),
    ]
}

const SOME_DOT: &str = "332341d582665405ecb889bd9dec8ce2-1";

fn unknown_things() -> Vec<Case> {
    vec![
        post(GOOD, 404, "unknown-root").to("/e/truck"),
        post(GOOD, 404, "unknown-root").to("/e/truck").headers(&[LINES]),
        post(GOOD, 404, "unknown-root").to("/e/@depot"),
        post("", 404, "unknown-root").to("/e/bad%20name").headers(&[DELTA]),
        get("/e/truck", 404, "unknown-root"),
        get("/a/truck", 404, "unknown-root"),
        get("/a/truck/t-1", 404, "unknown-root"),
        get("/a/truck/t-1/events", 404, "unknown-root"),
        get("/a/shipment/nobody", 404, "unknown-aggregate"),
        get("/a/shipment/nobody/events", 404, "unknown-aggregate"),
        get("/a/shipment/urn%3Aepc%2Fx/events", 404, "unknown-aggregate"),
        get("/events?roots=truck", 404, "unknown-root"),
        get("/events?roots=shipment,truck@*", 404, "unknown-root"),
        get(&format!("/events/truck:{SOME_DOT}"), 404, "unknown-root"),
        get(&format!("/events/shipment:{SOME_DOT}"), 404, "unknown-event"),
        get("/events/one/two", 404, "unknown-route"),
        get("/nowhere", 404, "unknown-route"),
        get("/a/shipment/one/two", 404, "unknown-route"),
        Case { method: "DELETE", ..get("/e/shipment", 405, "method-not-allowed") },
        Case { method: "POST", ..get("/a/shipment", 405, "method-not-allowed") },
        get("/e/shipment", 406, "not-acceptable").headers(&[("accept", "text/html")]),
        get("/a/shipment", 406, "not-acceptable").headers(&[ACCEPT_DELTA]),
        get("/events", 406, "not-acceptable").headers(&[ACCEPT_DELTA]),
        Case { method: "POST", ..get("/events", 405, "method-not-allowed") },
        Case { method: "DELETE", ..get("/events/x", 405, "method-not-allowed") },
        post(GOOD, 415, "unsupported-media-type").headers(&[("content-type", "text/plain")]),
        post(GOOD, 415, "unsupported-media-type")
            .headers(&[("content-type", "application/x-www-form-urlencoded")]),
    ]
}

fn malformed_parameters() -> Vec<Case> {
    let case = |target: &str, field| get(target, 400, "malformed-parameter").field(field);
    let mut cases = Vec::new();
    for route in ["/e/shipment", "/a/shipment", "/a/shipment/s-0/events", "/events"] {
        for limit in ["0", "-1", "10001", "x", "", "1.5", "99999999999999999999"] {
            cases.push(case(&format!("{route}?limit={limit}"), "limit"));
        }
        cases.push(case(&format!("{route}?limit=1&limit=2"), "limit"));
        cases.push(case(&format!("{route}?limt=1"), "limt"));
    }
    for vv in ["zz", "AQ", "AgA", "AQA%3D", "%00"] {
        cases.push(case(&format!("/e/shipment?vv={vv}"), "vv"));
    }
    for route in ["/a/shipment", "/a/shipment/s-0/events"] {
        for after in ["s-0", "", "AQ", "%ff"] {
            cases.push(case(&format!("{route}?after={after}"), "after"));
        }
        for time in ["occurred_until", "recorded_until", "known_at"] {
            cases.push(case(&format!("{route}?{time}=yesterday"), time));
        }
    }
    cases.push(case("/a/shipment/s-0?fold=newest", "fold"));
    cases.push(case("/a/shipment?fold=", "fold"));
    cases.push(case("/a/shipment/%ff", "path"));
    cases.extend(malformed_parameters_of_events());
    cases.push(
        case("/e/shipment", "Last-Event-ID")
            .headers(&[("accept", "text/event-stream"), ("last-event-id", "zz")]),
    );
    cases
}

fn malformed_parameters_of_events() -> Vec<Case> {
    let case = |target: &str, field| get(target, 400, "malformed-parameter").field(field);
    let (long, long_id) = ("x".repeat(256), format!("shipment:{SOME_DOT}"));
    let types: Vec<String> = (0..101).map(|number| format!("t{number}")).collect();
    let ids = |count: usize| vec![long_id.as_str(); count].join(",");
    let mut cases = vec![
        case(&format!("/events?types={}", types.join(",")), "types"),
        case(&format!("/events?type={long}"), "type"),
        case(&format!("/events?ids={}", ids(101)), "ids"),
        case(&format!("/events?ids={}&limit=1", ids(1)), "ids"),
        case(&format!("/events?ids={}&type=a", ids(1)), "ids"),
        case("/events?ids=", "ids"),
        case(&format!("/events?ids={long_id},"), "ids"),
        case("/events/x", "path"),
        case("/events/%ff", "path"),
        case(&format!("/events/{SOME_DOT}"), "path"),
        case("/events/shipment:332341d582665405ecb889bd9dec8ce2-0", "path"),
    ];
    for after in ["", "x", "AAAA", "AAAAAAAAAAEAAAAAAAAAAgAAAAAAAAADA", "%ff"] {
        cases.push(case(&format!("/events?after={after}"), "after"));
        cases.push(case("/events", "Last-Event-ID").headers(&[
            ("accept", "text/event-stream"),
            ("last-event-id", if after.len() < 2 { "x" } else { "zz" }),
        ]));
    }
    for roots in ["@", "shipment@*@*", "shipment,", "a*", "*", "%ff"] {
        cases.push(case(&format!("/events?roots={roots}"), "roots"));
    }
    for types in [",", "a,,b", "a,"] {
        cases.push(case(&format!("/events?types={types}"), "types"));
    }
    for name in ["", &long] {
        cases.push(case(&format!("/events?aggregate={name}"), "aggregate"));
    }
    cases
}

fn too_large() -> Vec<Case> {
    let many = vec![GOOD; BATCH_EVENTS_MAX + 1];
    vec![
        post(format!("[{}]", many.join(",")), 413, "too-large"),
        post(many.join("\n"), 413, "too-large").headers(&[LINES]),
        post(vec![b' '; BATCH_BYTES_MAX + 1], 413, "too-large"),
    ]
}

async fn check_all(cases: Vec<Case>) {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    connection.post("/e/shipment", GOOD.replace("s-1", "s-0")).await.check(201);
    drop(connection);
    for case in cases {
        case.check(&server).await;
    }
    server.stop().await;
}

/// Mutation: without `deny_unknown_fields` on the fields of an event, `colour` is stored.
#[tokio::test]
async fn malformed_events_are_400_with_index_and_field() {
    check_all(malformed_events()).await;
}

/// Mutation: with a batch that is appended before all of it was read, the good event before the
/// bad one is stored.
#[tokio::test]
async fn events_out_of_bounds_are_422_with_index_and_field() {
    check_all(invalid_events()).await;
}

#[tokio::test]
async fn what_there_is_not_is_named() {
    check_all(unknown_things()).await;
}

#[tokio::test]
async fn malformed_parameters_are_400_with_their_name() {
    check_all(malformed_parameters()).await;
}

#[tokio::test]
async fn what_is_over_its_bound_is_413() {
    check_all(too_large()).await;
}

#[tokio::test]
async fn a_body_that_claims_too_much_is_refused_without_reading_it() {
    let server = Running::start(in_memory()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /e/shipment HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 99999999999\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn a_chunked_body_is_bounded_as_it_comes_in() {
    let server = Running::start(in_memory()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /e/shipment HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut chunk = b"100000\r\n".to_vec();
    chunk.resize(8 + 0x10_0000, b' ');
    chunk.extend_from_slice(b"\r\n");
    for _ in 0..BATCH_BYTES_MAX / 0x10_0000 + 1 {
        stream.write_all(&chunk).await.unwrap();
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_stores_nothing() {
    let server = Running::start(in_memory()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let event = order("o-1", 1);
    let head = format!(
        "POST /e/order HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n\
         content-length: {}\r\n\r\n{event}\n",
        event.len() * 2 + 2,
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let stored = server.connect().await.event_count().await;
    assert_eq!(stored, 0, "{}", String::from_utf8_lossy(&answer));
    server.stop().await;
}

/// Mutation: without `contain` around the fold, a panic is `internal` and names no event.
#[tokio::test]
async fn a_fold_that_fails_spoils_its_own_aggregate_only() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    connection.post("/e/shipment", GOOD).await.check(201);
    for (id, event_type) in [("s-2", "Failed"), ("s-3", "Panicked")] {
        let event = format!(r#"{{"aggregate_id":"{id}","type":"{event_type}","data":{{}}}}"#);
        let written = connection.post("/e/shipment", event).await.check(201);
        let target = format!("/a/shipment/{id}");
        let reply = connection.get(&target).await.check(500);
        let problem = reply.json();
        assert_eq!(problem["type"], "urn:laterbase:problem:fold-failed");
        assert_eq!(problem["event"], written.json()["ids"][0]);
        assert!(problem["correlation_id"].is_string());
        assert!(!reply.text().contains("secret"), "{}", reply.text());
        connection.get(&format!("{target}/events")).await.check(200);
        connection.get(&format!("{target}?fold=merge-patch")).await.check(200);
    }
    check_listing(&mut connection).await;
    server.stop().await;
}

async fn check_listing(connection: &mut Connection) {
    let listing = connection.get("/a/shipment").await.check(200).json();
    let aggregates = listing["aggregates"].as_array().unwrap();
    assert_eq!(aggregates.len(), 3);
    assert_eq!(aggregates[0]["state"], serde_json::json!({ "at": "EWR", "stops": 1 }));
    for failed in &aggregates[1..] {
        assert!(failed.get("state").is_none());
        assert_eq!(failed["problem"]["status"], 500);
        assert_eq!(failed["problem"]["type"], "urn:laterbase:problem:fold-failed");
    }
}
