//! The pages at `/ui`, as a browser without a script sees them.

use laterbase_server::{Builder, Server};
use serde_json::{Value, json};

use crate::connection::{Connection, JSON, Reply, segment};
use crate::origins::{origin, push, told_delta};
use crate::running::{Running, in_memory};

pub const ACCEPT_HTML: (&str, &str) =
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self' data:; connect-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

pub fn with_pages() -> Builder {
    in_memory().console(true)
}

/// Gets a page, which is to be one whatever its status.
pub async fn page(connection: &mut Connection, target: &str, status: u16) -> String {
    let reply = connection.send("GET", target, &[ACCEPT_HTML], "").await.check(status);
    check_head(target, &reply, "text/html; charset=utf-8");
    let text = reply.text();
    assert!(text.starts_with("<!DOCTYPE html>") && text.ends_with("</html>"), "{target}: {text}");
    // Nothing of a page may need what its policy forbids.
    for forbidden in [" style=", "<style", " onclick", " onerror", "javascript:"] {
        assert!(!text.contains(forbidden), "{target}: {forbidden}");
    }
    text
}

#[track_caller]
fn check_head(target: &str, reply: &Reply, media_type: &str) {
    for (name, value) in [
        ("content-type", media_type),
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{target}");
    }
}

/// Writes an event, and gives its id.
pub async fn write(connection: &mut Connection, root: &str, event: Value) -> String {
    let written = connection.post(&format!("/e/{root}"), event.to_string()).await.check(201);
    written.json()["ids"][0].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_page_says_what_a_browser_may_load() {
    let server = Running::start(with_pages()).await;
    let mut connection = server.connect().await;
    let event = json!({"aggregate_id": "o-1", "type": "Changed", "data": {"n": 1}});
    let id = write(&mut connection, "order", event).await;
    for target in [
        "/ui",
        "/ui/live",
        "/ui/record",
        "/ui/r/order",
        "/ui/r/order/a/o-1",
        &format!("/ui/e/{id}"),
    ] {
        page(&mut connection, target, 200).await;
    }
    for (target, media_type) in [
        ("/ui/style.css", "text/css; charset=utf-8"),
        ("/ui/script.js", "text/javascript; charset=utf-8"),
        ("/ui/icon.svg", "image/svg+xml"),
    ] {
        let reply = connection.get(target).await.check(200);
        check_head(target, &reply, media_type);
        assert!(reply.body.len() > 100);
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_a_page_that_says_so() {
    let server = Running::start(with_pages()).await;
    let mut connection = server.connect().await;
    let nobody = origin(9);
    for (target, status, word) in [
        ("/ui/r/truck", 404, "There is no such root"),
        ("/ui/r/%3Cscript%3E", 404, "&lt;script&gt;"),
        ("/ui/r/order/a/none", 404, "There is no such aggregate"),
        ("/ui/r/order/a/%22%3E%3Cimg%20src=x%3E", 404, "&lt;img src=x&gt;"),
        (&format!("/ui/e/order:{nobody}-1"), 404, "There is no such event"),
        (&format!("/ui/e/truck:{nobody}-1"), 404, "There is no such root"),
        ("/ui/e/x", 400, "A parameter cannot be read"),
        ("/ui?limt=1", 400, "the route has no parameters"),
        ("/ui/r/order?chnged_from=x", 400, "the nearest is changed_from"),
        ("/ui/r/order?after=x", 400, "not what `next` of a page said"),
        ("/ui/r/order/a/o?known_at=yesterday", 400, "known_at"),
        ("/ui/r/order/a/o?fold=none", 404, "There is no such aggregate"),
        ("/ui/live?roots=truck", 404, "There is no such root"),
        ("/ui/nowhere", 404, "there is nothing at /ui/nowhere"),
        ("/ui/r/order/a", 404, "there is nothing at /ui/r/order/a"),
    ] {
        let shown = page(&mut connection, target, status).await;
        assert!(shown.contains(word), "{target}: {shown}");
        assert!(!shown.contains("<script>") && !shown.contains("<img src=x"), "{target}");
    }
    server.stop().await;
}

#[tokio::test]
async fn who_would_rather_have_html_is_led_to_the_pages() {
    let server = Running::start(with_pages()).await;
    let mut connection = server.connect().await;
    for (accept, is_led) in [
        (ACCEPT_HTML.1, true),
        ("text/html", true),
        ("text/html, application/json;q=0.5", true),
        ("application/json", false),
        ("application/json, text/html", false),
        ("*/*", false),
        ("image/png", false),
    ] {
        let reply = connection.send("GET", "/", &[("accept", accept)], "").await;
        if is_led {
            let reply = reply.check(303);
            assert_eq!(reply.header("location"), Some("/ui"), "{accept}");
        } else {
            assert!(reply.check(200).json()["replica"].is_string(), "{accept}");
        }
    }
    assert!(connection.status().await["replica"].is_string());
    server.stop().await;
}

#[tokio::test]
async fn a_slash_at_the_end_leads_to_the_first_page() {
    let server = Running::start(with_pages()).await;
    let reply = server.connect().await.get("/ui/").await.check(303);
    assert_eq!(reply.header("location"), Some("/ui"));
    server.stop().await;
}

#[tokio::test]
async fn a_server_without_the_pages_has_none_and_leads_nowhere() {
    for builder in [in_memory(), in_memory().console(false)] {
        let server = Running::start(builder).await;
        let mut connection = server.connect().await;
        for target in ["/ui", "/ui/style.css", "/ui/r/order"] {
            connection.send("GET", target, &[ACCEPT_HTML], "").await.problem(404, "unknown-route");
        }
        connection.send("GET", "/", &[ACCEPT_HTML], "").await.check(200);
        server.stop().await;
    }
    assert!(Server::routes().iter().all(|(_, path)| !path.starts_with("/ui")));
}

#[tokio::test]
async fn pages_of_others_and_unknown_names_get_nothing() {
    let server = Running::start(with_pages()).await;
    let mut connection = server.connect().await;
    let foreign = [("origin", "https://elsewhere.example")];
    let reply = connection.send("GET", "/ui", &foreign, "").await;
    assert_eq!(reply.status, 403);
    let asked = "GET /ui HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n";
    let answer = Connection::raw(server.address, asked).await;
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    server.stop().await;
}

/// A router may be nested in a program's own.
#[tokio::test]
async fn nested_pages_lead_to_where_they_are() {
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt as _;
    let server = with_pages().build().unwrap();
    let router = axum::Router::new().nest("/store", server.router());
    let ask = |path: &str| {
        let request = axum::http::Request::get(path).header("accept", "text/html");
        router.clone().oneshot(request.body(Body::empty()).unwrap())
    };
    // An axum router nested under a path answers at that path itself, without the last slash.
    let led = ask("/store").await.unwrap();
    assert_eq!(led.status(), 303);
    assert_eq!(led.headers()["location"], "/store/ui");
    let shown = ask("/store/ui").await.unwrap();
    let shown = to_bytes(shown.into_body(), usize::MAX).await.unwrap();
    let shown = String::from_utf8(shown.to_vec()).unwrap();
    for part in [
        r#"data-base="/store""#,
        r#"href="/store/ui/style.css""#,
        r#"src="/store/ui/script.js""#,
        r#"href="/store/ui/live""#,
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[tokio::test]
async fn the_first_page_shows_roots_and_what_each_decision_of_a_fork_does() {
    let server = Running::start(with_pages()).await;
    let mut connection = server.connect().await;
    let shown = page(&mut connection, "/ui", 200).await;
    assert!(shown.contains("No events yet") && shown.contains("All is well"), "{shown}");
    push(&mut connection, &[("order", origin(7), 1..=3)]).await.check(200);
    push(&mut connection, &[("relayed", origin(7), 1..=1)]).await.check(200);
    let other = told_delta(&[("order", origin(7), 1..=5)], "other");
    let delta = ("content-type", "application/vnd.laterbase.delta");
    connection.send("POST", "/sync", &[delta], other).await.problem(409, "fork");
    let shown = page(&mut connection, "/ui", 200).await;
    assert!(!shown.contains("All is well"));
    assert!(shown.contains(r#"<a href="/ui/r/order">order</a>"#), "{shown}");
    assert!(shown.contains("relayed only") && !shown.contains("/ui/r/relayed"));
    let fork = &connection.get("/forks").await.check(200).json()["forks"][0];
    for keep in ["ours", "theirs"] {
        let into = fork["keep"][keep]["into"][0].as_str().unwrap();
        assert!(shown.contains(into), "{keep}: {shown}");
        let body = format!("data-body=\"{{&quot;keep&quot;:&quot;{keep}&quot;}}\"");
        assert!(shown.contains(&body), "{keep}: {shown}");
    }
    let target = format!("/forks/order/{}", origin(7));
    assert!(shown.contains(&format!(r#"data-post="{target}""#)), "{shown}");
    connection.send("POST", &target, &[JSON], r#"{"keep":"ours"}"#).await.check(200);
    let shown = page(&mut connection, "/ui", 200).await;
    assert!(shown.contains("All is well") && !shown.contains("data-post"), "{shown}");
    server.stop().await;
}

/// Everything that an event says is somebody else's.
#[tokio::test]
async fn what_events_hold_is_never_markup() {
    let server = Running::start(with_pages()).await;
    let mut connection = server.connect().await;
    let hostile = "<script>alert('x')</script>\"'\u{202e}%2F/%/../&amp;\u{1}";
    let event = json!({
        "aggregate_id": hostile, "type": hostile,
        "data": {hostile: hostile, "list": [hostile]},
        "metadata": {"actor": hostile, "reason": hostile}, "idempotency_key": hostile,
    });
    let id = write(&mut connection, "order", event).await;
    let aggregate = format!("/ui/r/order/a/{}", segment(hostile));
    for target in [
        "/ui/r/order".to_owned(),
        format!("/ui/r/order?columns={}", segment(hostile)),
        format!("/ui/r/order?changed_from=2020-01-01T00:00:00Z&columns={}", segment(hostile)),
        aggregate.clone(),
        format!("{aggregate}?other_known_at=2020-01-01T00:00:00Z"),
        format!("/ui/e/{id}"),
        "/ui/live".to_owned(),
        format!("/ui/record?root={0}&aggregate_id={0}", segment(hostile)),
    ] {
        let shown = page(&mut connection, &target, 200).await;
        assert!(!shown.contains("<script>") && !shown.contains("x')</"), "{target}: {shown}");
        // In attributes it stands as it is, but for quotes; in text it is shown.
        assert!(!shown.contains(">\u{202e}") && shown.contains("&lt;script&gt;"), "{target}");
    }
    let listed = page(&mut connection, "/ui/r/order", 200).await;
    assert!(listed.contains("U+202E") && listed.contains("U+0001"));
    let link = listed.split("href=\"").find(|rest| rest.starts_with("/ui/r/order/a/")).unwrap();
    let link = link.split('"').next().unwrap();
    page(&mut connection, link, 200).await;
    server.stop().await;
}
