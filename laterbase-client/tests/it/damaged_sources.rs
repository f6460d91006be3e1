//! A record that is damaged where it is stored holds back the events of its origin that lie behind
//! it in its root, and nothing else, whoever calls whom.
//!
//! Mutation: exclude everything that is still to be pushed where a page comes out empty.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use laterbase_core::memory_store::MemoryStore;
use laterbase_core::store::{Area, Batch, Store, Table};

use crate::node::{Node, tiny_pages};
use crate::sample;

/// The first root by name, so that what is damaged comes before what is not.
const DAMAGED: &str = "container@depot-7";

/// A node with events of its own in three roots, of which one is damaged at an event; and how
/// many events of each root can be had.
fn damaged(name: &str, seq: u64) -> (Node, BTreeMap<String, u64>) {
    let node = Node::new(name);
    let device = node.device();
    sample::record(&device, &sample::lines(seq, 120));
    // What is not indexed yet must be readable when the store is opened.
    device.close().unwrap();
    let (mut left, mut position) = (BTreeMap::new(), None);
    node.look(|reader| {
        let read = reader.arrivals(0, usize::MAX, &mut |root, event| {
            if root.as_str() != DAMAGED || event.dot.seq < seq {
                *left.entry(root.to_string()).or_default() += 1;
            } else if event.dot.seq == seq {
                position = Some(event.position);
            }
            ControlFlow::Continue(())
        });
        read.unwrap();
    });
    damage(node.store(), position.expect("there are so many"));
    assert!(left.len() >= 2 && left.values().all(|&count| count < 100), "{left:?}");
    (node, left)
}

/// Turns a bit of a record.
fn damage(store: &MemoryStore, position: u64) {
    let key = position.to_be_bytes();
    let mut value = store.snapshot().unwrap().get(Table::Log, &key).unwrap().unwrap().into_owned();
    *value.last_mut().unwrap() ^= 0x10;
    let mut batch = Batch::new(Area::Truth);
    batch.put(Table::Log, &key, &value);
    store.commit(&batch).unwrap();
}

fn events(node: &Node) -> BTreeMap<String, u64> {
    node.holdings().into_iter().map(|(root, (events, ..))| (root, events)).collect()
}

/// The first event of a root, and one in the middle.
const SEQS: [u64; 2] = [1, 14];

#[tokio::test]
async fn a_device_with_a_damaged_record_pushes_everything_else() {
    for seq in SEQS {
        let ((device, left), depot) = (damaged("device", seq), Node::new("depot"));
        let all = device.event_count();
        let report = device.sync_as(&depot, &tiny_pages()).await;
        assert_eq!(events(&depot), left);
        assert_eq!(report.pushed, left.values().sum::<u64>());
        assert_eq!(device.pending(), all - report.pushed);
        let held_back: Vec<_> = report.held_back.iter().map(|held| held.root.as_str()).collect();
        assert_eq!(held_back, [DAMAGED], "{report:?}");
        // What is new is pushed all the same.
        sample::record(&device.device(), &sample::lines(seq + 1, 50));
        let report = device.sync_as(&depot, &tiny_pages()).await;
        assert!((10..50).contains(&report.pushed), "{report:?}");
    }
}

#[tokio::test]
async fn a_device_gets_everything_else_of_a_depot_with_a_damaged_record() {
    for seq in SEQS {
        let ((depot, left), device) = (damaged("depot", seq), Node::new("device"));
        let report = device.sync_as(&depot, &tiny_pages()).await;
        assert_eq!(events(&device), left);
        let held_back: Vec<_> = report.held_back.iter().map(|held| held.root.as_str()).collect();
        assert_eq!(held_back, [DAMAGED], "{report:?}");
        let before = device.event_count();
        sample::record(&depot.device(), &sample::lines(seq + 1, 50));
        device.sync_as(&depot, &tiny_pages()).await;
        assert!((10..50).contains(&(device.event_count() - before)));
    }
}
