//! Every answer that any test here gets is held against `/openapi.json`: its status, its media
//! type, its form, and which problems a route says that it has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use jsonschema::Validator;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::wants::{Want, Wants};
use laterbase_server::{BackupOptions, Builder, Server};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::connection::{
    ACCEPT_DELTA, ACCEPT_LINES, ACCEPT_LIVE, Connection, DELTA, JSON, Reply, WANTS,
};
use crate::origins::{origin, push, root, told_delta};
use crate::running::{Running, in_memory, order};

/// Longer bodies are looked at by the tests that ask for them.
const BODY_BYTES_MAX: usize = 256 * 1024;

const ACCEPT_CLOUD_EVENTS: (&str, &str) = ("accept", "application/cloudevents-batch+json");
const ACCEPT_CLOUD_EVENT: (&str, &str) = ("accept", "application/cloudevents+json");
const ACCEPT_HEADS: (&str, &str) = ("accept", "application/vnd.laterbase.heads");

/// The document, as the router of a server without anything gives it.
fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(ask())
        })
        .join()
        .unwrap()
    })
}

async fn ask() -> Value {
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt as _;
    let store = std::sync::Arc::new(MemoryStore::new());
    let server = Server::builder().store(store).build().unwrap();
    let request = axum::http::Request::get("/openapi.json").body(Body::empty()).unwrap();
    let answer = server.router().oneshot(request).await.unwrap();
    serde_json::from_slice(&to_bytes(answer.into_body(), usize::MAX).await.unwrap()).unwrap()
}

/// The path of the document that a target is of; none for what has no such path, as in a router
/// that is nested in another one.
fn path_of(target: &str) -> Option<&'static str> {
    let target = target.split('?').next().unwrap_or_default();
    let segments: Vec<&str> = target.split('/').collect();
    let is_of = |path: &str| {
        let path: Vec<&str> = path.split('/').collect();
        path.len() == segments.len()
            && path.iter().zip(&segments).all(|(a, b)| a == b || a.starts_with('{'))
    };
    let mut found: Vec<&str> =
        document()["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    found.retain(|path| is_of(path));
    // Of several, that with the most fixed segments.
    found.into_iter().min_by_key(|path| path.matches('{').count())
}

/// Holds an answer against what is said of its route.
#[track_caller]
pub fn check(method: &str, target: &str, reply: &Reply) {
    let Some(path) = path_of(target) else { return };
    let operation = &document()["paths"][path][method.to_lowercase()];
    let Some(responses) = operation["responses"].as_object() else { return };
    let status = reply.status.as_str();
    let told = responses.get(status);
    let told = told.unwrap_or_else(|| panic!("{method} {path} has no {status}: {}", reply.text()));
    let Some(media_type) = reply.header("content-type") else {
        assert!(reply.body.is_empty(), "{method} {path} {status} has no media type");
        return;
    };
    let schema = &told["content"][media_type]["schema"];
    assert!(!schema.is_null(), "{method} {path} {status} has no {media_type}");
    for name in reply.headers.keys().filter(|name| name.as_str().starts_with("laterbase-")) {
        let headers = told["headers"].as_object();
        let mut names = headers.into_iter().flatten().map(|(name, _)| name.to_lowercase());
        assert!(names.any(|told| told == name.as_str()), "{method} {path} {status}: {name}");
    }
    let is_json = media_type.ends_with("json")
        && media_type != "application/x-ndjson"
        && reply.body.len() <= BODY_BYTES_MAX;
    // Numbers and strings of all kinds are written in tests, and some parse as nothing here.
    let Some(body) = is_json.then(|| serde_json::from_slice(&reply.body).ok()).flatten() else {
        return;
    };
    if media_type == "application/problem+json" {
        check_problem(method, path, told, &body);
    }
    check_form(&format!("{method} {path} {status} {media_type}"), schema, &body);
}

fn check_problem(method: &str, path: &str, told: &Value, body: &Value) {
    let name = body["type"].as_str().unwrap().trim_start_matches("urn:laterbase:problem:");
    let kinds = told["description"].as_str().unwrap().split("; ");
    let mut names = kinds.map(|kind| kind.split(':').next().unwrap());
    assert!(names.any(|told| told == name), "{method} {path} has no problem {name}");
}

fn check_form(place: &str, schema: &Value, body: &Value) {
    static VALIDATORS: Mutex<BTreeMap<String, &'static Validator>> = Mutex::new(BTreeMap::new());
    let known = VALIDATORS.lock().unwrap().get(place).copied();
    let validator = known.unwrap_or_else(|| {
        let whole = json!({"components": document()["components"], "allOf": [schema]});
        let options = jsonschema::options().with_draft(jsonschema::Draft::Draft202012);
        let built = options.should_validate_formats(true).build(&whole).unwrap();
        let built: &'static Validator = Box::leak(Box::new(built));
        VALIDATORS.lock().unwrap().insert(place.to_owned(), built);
        built
    });
    if let Some(fault) = validator.iter_errors(body).next() {
        panic!("{place}: {} of {body}: {fault}", fault.instance_path());
    }
}

fn backed_up(folder: &Path) -> Builder {
    let directory = folder.to_owned();
    in_memory().backups(BackupOptions { directory, every: None, keep: None })
}

async fn check_live(connection: &mut Connection) {
    let stream = connection.start("GET", "/events", &[ACCEPT_LIVE], "").await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
}

/// Asks everything that there is to ask, so that nothing is told that no test ever saw.
#[tokio::test]
async fn every_route_answers_as_the_document_says() {
    let backups = TempDir::new().unwrap();
    let server = Running::start(backed_up(backups.path())).await;
    let mut connection = server.connect().await;
    let mut asked = BTreeSet::new();
    let written = connection.post("/e/order?vv=true", order("a", 1)).await.check(201).json();
    let id = written["ids"][0].as_str().unwrap().to_owned();
    asked.insert(("POST", "/e/{root}"));
    connection.post("/e/order?on_error=skip", order("a", 2)).await.check(201);
    push(&mut connection, &[("order", origin(7), 1..=3)]).await.check(200);
    asked.insert(("POST", "/sync"));
    let other = told_delta(&[("order", origin(7), 1..=5)], "other");
    connection.send("POST", "/sync", &[DELTA], other).await.problem(409, "fork");
    let since = connection.get("/a/order").await.check(200).json()["changed_since"].clone();
    let since = format!("/a/order?changed_since={}", since.as_str().unwrap());
    let (by_id, by_ids) = (format!("/events/{id}"), format!("/events?ids={id}"));
    let heads = connection.send("GET", "/sync/heads", &[ACCEPT_HEADS], "").await.check(200);
    let pull = format!("/sync?cursor={}", heads.cursor());
    for (target, headers) in [
        ("/e/order", &[][..]),
        ("/e/order", &[ACCEPT_LINES]),
        ("/e/order", &[ACCEPT_DELTA]),
        ("/events", &[]),
        ("/events", &[ACCEPT_LINES]),
        ("/events", &[ACCEPT_CLOUD_EVENTS]),
        (&by_ids, &[]),
        (&by_id, &[]),
        (&by_id, &[ACCEPT_CLOUD_EVENT]),
        ("/a/order", &[]),
        ("/a/order@*", &[]),
        (&since, &[]),
        ("/a/order/a", &[]),
        ("/a/order/a/events", &[]),
        ("/a/order/a/events", &[ACCEPT_LINES]),
        ("/forks", &[]),
        ("/sync/heads", &[ACCEPT_HEADS]),
        (&pull, &[ACCEPT_DELTA]),
    ] {
        let reply = connection.send("GET", target, headers, "").await;
        assert!(reply.status.is_success(), "{target}: {}", reply.text());
        asked.insert(("GET", path_of(target).unwrap()));
    }
    for target in ["/", "/peers", "/metrics", "/healthz", "/readyz", "/openapi.json"] {
        connection.get(target).await.check(200);
        asked.insert(("GET", target));
    }
    let wants = Wants {
        entries: vec![Want { root: root("order"), origin: origin(7), after: 0, until: 2 }],
    };
    let keep = json!({"keep": "ours"}).to_string();
    for (target, headers, body) in [
        ("/backup".to_owned(), &[][..], Vec::new()),
        ("/e/order/feed".to_owned(), &[JSON], b"{\"vv\":\"\"}".to_vec()),
        ("/sync/wants".to_owned(), &[WANTS], wants.encode()),
        (format!("/forks/order/{}", origin(7)), &[JSON], keep.into_bytes()),
    ] {
        let reply = connection.send("POST", &target, headers, body).await;
        assert!(reply.status.is_success(), "{target}: {}", reply.text());
        asked.insert(("POST", path_of(&target).unwrap()));
    }
    let told: BTreeSet<(&str, &str)> = document()["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, operations)| methods(operations).map(move |method| (method, &**path)))
        .collect();
    assert_eq!(asked, told);
    check_live(&mut connection).await;
    server.stop().await;
}

/// A browser asks for a page everywhere.
#[tokio::test]
async fn what_a_route_cannot_give_is_told() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    connection.post("/e/order", order("a", 1)).await.check(201);
    let html = [("accept", "text/html"), JSON];
    let routes = Server::routes().into_iter();
    for (method, path) in routes {
        let target = path.replace("{root}", "order").replace("{id}", "a").replace("{origin}", "b");
        connection.send(method.as_str(), &target, &html, "{}").await;
    }
    server.stop().await;
}

fn methods(operations: &Value) -> impl Iterator<Item = &'static str> {
    let operations: &Map<String, Value> = operations.as_object().unwrap();
    let known = ["get", "post"].into_iter().zip(["GET", "POST"]);
    let found: Vec<&str> =
        known.filter(|(name, _)| operations.contains_key(*name)).map(|(_, name)| name).collect();
    assert_eq!(found.len(), operations.len());
    found.into_iter()
}
