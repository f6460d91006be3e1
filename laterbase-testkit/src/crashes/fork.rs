//! Processes that are killed while they decide a fork.

use std::path::Path;
use std::process;
use std::sync::Arc;

use laterbase_core::delta::Delta;
use laterbase_core::fork::Keep;
use laterbase_core::id::ReplicaId;
use laterbase_core::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::{Query, Status};
use laterbase_core::replica::Replica;
use laterbase_core::store::Store;
use laterbase_core::version_vector::VersionVector;

use super::inquest::check_sound;
use super::work::{aggregate, content, open, root, write};
use super::{Call, CrashHarness, KillPoint, Tally, Work, numbers, say};
use crate::child::{self, Child, was_killed};
use crate::deadly_store::DeadlyStore;
use crate::rounds;

const NOW: i64 = 1_700_000_000_000_000_000;

/// The calls of a resolution, as far as there are so many.
const POINTS: [(Call, bool, u64); 10] = [
    (Call::Truth, false, 1),
    (Call::Truth, true, 1),
    (Call::Truth, false, 2),
    (Call::Truth, true, 2),
    (Call::Derived, false, 1),
    (Call::Derived, true, 1),
    (Call::Derived, true, 2),
    (Call::Derived, true, 4),
    (Call::Sync, false, 1),
    (Call::Sync, true, 1),
];

/// Kills processes while they resolve a fork: what is left is the fork or its resolution, and
/// both lead to the same end.
///
/// # Panics
/// If it is neither.
pub fn check_resolution<H: CrashHarness>(test: &str) {
    if let Some(directory) = child::directory() {
        let [number, keep] = numbers(&child::task());
        resolve_until_killed::<H>(&directory, number, kept(keep));
    }
    let mut tally = Tally::default();
    for keep in [0, 1] {
        let expected = undisturbed(kept(keep));
        for _ in 0..rounds(3).div_ceil(10) {
            for number in 0..POINTS.len() {
                let harness = H::fresh();
                let directory = harness.directory().expect("the backend has directories");
                let mut writer = Child::start_for(test, directory, &format!("{number} {keep}"));
                while writer.hear().is_some() {}
                let ended = writer.end();
                assert!(ended.success() || was_killed(ended), "{ended}");
                tally.rounds += 1;
                tally.kills += u64::from(!ended.success());
                let harness = H::at(directory).expect("the backend has directories");
                examine(&harness, kept(keep), &expected);
                tally.acknowledged += expected.events();
            }
        }
    }
    assert!(tally.kills > 8, "few came to the point: {tally:?}");
    say(test, &tally);
}

const fn kept(number: u64) -> Keep {
    if number == 0 { Keep::Ours } else { Keep::Theirs }
}

fn contents(numbers: std::ops::Range<u64>, author: u64) -> Vec<(String, String)> {
    numbers.map(|number| (aggregate(number), content(author, number))).collect()
}

/// Two histories under one id: two events in common, then five of one and four of the other.
fn twins() -> [Replica; 2] {
    [5, 4].map(|own| {
        let mut twin = open(Arc::new(MemoryStore::new()), 3);
        write(&mut twin, &contents(0..2, 9), NOW);
        write(&mut twin, &contents(0..own, own), NOW + 1);
        twin
    })
}

fn take(replica: &mut Replica, from: &Replica) {
    let page =
        from.reader().delta(&root(), &VersionVector::new(), BATCH_EVENTS_MAX, BATCH_BYTES_MAX);
    let page = page.expect("the store works");
    let delta = Delta::decode(&page.bytes).expect("a good page");
    replica.stage_merge_page(&delta, NOW + 3).expect("the page is taken");
    replica.commit().expect("the commit succeeds");
}

/// Makes a store with a fork in the middle of its log. Gives whose history it is.
fn fork(replica: &mut Replica) -> ReplicaId {
    let twins = twins();
    write(replica, &contents(0..12, 1), NOW);
    take(replica, &twins[0]);
    write(replica, &contents(12..30, 1), NOW + 2);
    replica.maintenance().flush().expect("the flush succeeds");
    take(replica, &twins[1]);
    assert_eq!(replica.reader().forks().len(), 1, "the histories differ");
    twins[0].id()
}

fn resolve_until_killed<H: CrashHarness>(directory: &Path, number: u64, keep: Keep) -> ! {
    let (call, after, nth) = POINTS[usize::try_from(number).expect("few points")];
    let point = KillPoint { work: Some(Work::Resolve), call, after };
    let store = H::at(directory).expect("the backend has directories").open();
    let store = Arc::new(DeadlyStore::new(store.expect("the store opens"), Some(point), nth));
    let mut replica = open(Arc::clone(&store) as Arc<dyn Store>, 1);
    let origin = fork(&mut replica);
    store.begin(Work::Resolve);
    replica.resolve(&root(), origin, keep, NOW + 4).expect("the fork is resolved");
    process::exit(0);
}

/// What is there once the fork is resolved.
#[derive(Debug, PartialEq)]
struct Picture {
    status: Status,
    aggregates: Vec<(String, Vec<u8>)>,
}

impl Picture {
    fn of(replica: &Replica) -> Self {
        let reader = replica.reader();
        let page = reader.aggregates(&root(), None, usize::MAX, &Query::default());
        let aggregates = page.expect("the store works").aggregates.into_iter();
        let aggregates =
            aggregates.map(|(id, state)| (id, state.expect("the fold works").state)).collect();
        let status = reader.status().expect("the store works");
        Self { status: Status { engine: "any", ..status }, aggregates }
    }

    fn events(&self) -> u64 {
        self.status.roots.iter().map(|root| root.events).sum()
    }
}

fn undisturbed(keep: Keep) -> Picture {
    let mut replica = open(Arc::new(MemoryStore::new()), 1);
    let origin = fork(&mut replica);
    replica.resolve(&root(), origin, keep, NOW + 4).expect("the fork is resolved");
    Picture::of(&replica)
}

fn examine<H: CrashHarness>(harness: &H, keep: Keep, expected: &Picture) {
    let store = Arc::new(harness.open().expect("the store opens after a kill"));
    let mut replica = open(Arc::<H::Store>::clone(&store), 1);
    check_sound(&*store);
    if let Some(fork) = replica.reader().forks().first() {
        let origin = fork.origin;
        replica.resolve(&root(), origin, keep, NOW + 4).expect("the fork is resolved");
        check_sound(&*store);
    }
    assert_eq!(&Picture::of(&replica), expected);
}
