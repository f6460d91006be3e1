//! What a sync costs where a root has many origins.
//!
//! The story: devices mint ids for as long as they live (clones, restores, reinstalls), and a first
//! sync looked at all that a root has for each event that it asked for: 0.8 s at 5,000 origins,
//! 15 s at 20,000, and no end in sight at 40,000. Four times the origins may take four times the
//! work. Work is the time that this thread spent computing, so that what else the machine does
//! plays no part.

use std::path::Path;
use std::time::{Duration, Instant};

use laterbase_client::client::Client;
use laterbase_client::device::{Device, DeviceOptions};
use laterbase_client::sync::{SyncOptions, SyncReport, sync};
use laterbase_client::transport::{HttpTransport, Transport};
use laterbase_core::fold::MergePatch;
use laterbase_core::id::RootName;
use laterbase_core::limits::BATCH_EVENTS_MAX;
use laterbase_core::selection::RootSelection;
use laterbase_server::{Engine, Server};
use tokio::runtime::Runtime;

use crate::depot::{Listening, client, holdings};
use crate::forged::{first_events, root};
use crate::sample;

/// Compared with each other.
const FEW: u128 = 3_000;
const MANY: u128 = 4 * FEW;

/// Work for four times as much, at most. Where each looks at all others, it is 16 times.
const GROWTH_MAX: u32 = 8;

/// Less than this may be seen as nothing: a system counts in ticks.
const NOTICEABLE: Duration = Duration::from_millis(10);

/// How long this thread has been computing, or has lived where the system does not say.
fn spent(start: Instant) -> Duration {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = spent.and_then(|text| text.split_whitespace().next()?.parse().ok());
    nanos.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// How much work something is.
fn work(start: Instant, done: impl FnOnce()) -> Duration {
    let before = spent(start);
    done();
    spent(start).checked_sub(before).unwrap()
}

#[track_caller]
fn check_growth(what: &str, mut work_of: impl FnMut(u128) -> Duration) {
    // The first turn of anything pays for what all later ones find ready.
    work_of(100);
    let (few, many) = (work_of(FEW), work_of(MANY));
    assert!(many < few.max(NOTICEABLE) * GROWTH_MAX, "{what}: {FEW} took {few:?}, {MANY} {many:?}");
}

fn parcel() -> RootName {
    root("parcel")
}

fn device_in(path: &Path) -> Device {
    Device::open(path, DeviceOptions::default()).unwrap()
}

/// Has a device hold the first event of each of many origins.
fn fill(device: &Device, count: u128) {
    for first in (0..count).step_by(BATCH_EVENTS_MAX) {
        let origins = first..count.min(first + BATCH_EVENTS_MAX as u128);
        device.merge(&first_events("parcel", origins, r#"{"place":"depot"}"#)).unwrap();
    }
}

fn server_in(path: &Path) -> Server {
    let server = Server::builder().fallback(std::sync::Arc::new(MergePatch));
    server.data_in(path, Engine::default()).build().unwrap()
}

#[test]
fn taking_in_a_page_of_new_origins_costs_what_it_brings() {
    let start = Instant::now();
    check_growth("merging a page", |count| {
        let folder = tempfile::tempdir().unwrap();
        let device = device_in(folder.path());
        let page = first_events("parcel", 0..count.min(BATCH_EVENTS_MAX as u128), "{}");
        work(start, || assert!(device.merge(&page).unwrap().stored > 0))
    });
}

#[test]
fn a_page_of_heads_costs_what_is_on_it() {
    let start = Instant::now();
    check_growth("paging heads", |count| {
        let folder = tempfile::tempdir().unwrap();
        let device = device_in(folder.path());
        fill(&device, count);
        let (all, mut after, mut seen) = (RootSelection::default(), None, 0);
        let took = work(start, || {
            loop {
                let page = device.reader().heads_page(&all, after.as_ref(), 50);
                seen += page.entries.len() as u128;
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        });
        assert_eq!(seen, count);
        took
    });
}

#[test]
fn a_first_pull_does_not_look_at_all_origins_for_each_of_them() {
    let start = Instant::now();
    check_growth("pulling", |count| {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let source = device_in(theirs.path());
        fill(&source, count);
        source.close().unwrap();
        let (server, device) = (server_in(theirs.path()), device_in(ours.path()));
        let (client, runtime) = (client(&server), runtime());
        // Something of its own, so that the two have to compare what they hold.
        sample::record(&device, &sample::lines(1, 10));
        let took = work(start, || {
            let report = first_sync(&runtime, &device, &client);
            assert_eq!(u128::from(report.pulled), count);
        });
        assert_eq!(device.reader().version_vector(&parcel()).len() as u128, count);
        took
    });
}

#[test]
fn a_first_push_does_not_look_at_all_origins_for_each_of_them() {
    let start = Instant::now();
    check_growth("pushing", |count| {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (server, device) = (server_in(theirs.path()), device_in(ours.path()));
        fill(&device, count);
        let (client, runtime) = (client(&server), runtime());
        let took = work(start, || {
            let report = first_sync(&runtime, &device, &client);
            assert_eq!(u128::from(report.pushed), count);
        });
        assert_eq!(holdings(server.reader()), holdings(device.reader()));
        took
    });
}

fn first_sync<T: Transport>(runtime: &Runtime, device: &Device, client: &Client<T>) -> SyncReport {
    let syncing = async { sync(device, client, &SyncOptions::default(), &mut |_| {}).await };
    runtime.block_on(syncing).unwrap()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// One event of each of 100,000 origins, beside 100,000 events of one origin.
#[test]
fn a_hundred_thousand_origins_take_at_most_twice_as_long_as_one() {
    if std::env::var_os("LATERBASE_SCALE").is_none() {
        eprintln!("left out: runs with LATERBASE_SCALE set");
        return;
    }
    const COUNT: u128 = 100_000;
    let seconds = |crowded: bool| {
        let full = tempfile::tempdir().unwrap();
        let source = device_in(full.path());
        if crowded {
            fill(&source, COUNT);
        } else {
            let mut left = usize::try_from(COUNT).unwrap();
            while left > 0 {
                let mut batch = source.batch(&parcel());
                for number in 0..left.min(BATCH_EVENTS_MAX) {
                    let (id, data) = (format!("A-{number}"), r#"{"place":"depot"}"#);
                    let record = laterbase_core::event::Record::json(&id, "Scanned", data);
                    batch.push(&record).unwrap();
                }
                left -= batch.len();
                source.record(&batch).unwrap();
            }
        }
        let (empty, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let listening = Listening::start(server_in(empty.path()));
        let pushed = timed(&source, &listening);
        source.close().unwrap();
        let pulled = timed(&device_in(other.path()), &listening);
        (pushed, pulled)
    };
    let (one, many) = (seconds(false), seconds(true));
    eprintln!("push and pull of {COUNT} events: one origin {one:?}, as many origins {many:?}");
    assert!(many.0 < 2 * one.0 && many.1 < 2 * one.1);
}

/// How long a first sync takes.
fn timed(device: &Device, listening: &Listening) -> Duration {
    let client = Client::new(listening.url().parse().unwrap(), HttpTransport::new().unwrap());
    let start = Instant::now();
    let report = first_sync(&runtime(), device, &client);
    assert_eq!(report.pushed + report.pulled, 100_000);
    start.elapsed()
}
