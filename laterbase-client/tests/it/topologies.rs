//! Five replicas, each a server to one neighbour and a client of another.

use laterbase_core::version_vector::VersionVector;

use crate::depot::{contents, said_in};
use crate::dice::{Dice, announce, seeds};
use crate::node::{Node, tiny_pages};
use crate::sample;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn nodes(seed: u64) -> (Vec<Node>, Vec<String>) {
    let lines = sample::lines(seed, 250);
    let nodes: Vec<Node> = NAMES.into_iter().map(Node::new).collect();
    for (node, lines) in nodes.iter().zip(lines.chunks(50)) {
        sample::record(&node.device(), lines);
    }
    (nodes, lines)
}

/// Syncs along random links until nothing moves, and looks at all of them.
async fn check_convergence(links: &[(usize, usize)], seed: u64) {
    announce(seed);
    let mut dice = Dice::new(seed);
    let (nodes, lines) = nodes(seed);
    let mut moved = 0;
    for round in 0.. {
        assert!(round < 12, "no end to it");
        let mut links = links.to_vec();
        dice.shuffle(&mut links);
        let mut moved_now = 0;
        for (from, to) in links {
            let report = nodes[from].sync_as(&nodes[to], &tiny_pages()).await;
            moved_now += report.pushed + report.pulled;
        }
        if moved_now == 0 {
            break;
        }
        moved += moved_now;
    }
    assert_eq!(moved, 4 * 250, "every event goes to each of the four others once");
    let everything = said_in(&lines);
    let expected = nodes[0].holdings();
    for (number, node) in nodes.iter().enumerate() {
        assert_eq!(node.look(contents), everything);
        assert_eq!(node.holdings(), expected);
        // Who only serves is never told what its callers have made durable.
        let calls = links.iter().any(|&(from, _)| from == number);
        assert_eq!(node.pending(), if calls { 0 } else { 50 });
    }
    check_bytes(&nodes);
}

/// A relay passes events on byte for byte.
#[track_caller]
fn check_bytes(nodes: &[Node]) {
    let pages = |node: &Node| {
        node.look(|reader| {
            let page = |root| reader.delta(&root, &VersionVector::new(), 10_000, 1 << 24).unwrap();
            reader.roots().into_iter().map(|root| page(root).bytes).collect::<Vec<_>>()
        })
    };
    let expected = pages(&nodes[0]);
    assert_eq!(expected.len(), 3);
    assert!(nodes.iter().all(|node| pages(node) == expected));
}

#[tokio::test]
async fn a_ring_converges() {
    for seed in seeds(3) {
        check_convergence(&[(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)], seed).await;
    }
}

#[tokio::test]
async fn a_star_converges() {
    for seed in seeds(3) {
        check_convergence(&[(1, 0), (2, 0), (3, 0), (4, 0)], seed).await;
    }
}

#[tokio::test]
async fn a_chain_converges() {
    for seed in seeds(3) {
        check_convergence(&[(0, 1), (2, 1), (2, 3), (4, 3)], seed).await;
    }
}

#[tokio::test]
async fn what_a_relay_pushed_does_not_come_back_to_it() {
    let (nodes, _lines) = nodes(7);
    let [source, relay, far, ..] = nodes.as_slice() else { unreachable!() };
    source.sync(relay).await;
    relay.sync(far).await;
    sample::record(&source.device(), &sample::lines(8, 400));
    source.sync(relay).await;
    let report = relay.sync(far).await;
    assert_eq!((report.pushed, report.pulled), (400, 0));
    assert!(report.bytes_received < 600, "{report:?}");
    let report = relay.sync(far).await;
    assert_eq!((report.requests, report.pushed, report.pulled), (1, 0, 0));
}
