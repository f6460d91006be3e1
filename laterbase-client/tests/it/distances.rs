//! How far two replicas are behind each other, when one of them asks.
//!
//! Mutations that they are there for: end with the first page; count an origin of one side only for
//! nobody; compare what lies beyond a page.

use std::collections::BTreeMap;

use laterbase_client::client::Compression;
use laterbase_client::device::Device;
use laterbase_client::sync::{Distance, SyncOptions, distances, sync};
use laterbase_core::event::Record;
use laterbase_core::id::RootName;
use laterbase_core::selection::RootSelection;

use crate::depot::{client, client_over, device, server};
use crate::dice::{Dice, seeds};
use crate::forged::root;
use crate::narrow_ways::{Narrow, way};

/// Bytes of an answer that come through: some thirty heads.
const NARROW: usize = 2_000;

fn record(device: &Device, name: &RootName, count: u64) {
    let mut batch = device.batch(name);
    for _ in 0..count {
        batch.push(&Record::json("A-1", "Scanned", "{}")).unwrap();
    }
    device.record(&batch).unwrap();
}

#[tokio::test]
async fn each_side_lacks_what_it_has_not_whatever_the_pages() {
    for seed in seeds(6) {
        eprintln!("LATERBASE_SEED={seed}");
        let mut dice = Dice::new(seed);
        let (server, devices) = (server(), [device(), device(), device()]);
        let mut written = BTreeMap::new();
        for number in 0..120 {
            let name = root(&format!("pallet@yard-{number}"));
            for device in &devices {
                let count = dice.below(3) as u64;
                record(device, &name, count);
                written.insert((name.clone(), device.id()), count);
            }
        }
        for device in &devices {
            let heard = sync(device, &client(&server), &SyncOptions::default(), &mut |_| {}).await;
            heard.unwrap();
        }
        let here = &devices[0];
        let mut expected = BTreeMap::new();
        for ((name, origin), count) in &written {
            let distance: &mut Distance = expected.entry(name.clone()).or_default();
            // The first device synced before the other two had.
            distance.here_lacks += if *origin == here.id() { 0 } else { *count };
        }
        expected.retain(|name, distance| {
            let held = written.get(&(name.clone(), here.id())).copied().unwrap_or(0);
            held > 0 || distance.here_lacks > 0
        });
        for number in 100..140 {
            let name = root(&format!("pallet@yard-{number}"));
            let count = dice.below(3) as u64;
            record(here, &name, count);
            if count > 0 {
                expected.entry(name).or_default().server_lacks += count;
            }
        }
        for down in [NARROW, usize::MAX] {
            let client = client_over(way(&server, Narrow::Refuses, usize::MAX, down));
            let client = client.with_compression(Compression::Never);
            let found = distances(here.reader(), &client, &RootSelection::default()).await;
            assert_eq!(found.unwrap(), expected, "{down}");
        }
        let some = "pallet@yard-1".parse().unwrap();
        let found = distances(here.reader(), &client(&server), &some).await.unwrap();
        expected.retain(|name, _| name.as_str() == "pallet@yard-1");
        assert_eq!(found, expected);
    }
}
