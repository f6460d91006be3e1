//! A late event that commits, and is flushed, while a read of its aggregate is under way.

use std::sync::{Arc, Mutex, PoisonError};

use laterbase_core::PreparedBatch;
use laterbase_core::event::{Event, Record};
use laterbase_core::fold::{Applied, Fold, FoldError, FoldState, Folds, Refusal};
use laterbase_core::reader::Query;
use laterbase_core::replica::{Replica, ReplicaOptions};
use laterbase_core::snapshot::SnapshotPolicy;
use laterbase_core::store::Store;

use super::{START, journal, root};

type Interruption = Mutex<Option<Box<dyn FnOnce() + Send>>>;

/// A journal that runs a given piece of code once, in the middle of a fold.
struct Interrupted {
    journal: journal::Journal,
    interruption: Arc<Interruption>,
}

impl Fold for Interrupted {
    fn name(&self) -> &str {
        self.journal.name()
    }

    fn version(&self) -> u32 {
        1
    }

    fn validate(&self, _: &Record<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn snapshots(&self) -> SnapshotPolicy {
        self.journal.snapshots()
    }

    fn start(&self) -> Box<dyn FoldState> {
        let interruption = Arc::clone(&self.interruption);
        Box::new(InterruptedState { state: self.journal.start(), interruption })
    }

    fn resume(&self, json: &[u8]) -> Result<Box<dyn FoldState>, FoldError> {
        self.journal.resume(json)
    }
}

struct InterruptedState {
    state: Box<dyn FoldState>,
    interruption: Arc<Interruption>,
}

impl FoldState for InterruptedState {
    fn apply(&mut self, event: &Event<'_>) -> Result<Applied, FoldError> {
        let due = self.interruption.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(run) = due {
            run();
        }
        self.state.apply(event)
    }

    fn to_json(&self) -> Result<Vec<u8>, FoldError> {
        self.state.to_json()
    }
}

/// Forces the race of a snapshot against a late event: while a read folds, an event is written
/// before all that it folds, and flushed into the index if `flushes`. The snapshot that the read
/// leaves knows nothing of the event; no later read may use it.
///
/// # Panics
/// If one does.
pub fn check_late_event_during_read(store: Arc<dyn Store>, flushes: bool) {
    let interruption: Arc<Interruption> = Arc::default();
    let fold = Interrupted {
        journal: journal::Journal { version: 1 },
        interruption: interruption.clone(),
    };
    let folds = Arc::new(Folds::new().fallback(Arc::new(fold)));
    let options = ReplicaOptions { hot_bytes_max: 0, ..ReplicaOptions::default() };
    let random = Box::new(|| [1; 16]);
    let mut replica = Replica::open(store, Arc::clone(&folds), options, random).expect("a replica");
    let write = {
        let folds = Arc::clone(&folds);
        move |replica: &mut Replica, occurred| {
            let mut batch = PreparedBatch::new(root(), Arc::clone(&folds), START);
            let record = Record { occurred: Some(occurred), ..Record::json("a", "t", "1") };
            batch.push(&record).expect("within bounds");
            replica.append(&batch, START).expect("a write").dots[0]
        }
    };
    let mut dots: Vec<String> =
        (1..10).map(|second| write(&mut replica, START - second).to_string()).collect();
    dots.reverse();
    let (reader, mut maintenance) = (replica.reader(), replica.maintenance());
    maintenance.flush().expect("a flush");
    let late = Arc::new(Mutex::new(None));
    let told = Arc::clone(&late);
    *interruption.lock().expect("no panic so far") = Some(Box::new(move || {
        let dot = write(&mut replica, START - 100).to_string();
        if flushes {
            replica.maintenance().flush().expect("a flush");
        }
        *told.lock().expect("no panic so far") = Some((dot, replica));
    }));
    let read = || {
        let read = reader.aggregate(&root(), "a", &Query::default()).expect("a read");
        journal::dots(&read.expect("an aggregate").state)
    };
    assert_eq!(read(), dots, "the read shows the moment at which it began");
    let (late_dot, replica) =
        late.lock().expect("no panic so far").take().expect("the read was interrupted");
    dots.insert(0, late_dot);
    if !flushes {
        // The event is in the front only. After a flush, this read would leave a right snapshot
        // in the place of the wrong one.
        assert_eq!(read(), dots, "before the snapshot is written");
    }
    maintenance.flush().expect("a flush");
    assert_eq!(read(), dots, "after the snapshot was written, or dropped");
    maintenance.flush().expect("a flush");
    assert_eq!(read(), dots);
    drop(replica);
}

/// Forces the same race in a listing, which looks once for many aggregates: while the first one is
/// folded, an event is written before all that the second one is folded from, and flushed. What
/// the listing leaves of the second one must not be used.
///
/// # Panics
/// If it is.
pub fn check_late_event_during_listing(store: Arc<dyn Store>) {
    let interruption: Arc<Interruption> = Arc::default();
    let fold = Interrupted {
        journal: journal::Journal { version: 1 },
        interruption: interruption.clone(),
    };
    let folds = Arc::new(Folds::new().fallback(Arc::new(fold)));
    let options = ReplicaOptions { hot_bytes_max: 0, ..ReplicaOptions::default() };
    let random = Box::new(|| [1; 16]);
    let mut replica = Replica::open(store, Arc::clone(&folds), options, random).expect("a replica");
    let write = move |replica: &mut Replica, id: &str, occurred| {
        let mut batch = PreparedBatch::new(root(), Arc::clone(&folds), START);
        let record = Record { occurred: Some(occurred), ..Record::json(id, "t", "1") };
        batch.push(&record).expect("within bounds");
        replica.append(&batch, START).expect("a write").dots[0].to_string()
    };
    write(&mut replica, "a", START);
    let mut dots: Vec<String> =
        (0..9).map(|second| write(&mut replica, "b", START + second)).collect();
    let (reader, mut maintenance) = (replica.reader(), replica.maintenance());
    maintenance.flush().expect("a flush");
    let late = Arc::new(Mutex::new(None));
    let told = Arc::clone(&late);
    *interruption.lock().expect("no panic so far") = Some(Box::new(move || {
        let dot = write(&mut replica, "b", START - 100);
        replica.maintenance().flush().expect("a flush");
        *told.lock().expect("no panic so far") = Some((dot, replica));
    }));
    let page = reader.aggregates(&root(), None, 10, &Query::default()).expect("a page");
    let listed = page.aggregates[1].1.as_ref().expect("a state");
    assert_eq!(journal::dots(&listed.state), dots, "it shows the moment at which it began");
    let (late_dot, replica) =
        late.lock().expect("no panic so far").take().expect("the listing was interrupted");
    dots.insert(0, late_dot);
    for _ in 0..2 {
        let read = reader.aggregate(&root(), "b", &Query::default()).expect("a read");
        assert_eq!(journal::dots(&read.expect("an aggregate").state), dots);
        maintenance.flush().expect("a flush");
    }
    drop(replica);
}
