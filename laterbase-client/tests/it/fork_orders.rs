//! Copied directories and lost tails, through syncs in every order: every event of every copy is
//! there in the end, and no dot names two events.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use laterbase_client::device::{Device, DeviceOptions};
use laterbase_client::sync::sync;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::store::Durability;
use laterbase_server::Server;

use crate::depot::{client, contents, holdings, impatient, said_in, server};
use crate::node::Node;
use crate::sample;

/// Every order of two syncs of each of two.
const ORDERS: [[usize; 4]; 6] =
    [[0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0], [1, 0, 0, 1], [1, 0, 1, 0], [1, 1, 0, 0]];

async fn sync_with(device: &Device, server: &Server) {
    sync(device, &client(server), &impatient(1), &mut |_| {}).await.unwrap();
}

fn open(path: &Path) -> Device {
    Device::open(path, DeviceOptions::default()).unwrap()
}

#[track_caller]
fn check_all(server: &Server, devices: &[Device], lines: &[String]) {
    let everything = said_in(lines);
    assert_eq!(contents(server.reader()), everything);
    assert!(server.reader().forks().is_empty());
    for device in devices {
        assert_eq!(contents(device.reader()), everything);
        assert_eq!(holdings(device.reader()), holdings(server.reader()));
        assert_eq!(device.pending().unwrap().values().sum::<u64>(), 0);
    }
}

/// A directory that was copied while the device was away from it; both write on.
async fn check_copied_directory(order: [usize; 4], was_synced: bool) {
    let (server, directory) = (server(), tempfile::tempdir().unwrap());
    let paths = ["original", "copy"].map(|name| directory.path().join(name));
    let mut lines = sample::lines(1, 40);
    let device = open(&paths[0]);
    sample::record(&device, &lines);
    if was_synced {
        sync_with(&device, &server).await;
    }
    device.close().unwrap();
    let copied = Command::new("cp").arg("-R").args(&paths).status().unwrap();
    assert!(copied.success());
    for (path, seed) in paths.iter().zip([2, 3]) {
        let device = open(path);
        let more = sample::lines(seed, 30);
        sample::record(&device, &more);
        lines.extend(more);
        device.close().unwrap();
    }
    for which in order {
        let device = open(&paths[which]);
        sync_with(&device, &server).await;
        device.close().unwrap();
    }
    let devices = paths.map(|path| open(&path));
    assert_ne!(devices[0].id(), devices[1].id());
    sync_with(&devices[order[0]], &server).await;
    sync_with(&devices[1 - order[0]], &server).await;
    check_all(&server, &devices, &lines);
}

#[tokio::test]
async fn a_copied_directory_and_its_original_keep_every_event_in_every_order() {
    for order in ORDERS {
        for was_synced in [false, true] {
            check_copied_directory(order, was_synced).await;
        }
    }
}

/// The same, where the copy cannot be told from its original: both write under one id.
async fn check_unnoticed_copy(order: [usize; 4], was_synced: bool, counts: [usize; 2]) {
    let (depot, original) = (Node::new("depot"), Node::new("truck"));
    let mut lines = sample::lines(4, 40);
    sample::record(&original.device(), &lines);
    if was_synced {
        original.sync(&depot).await;
    }
    let nodes = [original.backup(), original];
    for ((node, count), seed) in nodes.iter().zip(counts).zip([5, 6]) {
        let more = sample::lines(seed, count);
        sample::record(&node.device(), &more);
        lines.extend(more);
    }
    for which in order.into_iter().chain([0, 1, 0]) {
        nodes[which].sync(&depot).await;
    }
    let everything = said_in(&lines);
    for node in nodes.iter().chain([&depot]) {
        assert_eq!(node.look(contents), everything, "{order:?} {was_synced} {counts:?}");
        assert_eq!(node.holdings(), depot.holdings());
        assert_eq!(node.look(|reader| reader.forks()), []);
        assert_eq!(node.pending(), 0);
    }
}

#[tokio::test]
async fn two_that_write_under_one_id_keep_every_event_in_every_order() {
    for order in ORDERS {
        for counts in [[30, 30], [10, 50], [1, 1], [0, 20]] {
            for was_synced in [false, true] {
                check_unnoticed_copy(order, was_synced, counts).await;
            }
        }
    }
}

/// A power loss takes what a relaxed store had not yet put on disk, after a peer has received it.
async fn check_lost_tail(written_before_sync: bool) {
    let server = server();
    let store = MemoryStore::with_durability(Durability::Relaxed);
    let open = |store: &MemoryStore| {
        Device::over(Arc::new(store.reopen()), DeviceOptions::default()).unwrap()
    };
    let device = open(&store);
    let mut lines = sample::lines(7, 60);
    sample::record(&device, &lines[..20]);
    device.close().unwrap();
    let device = open(&store);
    let id = device.id();
    sample::record(&device, &lines[20..]);
    sync_with(&device, &server).await;
    drop(device);
    let survivor = store.after_power_loss();
    let device = open(&survivor);
    assert_eq!(device.reader().head(), 20, "the tail is gone");
    assert_ne!(device.id(), id, "it may have given dots away that it knows nothing of");
    let more = sample::lines(8, 15);
    if !written_before_sync {
        sync_with(&device, &server).await;
    }
    sample::record(&device, &more);
    lines.extend(more);
    sync_with(&device, &server).await;
    sync_with(&device, &server).await;
    check_all(&server, &[device], &lines);
}

#[tokio::test]
async fn a_lost_tail_that_a_peer_received_comes_back_and_its_dots_are_not_given_again() {
    for written_before_sync in [false, true] {
        check_lost_tail(written_before_sync).await;
    }
}

/// The server goes back to last night's copy between any two syncs.
#[tokio::test]
async fn a_server_restored_between_any_two_syncs_gets_every_event_back() {
    for restored_after in 0..6 {
        let (mut depot, nodes) = (Node::new("depot"), ["truck", "van"].map(Node::new));
        let (mut lines, mut backup) = (Vec::new(), depot.backup());
        for round in 0..6 {
            let node = &nodes[round % 2];
            let more = sample::lines(round as u64 + 10, 25);
            sample::record(&node.device(), &more);
            lines.extend(more);
            node.sync(&depot).await;
            if round == restored_after {
                depot = backup.backup();
            }
            if round == 2 {
                backup = depot.backup();
            }
        }
        for node in [&nodes[0], &nodes[1], &nodes[0]] {
            node.sync(&depot).await;
        }
        for node in nodes.iter().chain([&depot]) {
            assert_eq!(node.look(contents), said_in(&lines), "restored after {restored_after}");
            assert_eq!(node.holdings(), depot.holdings());
            assert_eq!(node.pending(), 0);
        }
    }
}
