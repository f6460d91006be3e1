//! The process that has the store open is killed at each step of what others hand over to it.
//!
//! Between its commit and its answer nobody knows whether the events are stored: one that asked
//! again stored them twice, and one that did not lost them. All events here are alike, so nothing
//! but what the store remembers of each request tells one from the other.
//!
//! Mutation: do not look for the receipt when the store is opened instead.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use laterbase_client::device::{Device, DeviceOptions};
use laterbase_client::handover::Listening;
use laterbase_store_lmdb::{LmdbOptions, LmdbStore};
use laterbase_testkit::child::{self, Child, was_killed};
use laterbase_testkit::deadly_store::{Call, DeadlyStore, KillPoint, Work};

use crate::command::Workplace;

/// Events that are handed over in a round.
const ROUND: u64 = 4;

/// How long a holder waits for its end, should its parent be gone.
const LIFE: Duration = Duration::from_secs(120);

/// Has the store open until it is killed: the child's part.
fn play(directory: &Path) -> ! {
    let task = child::task();
    let (nth, after) = task.split_once(' ').unwrap();
    let point = KillPoint { work: Some(Work::Append), call: Call::Truth, after: after == "after" };
    let store = LmdbStore::open(directory, LmdbOptions::default()).unwrap();
    let store = Arc::new(DeadlyStore::new(store, Some(point), nth.parse().unwrap()));
    let options = DeviceOptions::default();
    let device = Arc::new(Device::over(Arc::clone(&store) as Arc<_>, options).unwrap());
    store.begin(Work::Append);
    let _listening = Listening::start(directory, device).unwrap();
    child::tell("holding", 0);
    thread::park_timeout(LIFE);
    std::process::exit(0)
}

#[track_caller]
fn check(name: &str, when: &str) {
    let test = format!("{}::{name}", module_path!());
    if let Some(directory) = child::directory() {
        play(&directory);
    }
    let place = Workplace::new();
    let line = br#"{"aggregate_id":"P","type":"Scanned","data":1}"#;
    let record = || {
        let ended = place.feed(&["record", "--root", "r", "--json"], line);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
        assert_eq!(ended.stdout, "{\"recorded\":1,\"replayed\":0}\n");
    };
    record();
    let mut recorded = 1;
    for nth in 0..ROUND {
        let task = format!("{nth} {when}");
        let mut holder = Child::start_for(&test, &place.path("laterbase-data"), &task);
        assert_eq!(holder.hear(), Some(("holding".to_owned(), 0)));
        for _ in 0..ROUND {
            record();
            recorded += 1;
        }
        assert!(was_killed(holder.end()), "the holder lived on, so nothing was handed over");
        assert_eq!(place.event_count(), recorded, "the one at {nth} is lost or there twice");
    }
    place.succeed(&["verify"]);
}

#[test]
fn a_holder_that_is_killed_before_its_commit_stores_nothing_twice_and_loses_nothing() {
    let name = "a_holder_that_is_killed_before_its_commit_stores_nothing_twice_and_loses_nothing";
    check(name, "before");
}

#[test]
fn a_holder_that_is_killed_behind_its_commit_stores_nothing_twice_and_loses_nothing() {
    let name = "a_holder_that_is_killed_behind_its_commit_stores_nothing_twice_and_loses_nothing";
    check(name, "after");
}
