//! Clauses about processes and disks that fail for real.

use std::fs;
use std::path::Path;
use std::process;

use laterbase_core::store::{Area, Batch, Durability, Store, StoreError, Table};
use laterbase_directory::OpenError;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::contents::{get, keys};
use super::dice::Dice;
use super::{Harness, Verdict};
use crate::child::{self, Child};

const NO_DIRECTORY: Verdict = Verdict::Skipped("the backend cannot be opened by another process");

/// Times that a writer is started and killed.
const KILLS: usize = 6;

/// Acknowledged batches after which a writer is killed, at most.
const ACKS_MAX: u64 = 60;

/// Batches after which a child gives up waiting for its end.
const BATCHES_MAX: u64 = 20_000;

/// Batches that are written before the system begins to refuse.
const BATCHES_BEFORE: u64 = 20;

/// How much further than the largest file a file may grow then.
const ROOM_BYTES: u64 = 128 * 1024;

/// A process that is killed at any moment loses nothing that was acknowledged, and keeps at most
/// one batch that was not, all of it or nothing; the derived area is as it was at some moment. While
/// it lives, no other process can open its store.
///
/// `test` is the path of the calling test, as [`conformance!`](crate::conformance!) passes it.
///
/// Some of the writers are relaxed: they owe the disk less, but the operating system the same.
///
/// Catches: a commit that is acknowledged while it is in the process's memory, a batch that is
/// written in parts, a store that does not open after a crash, a lock within the process only.
pub fn a_killed_writer_loses_nothing_acknowledged<H: Harness>(test: &str) -> Verdict {
    if let Some(directory) = child::directory() {
        write_until_killed::<H>(&directory);
    }
    let harness = H::fresh();
    let (Some(directory), Some(other)) = (harness.directory(), harness.directory().and_then(H::at))
    else {
        return NO_DIRECTORY;
    };
    let mut dice = Dice::new(4_711);
    for _ in 0..KILLS {
        let acks = 1 + dice.below(ACKS_MAX);
        let mut writer = Child::start(test, directory);
        let mut acknowledged = 0;
        let mut heard = 0;
        while let Some((word, number)) = writer.hear() {
            assert_eq!(word, "ack");
            acknowledged = number;
            heard += 1;
            if heard == acks {
                let locked = other.open().err();
                assert!(matches!(locked, Some(OpenError::Locked { .. })), "{locked:?}");
                writer.kill();
            }
        }
        writer.wait();
        assert!(heard >= acks, "the child ended by itself after {heard} acks");
        let store = other.open().expect("the store opens after a crash");
        let kept = check_contents(&store);
        assert!(
            kept == acknowledged || kept == acknowledged + 1,
            "{acknowledged} acknowledged, {kept} kept"
        );
    }
    Verdict::Held
}

/// A write that the system refuses (here by a limit on the size of files) fails without loss:
/// what was acknowledged can be read at once and after opening the store anew, nothing is kept of
/// a batch that was said not to fit, and a store that is in doubt takes no more.
///
/// Catches: an error of the engine that is taken for success, for Full or for nothing, and one
/// that ends the process.
pub fn a_write_that_the_system_refuses_loses_nothing_acknowledged<H: Harness>(
    test: &str,
) -> Verdict {
    if let Some(directory) = child::directory() {
        write_until_refused::<H>(&directory);
    }
    let harness = H::fresh();
    let (Some(directory), Some(other)) = (harness.directory(), harness.directory().and_then(H::at))
    else {
        return NO_DIRECTORY;
    };
    let mut writer = Child::start(test, directory);
    let (mut acknowledged, mut ending) = (0, String::new());
    while let Some((word, number)) = writer.hear() {
        match word.as_str() {
            "ack" => acknowledged = number,
            _ => ending = word,
        }
    }
    assert!(writer.wait(), "the child ended badly");
    let store = other.open().expect("the store opens again");
    let kept = check_contents(&store);
    let most = match ending.as_str() {
        "full" => acknowledged,
        "poisoned" => acknowledged + 1,
        _ => panic!("the child was never refused a write"),
    };
    assert!((acknowledged..=most).contains(&kept), "{acknowledged} acknowledged, {kept} kept");
    write(&store, kept + 1, 100).expect("a store opened anew takes commits");
    assert_eq!(check_contents(&store), kept + 1);
    Verdict::Held
}

fn write_until_killed<H: Harness>(directory: &Path) -> ! {
    let harness = H::at(directory).expect("the parent has seen that this works");
    let durable = harness.open().expect("the store opens");
    let begin = check_contents(&durable);
    drop(durable);
    let mut dice = Dice::new(begin);
    // Killing a process takes nothing from the operating system, so a relaxed store keeps all too.
    let durability = *dice.pick(&[Durability::Durable, Durability::Relaxed]);
    let store = harness.open_with(durability).expect("the store opens");
    for number in begin + 1..=begin + BATCHES_MAX {
        write(&store, number, *dice.pick(&[1, 300, 20_000])).expect("the commit succeeds");
        child::tell("ack", number);
    }
    panic!("nobody has killed this process");
}

fn write_until_refused<H: Harness>(directory: &Path) -> ! {
    let harness = H::at(directory).expect("the parent has seen that this works");
    let store = harness.open().expect("the store opens");
    for number in 1..=BATCHES_BEFORE {
        write(&store, number, 20_000).expect("the commit succeeds");
        child::tell("ack", number);
    }
    limit_files(largest_file_bytes(directory) + ROOM_BYTES);
    let mut last = BATCHES_BEFORE;
    let error = loop {
        match write(&store, last + 1, 20_000) {
            Ok(()) => last += 1,
            Err(error) => break error,
        }
        child::tell("ack", last);
        assert!(last < BATCHES_MAX, "the system refuses nothing");
    };
    let kept = check_contents(&store);
    let next = store.commit(&Batch::new(Area::Derived));
    let next_truth = write(&store, last + 1, 20_000);
    match error {
        StoreError::Full { .. } => {
            assert_eq!(kept, last, "a batch that did not fit is there");
            assert!(matches!(next, Ok(()) | Err(StoreError::Full { .. })), "{next:?}");
            // With its batches now smaller than what is left, a store may take one after all.
            last += u64::from(next_truth.is_ok());
            child::tell("ack", last);
            child::tell("full", last);
        }
        error => {
            for refused in [next, next_truth, store.sync()] {
                assert!(matches!(refused, Err(StoreError::Poisoned)), "{error:?}, {refused:?}");
            }
            assert!(check_contents(&store) >= last, "what was acknowledged is gone");
            child::tell("poisoned", last);
        }
    }
    drop(store);
    process::exit(0);
}

/// Writes batch `number`, about `bytes` long: an entry in the log, a counter that agrees with it,
/// and the same again in the derived area.
fn write(store: &impl Store, number: u64, bytes: usize) -> Result<(), StoreError> {
    let key = number.to_be_bytes();
    let mut truth = Batch::new(Area::Truth);
    truth.put(Table::Log, &key, &noise(number, bytes));
    truth.put(Table::Runs, &key, &[]);
    truth.put(Table::Meta, b"last", &key);
    store.commit(&truth)?;
    let mut derived = Batch::new(Area::Derived);
    derived.put(Table::FoldIndex, &key, &[]);
    derived.put(Table::Progress, b"last", &key);
    match store.commit(&derived) {
        // The truth is there, so the batch counts as written.
        Err(StoreError::Full { .. }) => Ok(()),
        done => done,
    }
}

/// Bytes that no compression makes smaller.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        noise.extend_from_slice(&dice.below(u64::MAX).to_be_bytes());
    }
    noise.truncate(bytes);
    noise
}

/// Checks that a store holds batches 1 to n whole, and gives n.
#[track_caller]
fn check_contents(store: &impl Store) -> u64 {
    let last = |table| get(store, table, b"last").map_or(0, |key| number(&key));
    let (truth, derived) = (last(Table::Meta), last(Table::Progress));
    let upto = |last: u64| (1..=last).map(|number| number.to_be_bytes()).collect::<Vec<_>>();
    assert!(keys(store, Table::Log) == upto(truth), "log and counter disagree");
    assert!(keys(store, Table::Runs) == upto(truth), "runs and counter disagree");
    assert!(derived <= truth, "the derived area is ahead: {derived} of {truth}");
    // Where the derived area was full or failed, it has stopped, or left out batches as a whole.
    assert!(keys(store, Table::FoldIndex).len() as u64 <= derived, "index and progress disagree");
    for key in upto(truth).iter().rev().take(30) {
        let value = get(store, Table::Log, key).expect("the entry is there");
        assert!(value == noise(number(key), value.len()), "entry {key:?} has changed");
    }
    truth
}

fn number(key: &[u8]) -> u64 {
    u64::from_be_bytes(key.try_into().expect("a number has eight bytes"))
}

/// From now on, no file can be made larger than this by this process.
fn limit_files(bytes: u64) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    let limit = Rlimit { current: Some(bytes), maximum };
    setrlimit(Resource::Fsize, limit).expect("a limit can be lowered");
}

fn largest_file_bytes(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).expect("the directory can be listed");
    let sizes = entries.map(|entry| {
        let path = entry.expect("the directory can be listed").path();
        let metadata = fs::metadata(&path).expect("the file can be looked at");
        if metadata.is_dir() { largest_file_bytes(&path) } else { metadata.len() }
    });
    sizes.max().unwrap_or(0)
}
