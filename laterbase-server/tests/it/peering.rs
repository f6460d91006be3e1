//! Servers that keep each other in sync.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use laterbase_client::client::Client;
use laterbase_client::device::{Device, DeviceOptions};
use laterbase_client::sync::{
    BackoffOptions, SyncError, SyncOptions, SyncReport, WatchOptions, watch,
};
use laterbase_client::transport::ServiceTransport;
use laterbase_core::PreparedBatch;
use laterbase_core::delta::Delta;
use laterbase_core::event::Record;
use laterbase_core::fold::{Folds, MergePatch};
use laterbase_core::id::RootName;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::Reader;
use laterbase_core::replica::{Replica, ReplicaOptions};
use laterbase_core::store::Store;
use laterbase_server::{PeerOptions, Server};
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;

use crate::connection::LINES;
use crate::process::Process;
use crate::running::order;

const WITHIN: Duration = Duration::from_secs(20);

fn server(store: &MemoryStore) -> Server {
    let store: Arc<dyn Store> = Arc::new(store.reopen());
    Server::builder().fallback(Arc::new(MergePatch)).store(store).build().unwrap()
}

fn client(router: Router) -> Client<ServiceTransport<Router>> {
    Client::new("http://127.0.0.1:1".parse().unwrap(), ServiceTransport::new(router))
}

fn quick() -> PeerOptions {
    let moment = Duration::from_millis(20);
    PeerOptions {
        sync: SyncOptions {
            backoff: BackoffOptions { first: moment, longest: moment, failures_max: 2 },
            ..SyncOptions::default()
        },
        waiting: WatchOptions {
            rest_first: moment,
            rest_longest: moment,
            local_interval: moment,
            ..WatchOptions::default()
        },
    }
}

async fn write(server: &Server, root: &str, id: &str, data: &str) {
    let body = format!(r#"{{"aggregate_id":"{id}","type":"t","data":{data}}}"#);
    let request = axum::http::Request::post(format!("/e/{root}"))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(body))
        .unwrap();
    let response = server.router().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 201);
}

fn digests(reader: &Reader) -> Vec<(String, String)> {
    let roots = reader.status().unwrap().roots;
    roots.into_iter().map(|root| (root.name.to_string(), root.digest)).collect()
}

/// Waits until all servers hold the same, and so many events of it.
async fn settled(servers: &[&Server], events: u64) {
    let count = |server: &Server| {
        let roots = server.reader().status().unwrap().roots;
        roots.iter().map(|root| root.events).sum::<u64>()
    };
    let settling = async {
        loop {
            let first = digests(servers[0].reader());
            let are_equal = servers.iter().all(|server| digests(server.reader()) == first);
            if are_equal && count(servers[0]) == events {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    let counts = || servers.iter().map(|server| count(server)).collect::<Vec<_>>();
    assert!(timeout(WITHIN, settling).await.is_ok(), "{:?} of {events}", counts());
}

/// The side that pushes looks for news of its own every second only where nothing tells it.
///
/// Mutation: `Local::arrived` as it comes, in the server or in the device.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_is_pushed_at_once() {
    const SOON: Duration = Duration::from_millis(100);
    let (depot, yard) = (server(&MemoryStore::new()), server(&MemoryStore::new()));
    write(&depot, "order", "o0", "0").await;
    yard.sync_with(client(depot.router()), PeerOptions::default());
    settled(&[&depot, &yard], 1).await;
    let mut waits = Vec::new();
    for number in 2..23 {
        write(&yard, "order", &format!("o{number}"), "1").await;
        let begun = Instant::now();
        settled(&[&depot, &yard], number).await;
        waits.push(begun.elapsed());
    }
    waits.sort();
    let median = waits[waits.len() / 2];
    assert!(median < SOON, "{waits:?}");
    let handheld = Device::over(Arc::new(MemoryStore::new()), DeviceOptions::default()).unwrap();
    let way = client(depot.router());
    let (sync, waiting) = (SyncOptions::default(), WatchOptions::default());
    let mut on_sync = |_: &Result<SyncReport, SyncError>| {};
    let watching = watch(&handheld, &way, &sync, waiting, &mut on_sync, pending());
    let writing = async {
        let mut waits = Vec::new();
        for number in 0..11 {
            let mut batch = handheld.batch(&RootName::new("scan").unwrap());
            batch.push(&Record::json("p", "Scanned", "{}")).unwrap();
            handheld.record(&batch).unwrap();
            let begun = Instant::now();
            while depot.reader().version_vector(batch.root()).event_count() <= number {
                sleep(Duration::from_millis(1)).await;
            }
            waits.push(begun.elapsed());
        }
        waits.sort();
        assert!(waits[waits.len() / 2] < SOON, "{waits:?}");
    };
    tokio::select! {
        () = watching => panic!("it goes on for ever"),
        done = timeout(WITHIN, writing) => done.unwrap(),
    }
    depot.close().await.unwrap();
    yard.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_servers_holds_what_each_of_them_is_told() {
    let servers: Vec<Server> = (0..3).map(|_| server(&MemoryStore::new())).collect();
    write(&servers[0], "order", "o1", "1").await;
    servers[1].sync_with(client(servers[0].router()), quick());
    servers[2].sync_with(client(servers[1].router()), quick());
    let all: Vec<&Server> = servers.iter().collect();
    settled(&all, 1).await;
    for (round, server) in all.iter().enumerate() {
        write(server, "trip", &format!("t{round}"), "2").await;
    }
    settled(&all, 4).await;
    // Both ends hear what the other one is told later.
    write(all[2], "order", "o2", "3").await;
    write(all[0], "order", "o3", "4").await;
    settled(&all, 6).await;
    for server in servers {
        server.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_from_a_peer_is_durable_before_it_is_seen() {
    let (store, source) = (MemoryStore::new(), server(&MemoryStore::new()));
    let sink = server(&store);
    sink.sync_with(client(source.router()), quick());
    for index in 0..20 {
        write(&source, "order", &format!("o{index}"), "1").await;
    }
    settled(&[&source, &sink], 20).await;
    let survivor = server(&store.after_power_loss());
    assert_eq!(digests(survivor.reader()), digests(source.reader()));
    for server in [source, sink] {
        server.close().await.unwrap();
    }
}

/// A server cannot know who has read its events, so its own branch of a fork stays where it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_fork_of_a_servers_own_history_waits_for_an_operator() {
    let store = MemoryStore::new();
    let first = server(&store);
    write(&first, "order", "o1", "1").await;
    let copy = server(&store.after_power_loss());
    let id = first.reader().replica_id();
    assert_eq!(copy.reader().replica_id(), id, "the copy does not know that it is one");
    write(&first, "order", "o1", "2").await;
    write(&copy, "order", "o1", "3").await;
    let relay = server(&MemoryStore::new());
    relay.sync_with(client(first.router()), quick());
    settled(&[&first, &relay], 2).await;
    copy.sync_with(client(relay.router()), quick());
    let found = async {
        while copy.reader().forks().is_empty() || relay.reader().forks().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(WITHIN, found).await.unwrap();
    assert_ne!(copy.reader().replica_id(), id, "nobody writes on under a forked id");
    write(&copy, "order", "o2", "4").await;
    write(&first, "trip", "t", "5").await;
    let root = RootName::new("trip").unwrap();
    let others_go_on = async {
        while copy.reader().version_vector(&root).event_count() == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(WITHIN, others_go_on).await.unwrap();
    let fork = copy.reader().forks().remove(0);
    assert_eq!((fork.origin, fork.seq, fork.ours), (id, 2, 1), "it did not give way by itself");
    for server in [first, copy, relay] {
        server.close().await.unwrap();
    }
}

/// A relay passes on what it got byte for byte.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_passes_records_on_byte_for_byte() {
    let folds = Arc::new(Folds::new().fallback(Arc::new(MergePatch)));
    let store = Arc::new(MemoryStore::new());
    let options = ReplicaOptions::default();
    let mut device =
        Replica::open(store, Arc::clone(&folds), options, Box::new(|| [7; 16])).unwrap();
    let root = RootName::new("order").unwrap();
    let mut batch = PreparedBatch::new(root.clone(), folds, 1_000);
    batch.push(&Record::json("o", "t", r#"{ "spaced" :  1 }"#)).unwrap();
    device.append(&batch, 1_000).unwrap();
    let (near, far) = (server(&MemoryStore::new()), server(&MemoryStore::new()));
    far.sync_with(client(near.router()), quick());
    let nothing = Default::default();
    let sent = device.reader().delta(&root, &nothing, 10, usize::MAX).unwrap().bytes;
    client(near.router()).push(sent.clone().into()).await.unwrap();
    settled(&[&near, &far], 1).await;
    let relayed = far.reader().delta(&root, &nothing, 10, usize::MAX).unwrap().bytes;
    assert_eq!(Delta::decode(&relayed).unwrap(), Delta::decode(&sent).unwrap());
    for server in [near, far] {
        server.close().await.unwrap();
    }
}

/// The same by the command line, with real processes and sockets; and after both were killed.
#[tokio::test]
async fn the_reference_server_keeps_itself_in_sync_with_the_one_it_is_given() {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for round in 1..=2 {
        let port = Process::start(directories[0].path(), &[]);
        let url = format!("http://{}", port.address);
        let depot = Process::start(directories[1].path(), &["--peer", &url]);
        let mut connections = [port.connect().await, depot.connect().await];
        for connection in &mut connections {
            let line = order("O-1", round);
            connection.send("POST", "/e/order", &[LINES], line).await.check(201);
        }
        let agree = async {
            loop {
                let [first, second] = &mut connections;
                let (first, second) = (first.get("/").await.json(), second.get("/").await.json());
                let is_all = first["roots"]["order"]["events"] == 2 * round;
                if is_all && first["roots"] == second["roots"] {
                    break;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(WITHIN, agree).await.expect("they agree");
        depot.kill();
        port.kill();
    }
}
