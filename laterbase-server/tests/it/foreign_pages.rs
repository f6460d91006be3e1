//! What a page in a browser can do to a server.
//!
//! The story: a page of any site wrote events by an untyped `Blob` and by `sendBeacon`, as a
//! missing `Content-Type` meant JSON. And a name of the site's own, led to a loopback address,
//! made the page one of the server's.

use crate::connection::{Connection, JSON, Reply};
use crate::running::{Running, in_memory, order};

const OWN: &str = "https://app.example";

async fn write(connection: &mut Connection, headers: &[(&str, &str)]) -> Reply {
    connection.send("POST", "/e/order", headers, order("o", 1)).await
}

#[tokio::test]
async fn a_write_says_what_it_is() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    for headers in [&[][..], &[("content-type", "")], &[("content-type", "text/plain")]] {
        write(&mut connection, headers).await.problem(415, "unsupported-media-type");
    }
    for target in ["/sync", "/sync/wants"] {
        let reply = connection.send("POST", target, &[], "x").await;
        reply.problem(415, "unsupported-media-type");
    }
    assert_eq!(connection.event_count().await, 0);
    write(&mut connection, &[("content-type", "application/json; charset=utf-8")]).await.check(201);
    server.stop().await;
}

#[tokio::test]
async fn a_page_of_another_origin_neither_writes_nor_reads() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    for origin in ["https://evil.example", "null", "http://localhost:1"] {
        write(&mut connection, &[JSON, ("origin", origin)]).await.problem(403, "foreign-origin");
        let read = connection.send("GET", "/a/order", &[("origin", origin)], "").await;
        read.problem(403, "foreign-origin");
        let asks = [("origin", origin), ("access-control-request-method", "POST")];
        let preflight = connection.send("OPTIONS", "/e/order", &asks, "").await;
        assert_eq!(preflight.header("access-control-allow-origin"), None);
        preflight.problem(403, "foreign-origin");
    }
    assert_eq!(connection.event_count().await, 0);
    // A page that the server gave itself, at the name under which it was asked.
    write(&mut connection, &[JSON, ("origin", "http://localhost")]).await.check(201);
    server.stop().await;
}

#[tokio::test]
async fn a_page_that_is_let_in_writes_and_reads_what_it_needs() {
    let server = Running::start(in_memory().allow_origin(OWN)).await;
    let mut connection = server.connect().await;
    let asks = [
        ("origin", OWN),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,idempotency-key"),
    ];
    let preflight = connection.send("OPTIONS", "/e/order", &asks, "").await.check(200);
    assert_eq!(preflight.header("access-control-allow-origin"), Some(OWN));
    let allowed = preflight.header("access-control-allow-headers").unwrap();
    assert_eq!(allowed, "content-type,idempotency-key");
    assert!(preflight.header("access-control-allow-methods").unwrap().contains("POST"));

    let written = write(&mut connection, &[JSON, ("origin", OWN)]).await.check(201);
    assert_eq!(written.header("access-control-allow-origin"), Some(OWN));
    let read = connection.send("GET", "/a/order/o", &[("origin", OWN)], "").await.check(200);
    let exposed = read.header("access-control-expose-headers").unwrap();
    for name in ["laterbase-event-count", "laterbase-covered", "laterbase-next", "etag"] {
        assert!(exposed.contains(name), "{exposed}");
    }
    assert!(read.header("vary").unwrap().contains("origin"));
    let other = [JSON, ("origin", "https://evil.example")];
    write(&mut connection, &other).await.problem(403, "foreign-origin");
    server.stop().await;
}

#[tokio::test]
async fn a_server_is_asked_under_a_name_of_its_own() {
    let server = Running::start(in_memory().host("depot-7")).await;
    let port = server.address.port();
    let asked = async |host: &str| Connection::raw(server.address, &head("GET", host)).await;
    for host in [format!("localhost:{port}"), format!("[::1]:{port}"), "DEPOT-7.".into()] {
        assert!(asked(&host).await.starts_with("HTTP/1.1 200"), "{host}");
    }
    let answer = asked("evil.example").await;
    assert!(answer.starts_with("HTTP/1.1 421 Misdirected Request\r\n"), "{answer}");
    assert!(answer.contains("urn:laterbase:problem:unknown-host"), "{answer}");
    let answer = asked(&format!("localhost\r\nHost: localhost:{port}")).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let absolute = format!(
        "GET http://evil.example/ HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n\r\n"
    );
    assert!(Connection::raw(server.address, &absolute).await.starts_with("HTTP/1.1 421"));
    let without = Connection::raw(server.address, "GET / HTTP/1.0\r\n\r\n").await;
    assert!(without.starts_with("HTTP/1.0 200"), "{without}");
    let without =
        Connection::raw(server.address, "GET / HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert!(without.starts_with("HTTP/1.1 400"), "{without}");
    server.stop().await;
}

fn head(method: &str, host: &str) -> String {
    format!("{method} / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}
