//! `GET /sync/heads`: what the server holds.

use laterbase_core::heads::{HeadEntry, HeadsPage};
use laterbase_core::id::ReplicaId;
use laterbase_server::SyncRoots;

use crate::connection::{Connection, Reply};
use crate::origins::{check, origin, push, root, runs};
use crate::running::{Running, in_memory};

async fn read(connection: &mut Connection, query: &str) -> (HeadsPage, Reply) {
    let reply = connection.get(&format!("/sync/heads{query}")).await.check(200);
    assert_eq!(reply.header("content-type"), Some("application/vnd.laterbase.heads"));
    (HeadsPage::decode(&reply.body).unwrap(), reply)
}

fn head(name: &str, origin: ReplicaId, seq: u64) -> HeadEntry {
    HeadEntry { root: root(name), origin, seq, check: check(name, origin, seq) }
}

#[tokio::test]
async fn heads_say_where_every_origin_ends_in_the_order_of_roots_and_origins() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let (empty, reply) = read(&mut connection, "").await;
    assert_eq!(empty, HeadsPage::default());
    assert_eq!(reply.header("laterbase-next"), None);
    // In an order that is not theirs.
    let stretches = [
        ("trip", origin(2), 1..=1),
        ("order@b", origin(9), 1..=3),
        ("order", origin(9), 1..=2),
        ("order", origin(1), 1..=5),
    ];
    push(&mut connection, &stretches).await.check(200);
    let (page, reply) = read(&mut connection, "").await;
    let expected = [
        head("order", origin(1), 5),
        head("order", origin(9), 2),
        head("order@b", origin(9), 3),
        head("trip", origin(2), 1),
    ];
    assert_eq!(page.entries, expected);
    assert_eq!(page.next, None);
    let replica = connection.status().await["replica"].as_str().unwrap().to_owned();
    assert_eq!(reply.header("laterbase-replica"), Some(replica.as_str()));
    let (some, _) = read(&mut connection, "?roots=order@*,trip").await;
    assert_eq!(some.entries, expected[2..]);
    server.stop().await;
}

/// Mutation: with pages that start at `after` instead of behind it, heads come twice.
#[tokio::test]
async fn ten_thousand_origins_come_in_pages_each_once() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let scrambled = (0..10_000).map(|number| number * 7_919 % 10_000);
    let stretches: Vec<_> = scrambled.map(|number| ("order", origin(number), 1..=1)).collect();
    push(&mut connection, &stretches).await.check(200);
    push(&mut connection, &[("a", origin(3), 1..=1), ("z", origin(3), 1..=1)]).await.check(200);
    let (mut found, mut query, mut sizes) = (Vec::new(), "?limit=4000".to_owned(), Vec::new());
    loop {
        let (page, reply) = read(&mut connection, &query).await;
        sizes.push(page.entries.len());
        found.extend(page.entries);
        let Some(next) = reply.header("laterbase-next") else { break };
        assert!(page.next.is_some());
        query = format!("?limit=4000&after={next}");
    }
    assert_eq!(sizes, [4_000, 4_000, 2_002]);
    let names: Vec<(String, ReplicaId)> =
        found.into_iter().map(|entry| (entry.root.to_string(), entry.origin)).collect();
    let mut expected = vec![("a".to_owned(), origin(3))];
    expected.extend((0..10_000).map(|number| ("order".to_owned(), origin(number))));
    expected.push(("z".to_owned(), origin(3)));
    assert_eq!(names, expected);
    server.stop().await;
}

#[tokio::test]
async fn what_arrives_after_the_heads_lies_behind_their_cursor() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    push(&mut connection, &[("order", origin(1), 1..=2)]).await.check(200);
    let (page, reply) = read(&mut connection, "?limit=1").await;
    assert_eq!(page.entries, [head("order", origin(1), 2)]);
    push(&mut connection, &[("order", origin(1), 3..=4)]).await.check(200);
    let target = format!("/sync?cursor={}", reply.cursor());
    let arrived = connection.get(&target).await.check(200);
    assert_eq!(runs(&arrived.body), [("order".to_owned(), origin(1), 3..=4)]);
    server.stop().await;
}

#[tokio::test]
async fn a_server_of_known_roots_hides_the_others_on_every_page() {
    let store = std::sync::Arc::new(laterbase_core::memory_store::MemoryStore::new());
    let server = Running::start(in_memory().store(store.clone())).await;
    let mut connection = server.connect().await;
    let names = ["a", "order", "order@b", "truck"];
    push(&mut connection, &names.map(|name| (name, origin(1), 1..=1))).await.check(200);
    drop(connection);
    server.stop().await;
    let known = in_memory().store(std::sync::Arc::new(store.reopen())).sync_roots(SyncRoots::Known);
    let server = Running::start(known).await;
    let mut connection = server.connect().await;
    let (first, reply) = read(&mut connection, "?limit=1").await;
    assert_eq!(first.entries, [head("order", origin(1), 1)]);
    let next = reply.header("laterbase-next").unwrap().to_owned();
    let (second, reply) = read(&mut connection, &format!("?limit=1&after={next}")).await;
    assert_eq!(second.entries, [head("order@b", origin(1), 1)]);
    assert_eq!(reply.header("laterbase-next"), None);
    server.stop().await;
}

#[tokio::test]
async fn malformed_parameters_are_400_with_their_name() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let id = origin(1);
    for (query, field) in [
        ("?after=x".to_owned(), "after"),
        (format!("?after=a%20b/{id}"), "after"),
        (format!("?after=order/{id}0"), "after"),
        ("?limit=50001".to_owned(), "limit"),
        ("?limit=0".to_owned(), "limit"),
        ("?roots=*".to_owned(), "roots"),
        (format!("?not={id}"), "not"),
    ] {
        let reply = connection.get(&format!("/sync/heads{query}")).await;
        assert_eq!(reply.problem(400, "malformed-parameter")["field"], field, "{query}");
    }
    let json = [("accept", "application/json")];
    connection.send("GET", "/sync/heads", &json, "").await.problem(406, "not-acceptable");
    connection.post("/sync/heads", "").await.problem(405, "method-not-allowed");
    server.stop().await;
}
