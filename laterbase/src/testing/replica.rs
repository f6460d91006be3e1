//! A replica in memory with a clock that is set by hand.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use laterbase_core::delta::Delta;
use laterbase_core::fold::{Aggregate, Folds};
use laterbase_core::id::RootName;
use laterbase_core::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::{ReadError, Reader};
use laterbase_core::replica::{Replica, ReplicaOptions};
use laterbase_core::time::{format_time, parse_time};
use laterbase_core::typed::{AggregateAt, Append, AppendError, At, Recorded};

/// What the clock of a new replica shows.
pub(super) const START: &str = "2024-01-01T00:00:00Z";

/// A replica in memory, for tests. Its clock stands still unless it is set, and its ids are the same
/// in each run.
///
/// It is the real one: what it stores, refuses, folds and exchanges is what a device or a server
/// stores, refuses, folds and exchanges.
pub struct TestReplica {
    name: String,
    replica: RefCell<Replica>,
    now_nanos: Cell<i64>,
}

impl fmt::Debug for TestReplica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = format_time(self.now_nanos());
        f.debug_struct("TestReplica").field("name", &self.name).field("now", &now).finish()
    }
}

impl TestReplica {
    /// A replica without events, whose clock shows `2024-01-01T00:00:00Z`. Replicas that are to sync
    /// have different names: their ids are made of them.
    pub fn new(name: &str, folds: &Folds) -> Self {
        let random = random(name);
        let folds = Arc::new(folds.clone());
        let store = Arc::new(MemoryStore::new());
        let replica = Replica::open(store, folds, ReplicaOptions::default(), Box::new(random))
            .expect("a replica opens over an empty store in memory");
        let now = parse_time(START).expect("a time");
        Self { name: name.to_owned(), replica: RefCell::new(replica), now_nanos: Cell::new(now) }
    }

    /// Sets the clock to an RFC 3339 time, also back.
    ///
    /// # Panics
    /// If it is none.
    #[track_caller]
    pub fn set_clock(&self, time: &str) {
        match parse_time(time) {
            Ok(nanos) => self.now_nanos.set(nanos),
            Err(error) => panic!("{time:?}: {error}"),
        }
    }

    /// Sets the clock forward.
    pub fn advance_clock(&self, by: Duration) {
        let nanos = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
        self.now_nanos.set(self.now_nanos().saturating_add(nanos));
    }

    /// What the clock shows, in nanoseconds since 1970 UTC.
    pub const fn now_nanos(&self) -> i64 {
        self.now_nanos.get()
    }

    /// Writes typed events, whole or not at all.
    ///
    /// # Errors
    /// [`AppendError`]; nothing of it is stored.
    pub fn append<A: Aggregate>(&self, append: &Append<A>) -> Result<Recorded, AppendError> {
        append.write(&mut self.replica.borrow_mut(), self.now_nanos())
    }

    /// Reads an aggregate by the fold of its type; `None` if no event of it is known within those
    /// times.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn aggregate<A: Aggregate>(
        &self,
        root: &RootName,
        id: &str,
        at: At,
    ) -> Result<Option<AggregateAt<A>>, ReadError> {
        AggregateAt::read(&self.reader(), root, id, at)
    }

    /// Reads everything else.
    pub fn reader(&self) -> Reader {
        self.replica.borrow().reader()
    }

    /// Gives the other one what it lacks, and takes what is lacking here. Both hold the same then.
    /// What arrives, arrives at what each clock shows.
    ///
    /// # Panics
    /// If both have the same name: their events would have the same ids.
    #[track_caller]
    pub fn sync_with(&self, other: &Self) {
        assert_ne!(self.name, other.name, "replicas that sync have different names");
        self.send_to(other);
        other.send_to(self);
    }

    #[track_caller]
    fn send_to(&self, other: &Self) {
        let (ours, mut theirs) = (self.reader(), other.replica.borrow_mut());
        for root in ours.roots() {
            loop {
                let held = theirs.reader().version_vector(&root);
                let page = ours.delta(&root, &held, BATCH_EVENTS_MAX, BATCH_BYTES_MAX);
                let page = page.expect("a store in memory does not fail");
                let delta = Delta::decode(&page.bytes).expect("a delta that was just made");
                if let Err(error) = theirs.merge(&delta, other.now_nanos()) {
                    panic!("{} does not take the events of {}: {error}", other.name, self.name);
                }
                if !page.more {
                    break;
                }
            }
        }
    }
}

/// 16 bytes that look random, of a name (FNV-1a) and how often they were asked for.
fn random(name: &str) -> impl FnMut() -> [u8; 16] + Send + use<> {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut count = 0_u64;
    move || {
        count += 1;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        bytes[8..].copy_from_slice(&count.to_be_bytes());
        bytes
    }
}
