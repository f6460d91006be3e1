//! Stores that were apart and meet through one server.

use laterbase_client::device::Device;
use laterbase_client::sync::{SyncReport, sync};
use laterbase_server::Server;

use crate::depot::{client, contents, device, holdings, impatient, said_in, server};
use crate::dice::{Dice, announce, seeds};
use crate::sample;

async fn sync_with(server: &Server, device: &Device) -> SyncReport {
    sync(device, &client(server), &impatient(1), &mut |_progress| {}).await.unwrap()
}

/// Deals the lines to three stores, syncs them twice in random orders, and looks at all four.
async fn check_convergence(lines: &[String], seed: u64) {
    announce(seed);
    let mut dice = Dice::new(seed);
    let (server, devices) = (server(), [device(), device(), device()]);
    let mut hands = [const { Vec::new() }; 3];
    for line in lines {
        hands[dice.below(3)].push(line.clone());
    }
    for (device, hand) in devices.iter().zip(&hands) {
        sample::record(device, hand);
        assert_eq!(device.pending().unwrap().values().sum::<u64>(), hand.len() as u64);
    }
    let mut moved = (0, 0);
    for _round in 0..2 {
        let mut order = [0, 1, 2];
        dice.shuffle(&mut order);
        for index in order {
            let report = sync_with(&server, &devices[index]).await;
            moved = (moved.0 + report.pushed, moved.1 + report.pulled);
        }
    }
    let all = lines.len() as u64;
    assert_eq!(moved, (all, 2 * all), "each event goes up once and down to the two others");
    let expected = holdings(server.reader());
    assert_eq!(expected.values().map(|(events, ..)| events).sum::<u64>(), all);
    assert_eq!(contents(server.reader()), said_in(lines));
    for device in &devices {
        assert_eq!(holdings(device.reader()), expected);
        assert!(device.pending().unwrap().values().all(|&pending| pending == 0));
        let report = sync_with(&server, device).await;
        assert_eq!((report.pushed, report.pulled, report.requests), (0, 0, 1));
    }
}

#[tokio::test]
async fn three_stores_agree_after_two_syncs_in_any_order() {
    for seed in seeds(12) {
        check_convergence(&sample::lines(seed, 700), seed).await;
    }
}

#[tokio::test]
async fn pages_of_all_sizes_bring_everything() {
    check_convergence(&sample::lines(99, 9_000), 99).await;
}

#[tokio::test]
async fn three_stores_agree_on_real_shipments() {
    if let Some(lines) = sample::real_lines("scms.jsonl.zst") {
        assert_eq!(lines.len(), 22_559);
        check_convergence(&lines, 1).await;
    }
}

#[tokio::test]
async fn three_stores_agree_on_the_roots_of_a_real_log() {
    if let Some(lines) = sample::real_lines("container_logistics.jsonl.zst") {
        check_convergence(&lines, 2).await;
    }
}

#[tokio::test]
async fn only_the_named_roots_are_synced() {
    let (server, device) = (server(), device());
    sample::record(&device, &sample::lines(5, 200));
    let mut options = impatient(1);
    options.roots = "order".parse().unwrap();
    let report = sync(&device, &client(&server), &options, &mut |_progress| {}).await.unwrap();
    let held = holdings(server.reader());
    assert_eq!(held.keys().collect::<Vec<_>>(), ["order"]);
    assert_eq!(report.pushed, held["order"].0);
    assert_eq!(device.pending().unwrap()["order"], 0);
    assert_ne!(device.pending().unwrap()["shipment"], 0);
}

#[tokio::test]
async fn progress_ends_where_the_report_does() {
    let (server, [first, second]) = (server(), [device(), device()]);
    sample::record(&first, &sample::lines(1, 3_000));
    sample::record(&second, &sample::lines(2, 2_500));
    sync_with(&server, &first).await;
    let mut heard = Vec::new();
    let report =
        sync(&second, &client(&server), &impatient(1), &mut |progress| heard.push(progress))
            .await
            .unwrap();
    let (start, end) = (heard.first().unwrap(), heard.last().unwrap());
    assert_eq!((start.pushed, start.to_push, start.pulled, start.to_pull), (0, 2_500, 0, 3_000));
    assert_eq!((end.pushed, end.pulled), (report.pushed, report.pulled));
    assert_eq!((end.pushed, end.pulled), (end.to_push, end.to_pull));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_runs_as_a_task_beside_other_tasks() {
    let server = server();
    let reader = server.reader().clone();
    let tasks: Vec<_> = (0..3)
        .map(|seed| {
            let client = client(&server);
            tokio::spawn(async move {
                let device = device();
                sample::record(&device, &sample::lines(seed, 500));
                sync(&device, &client, &impatient(1), &mut |_progress| {}).await.unwrap().pushed
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 500);
    }
    assert_eq!(holdings(&reader).values().map(|(events, ..)| events).sum::<u64>(), 1_500);
}
