//! Peers that lie: what they send is refused or contained, and the server goes on.

use laterbase_core::chain::{ChainHash, RecordHash};
use laterbase_core::delta::{DeltaBuilder, Outgoing};
use laterbase_core::event::Record;
use laterbase_core::hlc::Hlc;
use laterbase_core::id::ReplicaId;
use laterbase_core::limits::WANTS_ENTRIES_MAX;

use crate::connection::{Connection, DELTA, Reply, WANTS};
use crate::origins::{delta, end, origin, push, root, runs};
use crate::running::{Running, in_memory, order};

const HASH_BYTES: usize = 16;

/// The document with its hash made right again.
fn sealed(mut document: Vec<u8>) -> Vec<u8> {
    document.truncate(document.len() - HASH_BYTES);
    let hash = blake3::hash(&document);
    document.extend_from_slice(&hash.as_bytes()[..HASH_BYTES]);
    document
}

/// A delta of one event with any seq and stamp, and a chain that adds up.
fn claim(origin: ReplicaId, seq: u64, stamp: u64) -> Vec<u8> {
    let before = ChainHash::genesis(&root("order"), origin);
    let mut record = Vec::new();
    Record::json("o-1", "Changed", "{}").filled_in(0).encode(&mut record);
    let recorded = Hlc::from_bits(stamp);
    let chain = before.next(recorded, RecordHash::of(&record));
    let mut builder = DeltaBuilder::new();
    let run = builder.start_run(&root("order"), origin, seq, before);
    builder.push(run, Outgoing { origin, seq, recorded, record: &record, chain });
    builder.finish()
}

async fn post(connection: &mut Connection, body: Vec<u8>) -> Reply {
    connection.send("POST", "/sync", &[DELTA], body).await
}

/// The server takes and gives events as ever.
async fn check_goes_on(connection: &mut Connection) {
    let start = end(connection).await;
    connection.post("/e/order", order("o-1", 1)).await.check(201);
    push(connection, &[("order", origin(99), 1..=1)]).await.check(200);
    let page = connection.get(&format!("/sync?cursor={start}")).await.check(200);
    assert_eq!(runs(&page.body).len(), 2);
    connection.get("/a/order/o-1").await.check(200);
}

#[tokio::test]
async fn a_seq_beyond_its_bound_is_refused() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    for seq in [0, 1 << 63, (1 << 63) - 1, u64::MAX - 1] {
        post(&mut connection, claim(origin(1), seq, 1)).await.problem(400, "malformed-delta");
    }
    let far = post(&mut connection, claim(origin(1), 1 << 62, 1)).await;
    assert_eq!(far.problem(409, "hole")["held"], 0);
    check_goes_on(&mut connection).await;
    server.stop().await;
}

#[tokio::test]
async fn counts_that_lie_are_refused() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let good = delta(&[("order", origin(1), 1..=2)]);
    // Magic, format, root, origin, first seq.
    let count_at = 4 + 1 + 6 + 16 + 1;
    assert_eq!(good[count_at], 2);
    for count in [0, 1, 3, 250] {
        let mut lie = good.clone();
        lie[count_at] = count;
        post(&mut connection, sealed(lie)).await.problem(400, "malformed-delta");
    }
    let mut huge = good.clone();
    huge.splice(count_at..=count_at, [0xfc, 0xff, 0xff, 0xff, 0xff]);
    post(&mut connection, sealed(huge)).await.problem(400, "malformed-delta");
    check_goes_on(&mut connection).await;
    server.stop().await;
}

#[tokio::test]
async fn more_events_than_a_page_holds_are_refused() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let stretches: Vec<_> = (0..10_001).map(|number| ("order", origin(number), 1..=1)).collect();
    push(&mut connection, &stretches).await.problem(400, "malformed-delta");
    check_goes_on(&mut connection).await;
    server.stop().await;
}

/// Mutation: a clock that follows every stamp has none left for the next local write.
#[tokio::test]
async fn the_last_stamp_there_is_spoils_no_clock() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    post(&mut connection, claim(origin(1), 1, u64::MAX)).await.check(200);
    assert_eq!(connection.status().await["clock_suspect"], 1);
    check_goes_on(&mut connection).await;
    let none_left = delta(&[("order", origin(1), 2..=2)]);
    let refused = post(&mut connection, none_left).await;
    assert!([400, 409].contains(&refused.status.as_u16()), "{}", refused.text());
    check_status(&mut connection, 3).await;
    server.stop().await;
}

async fn check_status(connection: &mut Connection, events: u64) {
    assert_eq!(connection.status().await["roots"]["order"]["events"], events);
}

/// Events that claim to be the server's own: it gives up its id, so that no dot names two events.
#[tokio::test]
async fn dots_in_the_servers_own_name_are_taken_as_those_of_another() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let own: ReplicaId = connection.status().await["replica"].as_str().unwrap().parse().unwrap();
    let reply = push(&mut connection, &[("order", own, 1..=2)]).await.check(200);
    let now = connection.status().await["replica"].as_str().unwrap().to_owned();
    assert_ne!(now, own.to_string());
    assert_eq!(reply.header("laterbase-replica"), Some(now.as_str()));
    check_goes_on(&mut connection).await;
    server.stop().await;
}

#[tokio::test]
async fn a_request_list_with_more_entries_than_there_may_be_is_refused() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let mut list = b"LBWT\x01".to_vec();
    for _ in 0..=WANTS_ENTRIES_MAX {
        list.extend_from_slice(b"\x01a");
        list.extend_from_slice(&[7; 16]);
        list.extend_from_slice(&[0, 1]);
    }
    list.extend_from_slice(&[0; HASH_BYTES]);
    let reply = connection.send("POST", "/sync/wants", &[WANTS], sealed(list)).await;
    reply.problem(400, "malformed-wants");
    check_goes_on(&mut connection).await;
    server.stop().await;
}

#[tokio::test]
async fn the_same_wish_a_thousand_times_gives_one_page() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    push(&mut connection, &[("order", origin(1), 1..=100)]).await.check(200);
    let want = laterbase_core::wants::Want {
        root: root("order"),
        origin: origin(1),
        after: 0,
        until: u64::MAX / 2,
    };
    let list = laterbase_core::wants::Wants { entries: vec![want; 1_000] }.encode();
    let reply = connection.send("POST", "/sync/wants", &[WANTS], list).await.check(200);
    assert_eq!(runs(&reply.body).len(), 10, "1,000 events are the page");
    assert_eq!(reply.header("laterbase-more"), Some("true"));
    server.stop().await;
}
