//! `/ui/r/{root}`: pages, columns, what changed, and downloads.

use serde_json::{Value, json};

use crate::connection::{Connection, Reply};
use crate::page::{page, with_pages, write};
use crate::running::Running;

/// A root of 230 aggregates, of ids that begin with `a` or `b`.
async fn filled() -> (Running, Connection) {
    let server = Running::start(with_pages()).await;
    let mut connection = server.connect().await;
    let event = |n: usize| {
        let id = format!("{}/{:03}", if n < 200 { "a" } else { "b" }, n);
        json!({"aggregate_id": id, "type": "T", "data": {"n": n, "at": "Lagos", "deep": {"x": n}}})
    };
    let events: Vec<Value> = (0..230).map(event).collect();
    connection.post("/e/order", json!(events).to_string()).await.check(201);
    (server, connection)
}

/// The ids of a page, in its order.
fn ids(shown: &str) -> Vec<String> {
    let rows = shown.split("<th scope=\"row\"><a href=\"").skip(1);
    rows.map(|row| row.split("<bdi>").nth(1).unwrap().split('<').next().unwrap().to_owned())
        .collect()
}

fn next(shown: &str) -> Option<String> {
    let link = shown.split("rel=\"next\" href=\"").nth(1)?;
    Some(link.split('"').next().unwrap().replace("&amp;", "&"))
}

async fn all(connection: &mut Connection, target: &str) -> Vec<String> {
    let (mut found, mut target) = (Vec::new(), target.to_owned());
    loop {
        let shown = page(connection, &target, 200).await;
        found.extend(ids(&shown));
        match next(&shown) {
            Some(next) => target = next,
            None => return found,
        }
    }
}

#[tokio::test]
async fn a_root_is_read_page_by_page_and_nothing_is_left_out() {
    let (server, mut connection) = filled().await;
    let expected: Vec<String> =
        (0..230).map(|n| format!("{}/{n:03}", if n < 200 { "a" } else { "b" })).collect();
    for query in ["", "?columns=n&columns=nothing", "?fold=merge-patch&occurred_until="] {
        assert_eq!(all(&mut connection, &format!("/ui/r/order{query}")).await, expected, "{query}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_members_of_states_are_columns_and_can_be_chosen() {
    let (server, mut connection) = filled().await;
    let heads = |shown: &str| -> Vec<String> {
        let head = shown.split("<thead>").nth(1).unwrap().split("</thead>").next().unwrap();
        head.split("<bdi>").skip(1).map(|it| it.split('<').next().unwrap().to_owned()).collect()
    };
    let shown = page(&mut connection, "/ui/r/order", 200).await;
    assert_eq!(heads(&shown), ["at", "deep", "n"]);
    assert!(
        shown.contains("<td><bdi>{&quot;x&quot;:7}</bdi></td><td><bdi>7</bdi></td>"),
        "{shown}"
    );
    let shown = page(&mut connection, "/ui/r/order?columns=n&columns=%3Cb%3E", 200).await;
    assert_eq!(heads(&shown), ["n", "&lt;b&gt;"]);
    assert!(next(&shown).unwrap().contains("columns=n&columns=%3Cb%3E&"));
    assert!(shown.contains(r#"value="n" checked"#) && shown.contains(r#"value="at">"#), "{shown}");
    server.stop().await;
}

#[tokio::test]
async fn an_id_or_how_it_begins_finds_aggregates() {
    let (server, mut connection) = filled().await;
    for (find, expected) in [("a/19", 10), ("a/1", 100), ("b", 30), ("c", 0), ("a/1999", 0)] {
        let target = format!("/ui/r/order?find={}", crate::connection::segment(find));
        let found = ids(&page(&mut connection, &target, 200).await);
        assert_eq!(found.len(), expected, "{find}");
        assert!(found.iter().all(|id| id.starts_with(find)), "{find}: {found:?}");
    }
    // What begins so may be many pages, and one that is called just so comes first.
    let found = all(&mut connection, "/ui/r/order?find=a%2F").await;
    let expected: Vec<String> = (0..200).map(|n| format!("a/{n:03}")).collect();
    assert_eq!(found, expected);
    write(&mut connection, "order", json!({"aggregate_id": "a/19", "type": "T", "data": 1})).await;
    let found = ids(&page(&mut connection, "/ui/r/order?find=a/19", 200).await);
    assert_eq!((found.len(), found[0].as_str()), (11, "a/19"));
    let led = connection.get("/ui/r/order?find=b/201").await.check(303);
    assert_eq!(led.header("location"), Some("/ui/r/order/a/b%2F201"));
    let long = "x".repeat(256);
    page(&mut connection, &format!("/ui/r/order?find={long}"), 400).await;
    server.stop().await;
}

#[tokio::test]
async fn what_changed_since_a_time_is_listed_with_the_latest_first() {
    let (server, mut connection) = filled().await;
    let since = laterbase_core::time::format_time(
        laterbase_core::time::parse_time(&arrived(&mut connection).await).unwrap() + 1,
    );
    for id in ["a/007", "b/201", "a/009", "b/201"] {
        write(&mut connection, "order", json!({"aggregate_id": id, "type": "T", "data": {"n": 1}}))
            .await;
        write(&mut connection, "shipment", arrival()).await;
    }
    let target = format!("/ui/r/order?changed_from={}", crate::connection::segment(&since));
    assert_eq!(all(&mut connection, &target).await, ["b/201", "a/009", "a/007"]);
    // Over several pages, down to the first one.
    let target = "/ui/r/order?changed_from=2000-01-01T00:00:00Z";
    let mut found = all(&mut connection, target).await;
    assert_eq!(found[..3], ["b/201", "a/009", "a/007"]);
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 230);
    assert!(all(&mut connection, "/ui/r/order?changed_from=2200-01-01T00:00:00Z").await.is_empty());
    page(&mut connection, "/ui/r/order?changed_from=today", 400).await;
    server.stop().await;
}

/// A page looked at one stretch of the log, 100,000 entries, and was empty where those were of other
/// roots.
#[tokio::test]
async fn what_changed_is_found_behind_much_of_other_roots() {
    let server = Running::start(with_pages()).await;
    let mut connection = server.connect().await;
    write(&mut connection, "order", json!({"aggregate_id": "a", "type": "T", "data": {}})).await;
    let lines = format!("{}\n", arrival()).repeat(10_000);
    for _ in 0..11 {
        let lines = lines.clone();
        connection.send("POST", "/e/shipment", &[crate::connection::LINES], lines).await.check(201);
    }
    let shown = page(&mut connection, "/ui/r/order?changed_from=2000-01-01T00:00:00Z", 200).await;
    assert_eq!(ids(&shown), ["a"]);
    assert_eq!(next(&shown), None);
    server.stop().await;
}

fn arrival() -> Value {
    json!({"aggregate_id": "s", "type": "Arrived", "data": {"at": "Kano"}})
}

/// When the last event arrived, by its page.
async fn arrived(connection: &mut Connection) -> String {
    let events = connection.get("/events?order=desc&limit=1").await.check(200).json();
    let id = events["events"][0]["id"].as_str().unwrap().to_owned();
    let shown = page(connection, &format!("/ui/e/{id}"), 200).await;
    let learned = shown.split("Learned here</dt><dd><time datetime=\"").nth(1).unwrap();
    learned.split('"').next().unwrap().to_owned()
}

#[track_caller]
fn check_file(reply: Reply, media_type: &str, name: &str) -> String {
    let reply = reply.check(200);
    assert_eq!(reply.header("content-type"), Some(media_type));
    assert_eq!(
        reply.header("content-disposition"),
        Some(format!("attachment; filename=\"{name}\"").as_str())
    );
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    reply.text()
}

#[tokio::test]
async fn a_root_is_downloaded_whole() {
    let (server, mut connection) = filled().await;
    let more: Vec<Value> = (0..1_000)
        .map(
            |n| json!({"aggregate_id": format!("c/{n:04}"), "type": "T", "data": {"late": "=1+1"}}),
        )
        .collect();
    connection.post("/e/order", json!(more).to_string()).await.check(201);
    let reply = connection.get("/ui/r/order/aggregates.csv").await;
    let text = check_file(reply, "text/csv; charset=utf-8", "order.csv");
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').split("\r\n").collect();
    assert_eq!(lines.len(), 1 + 230 + 1_000 + 1);
    assert_eq!(lines[0], "id,at,deep,n,late,(others),(problem)");
    assert_eq!(lines[1], "a/000,Lagos,\"{\"\"x\"\":0}\",0,,,");
    assert_eq!(lines[1_230], "c/0999,,,,'=1+1,,");
    let reply = connection.get("/ui/r/order/aggregates.csv?columns=n").await;
    let text = check_file(reply, "text/csv; charset=utf-8", "order.csv");
    assert!(
        text.contains("\r\na/001,1,\"{\"\"at\"\":\"\"Lagos\"\",\"\"deep\"\":{\"\"x\"\":1}}\",\r\n")
    );

    let reply = connection.get("/ui/r/order/aggregates.ndjson").await;
    let text = check_file(reply, "application/x-ndjson", "order.ndjson");
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 1_230);
    let listed = connection.get("/a/order?limit=10000").await.check(200).json();
    assert_eq!(Value::from(rows), listed["aggregates"]);
    let reply = connection.get("/ui/r/shipment/aggregates.ndjson").await;
    assert_eq!(check_file(reply, "application/x-ndjson", "shipment.ndjson"), "");
    page(&mut connection, "/ui/r/truck/aggregates.csv", 404).await;
    page(&mut connection, "/ui/r/order/aggregates.csv?colums=n", 400).await;
    server.stop().await;
}
