//! Stores that were restored from older copies, wiped, or copied.

use laterbase_client::sync::SyncOptions;

use crate::depot::{contents, impatient, said_in};
use crate::node::{Node, tiny_pages};
use crate::sample;

fn nodes() -> [Node; 3] {
    ["depot", "truck", "van"].map(Node::new)
}

fn record(node: &Node, seed: u64, count: usize) -> Vec<String> {
    let lines = sample::lines(seed, count);
    sample::record(&node.device(), &lines);
    lines
}

/// All of them hold exactly this, and all but the first, the server, know that it is safe.
#[track_caller]
fn check_all(nodes: &[&Node], lines: &[String]) {
    let expected = nodes[0].holdings();
    for node in nodes {
        assert_eq!(node.look(contents), said_in(lines));
        assert_eq!(node.holdings(), expected);
    }
    assert!(nodes[1..].iter().all(|node| node.pending() == 0));
}

#[tokio::test]
async fn a_server_set_back_gets_every_event_back_from_those_who_hold_it() {
    for options in [impatient(1), tiny_pages()] {
        let [depot, truck, van] = nodes();
        let mut lines = record(&truck, 1, 120);
        lines.extend(record(&van, 2, 80));
        for node in [&truck, &van, &truck] {
            node.sync_as(&depot, &options).await;
        }
        let old = depot.backup();
        lines.extend(record(&truck, 3, 60));
        lines.extend(record(&depot, 4, 30));
        for node in [&truck, &van] {
            node.sync_as(&depot, &options).await;
        }
        let report = truck.sync_as(&old, &options).await;
        assert_eq!((report.pushed, report.pulled), (90, 0), "its own 30 are among them");
        van.sync_as(&old, &options).await;
        truck.sync_as(&old, &options).await;
        check_all(&[&old, &truck, &van], &lines);
    }
}

#[tokio::test]
async fn a_server_set_back_that_went_on_differently_is_recognised() {
    let [depot, truck, van] = nodes();
    let mut lines = record(&truck, 1, 50);
    truck.sync(&depot).await;
    let old = depot.backup();
    lines.extend(record(&truck, 2, 40));
    truck.sync(&depot).await;
    // As many events arrive in the old copy as it had lost, and more.
    lines.extend(record(&van, 3, 70));
    van.sync(&old).await;
    assert_eq!(truck.sync(&old).await.pushed, 40);
    van.sync(&old).await;
    check_all(&[&old, &truck, &van], &lines);
}

#[tokio::test]
async fn a_push_that_a_server_lost_before_it_was_read_past_is_noticed() {
    let [depot, truck, van] = nodes();
    let mut lines = record(&truck, 1, 20);
    truck.sync(&depot).await;
    lines.extend(record(&van, 2, 20));
    van.sync(&depot).await;
    let old = depot.backup();
    // The sync ends behind its first push, which lands behind the van's events: the cursor stays
    // before these, and fits the old copy as well.
    lines.extend(record(&truck, 3, 5));
    let device = truck.device();
    let server = depot.server();
    let once = crate::one_cut::OneCut::after_requests(server.router(), 1);
    let client = laterbase_client::client::Client::new(depot.url().parse().unwrap(), once);
    let cut = laterbase_client::sync::sync(&device, &client, &impatient(1), &mut |_| {}).await;
    assert!(cut.is_err());
    drop((device, server));
    assert_eq!((truck.pending(), depot.event_count()), (0, 45));
    let report = truck.sync(&old).await;
    assert_eq!((report.pushed, report.pulled), (5, 20));
    van.sync(&old).await;
    check_all(&[&old, &truck, &van], &lines);
}

/// As above, and the next thing to happen is a push to another root, which lands well.
///
/// Mutation in `push.rs`: what was pushed before is not asked for where a later page lands.
#[tokio::test]
async fn a_push_that_a_server_lost_is_noticed_though_a_later_one_landed() {
    let [depot, truck, van] = nodes();
    let of_root = |seed, root: &str| {
        let mut lines = sample::lines(seed, 40);
        lines.retain(|line| line.contains(&format!(r#""root":"{root}""#)));
        lines
    };
    let mut lines = record(&truck, 1, 20);
    truck.sync(&depot).await;
    lines.extend(record(&van, 2, 20));
    van.sync(&depot).await;
    let old = depot.backup();
    let [first, second] = [of_root(3, "order"), of_root(4, "shipment")];
    assert!(first.len() > 3 && second.len() > 3);
    sample::record(&truck.device(), &first);
    {
        let (device, server) = (truck.device(), depot.server());
        let once = crate::one_cut::OneCut::after_requests(server.router(), 1);
        let client = laterbase_client::client::Client::new(depot.url().parse().unwrap(), once);
        let cut = laterbase_client::sync::sync(&device, &client, &impatient(1), &mut |_| {}).await;
        assert!(cut.is_err());
    }
    assert_eq!(truck.pending(), 0);
    sample::record(&truck.device(), &second);
    lines.extend(first);
    lines.extend(second);
    truck.sync(&old).await;
    van.sync(&old).await;
    check_all(&[&old, &truck, &van], &lines);
}

#[tokio::test]
async fn a_wiped_server_gets_everything_again() {
    let [depot, truck, van] = nodes();
    let mut lines = record(&truck, 1, 150);
    lines.extend(record(&van, 2, 90));
    for node in [&truck, &van, &truck] {
        node.sync(&depot).await;
    }
    let wiped = Node::new("depot");
    assert_eq!(truck.sync(&wiped).await.pushed, 240);
    van.sync(&wiped).await;
    check_all(&[&wiped, &truck, &van], &lines);
}

#[tokio::test]
async fn a_wiped_device_gets_its_own_history_back() {
    for options in [impatient(1), tiny_pages()] {
        let [depot, truck, _van] = nodes();
        let mut lines = record(&truck, 1, 130);
        truck.sync_as(&depot, &options).await;
        let wiped = Node::new("truck");
        lines.extend(record(&wiped, 2, 20));
        let report = wiped.sync_as(&depot, &options).await;
        assert_eq!((report.pushed, report.pulled), (20, 130));
        check_all(&[&depot, &wiped], &lines);
    }
}

#[tokio::test]
async fn a_device_set_back_takes_its_lost_events_back_before_it_writes_on() {
    let [depot, truck, van] = nodes();
    let mut lines = record(&truck, 1, 40);
    truck.sync(&depot).await;
    let old = truck.backup();
    lines.extend(record(&truck, 2, 30));
    truck.sync(&depot).await;
    lines.extend(record(&van, 3, 10));
    van.sync(&depot).await;
    let id = old.device().id();
    assert_eq!(old.sync(&depot).await.pulled, 40);
    assert_ne!(old.device().id(), id, "the id has more of a history than this store");
    lines.extend(record(&old, 4, 25));
    assert_eq!(old.sync(&depot).await.pushed, 25);
    van.sync(&depot).await;
    check_all(&[&depot, &old, &van], &lines);
}

/// A device that was set back under its own id wrote on: two histories of one id.
async fn check_healing(options: SyncOptions, lost: usize, written: usize) {
    let [depot, truck, van] = nodes();
    let mut lines = record(&truck, 1, 60);
    truck.sync_as(&depot, &options).await;
    let old = truck.backup();
    lines.extend(record(&truck, 2, lost));
    truck.sync_as(&depot, &options).await;
    lines.extend(record(&old, 3, written));
    assert_eq!(old.pending(), written as u64);
    let report = old.sync_as(&depot, &options).await;
    assert_eq!(report.held_back, []);
    old.sync_as(&depot, &options).await;
    van.sync_as(&depot, &options).await;
    check_all(&[&depot, &old, &van], &lines);
}

#[tokio::test]
async fn a_device_set_back_that_wrote_on_heals_whatever_nobody_else_has_seen() {
    for (lost, written) in [(10, 30), (30, 10), (20, 20), (1, 1)] {
        check_healing(impatient(1), lost, written).await;
        check_healing(tiny_pages(), lost, written).await;
    }
}

#[tokio::test]
async fn a_fork_that_others_have_seen_is_held_back_and_the_rest_goes_on() {
    let [depot, truck, van] = nodes();
    record(&truck, 1, 60);
    truck.sync(&depot).await;
    let old = truck.backup();
    record(&truck, 2, 20);
    truck.sync(&depot).await;
    record(&old, 3, 20);
    let elsewhere = Node::new("port");
    old.sync(&elsewhere).await;
    assert_eq!(old.pending(), 0);
    record(&van, 4, 15);
    van.sync(&elsewhere).await;
    let report = old.sync(&depot).await;
    let roots = old.look(|reader| reader.forks()).len();
    assert!(roots > 0 && report.held_back.len() == roots, "{:?}", report.held_back);
    let report = elsewhere.sync(&depot).await;
    assert_eq!(report.held_back.len(), roots, "{:?}", report.held_back);
    assert!(report.pushed >= 15, "{report:?}");
    let again = elsewhere.sync(&depot).await;
    assert_eq!((again.requests, again.pushed, again.pulled), (1, 0, 0), "{again:?}");
}
