//! Faults that the simulator found, each told as a story of its own.

use std::ops::ControlFlow;
use std::sync::Arc;

use laterbase_core::PreparedBatch;
use laterbase_core::delta::Delta;
use laterbase_core::event::Record;
use laterbase_core::fold::{Folds, MergePatch};
use laterbase_core::fork::Keep;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::limits::SEQ_MAX;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::Query;
use laterbase_core::replica::{Replica, ReplicaOptions, WriteError};
use laterbase_core::store::{Area, Batch, Durability, Scan, Store, StoreError, Table};
use laterbase_core::verify::verify;
use laterbase_core::version_vector::VersionVector;
use laterbase_core::wants::{Want, Wants};
use laterbase_testkit::fault_store::{Fault, FaultStore};

const NOW: i64 = 1_700_000_000_000_000_000;

fn folds() -> Arc<Folds> {
    Arc::new(Folds::new().fallback(Arc::new(MergePatch)))
}

fn open(store: &MemoryStore, seed: u8) -> Replica {
    let random = Box::new(move || [seed; 16]);
    let store = Arc::new(store.reopen());
    Replica::open(store, folds(), ReplicaOptions::default(), random).unwrap()
}

fn write(replica: &mut Replica, aggregate_id: &str) {
    let mut batch = PreparedBatch::new(RootName::new("shipment").unwrap(), folds(), NOW);
    batch.push(&Record::json(aggregate_id, "Moved", "{}")).unwrap();
    replica.append(&batch, NOW).unwrap();
}

fn copy_area(from: &MemoryStore, to: &MemoryStore, area: Area) {
    let mut batch = Batch::new(area);
    let snapshot = from.snapshot().unwrap();
    for table in Table::ALL.into_iter().filter(|table| table.area() == area) {
        snapshot
            .scan(Scan::all(table), &mut |key, value| {
                batch.put(table, key, value);
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    to.commit(&batch).unwrap();
}

/// Seed 796. The truth lost its tail, so the derived tables knew events that were no more. They
/// were discarded at the next start, but nobody told the disk to keep it that way. New events
/// took the lost ones' positions; then a second power loss brought the old tables back, which now
/// claimed no more than the log held, and the index led to other events.
#[test]
fn derived_tables_that_were_discarded_stay_so_after_a_second_power_loss() {
    let written = MemoryStore::new();
    let mut replica = open(&written, 1);
    write(&mut replica, "kept");
    let early = written.after_power_loss();
    for index in 0..3 {
        write(&mut replica, &format!("lost {index}"));
    }
    replica.maintenance().flush().unwrap();

    let store = MemoryStore::with_durability(Durability::Durable);
    copy_area(&early, &store, Area::Truth);
    copy_area(&written, &store, Area::Derived);
    store.sync().unwrap();
    let mut replica = open(&store, 2);
    for index in 0..5 {
        write(&mut replica, &format!("new {index}"));
    }
    drop(replica);

    let store = store.after_power_loss();
    let replica = open(&store, 3);
    assert_eq!(replica.reader().status().unwrap().roots[0].aggregates, 6);
    let report = verify(&store, &mut |_, _| {}).unwrap();
    assert!(report.is_sound(), "{:?}", report.faults);
}

fn open_with(store: &MemoryStore, seed: u8) -> Replica {
    let mut next = 0_u8;
    let random = Box::new(move || {
        next += 1;
        [[seed; 8], [next; 8]].concat().try_into().unwrap()
    });
    Replica::open(Arc::new(store.clone()), folds(), ReplicaOptions::default(), random).unwrap()
}

/// Merges all that one replica holds of some origins into another.
fn tell(from: &Replica, to: &mut Replica, origins: &[ReplicaId]) {
    let root = RootName::new("shipment").unwrap();
    let wanted = |origin: &ReplicaId| {
        let (root, origin) = (root.clone(), *origin);
        Want { root, origin, after: 0, until: SEQ_MAX }
    };
    let wants = Wants { entries: origins.iter().map(wanted).collect() };
    let page = from.reader().wanted_delta(&wants, usize::MAX, usize::MAX).unwrap();
    to.stage_merge_page(&Delta::decode(&page.bytes).unwrap(), NOW).unwrap();
    to.commit().unwrap();
}

/// Seed 505 of the first simulator with forks. Two copies of a store went on under its id, so that
/// there were three histories. When somebody had decided, both branches that gave way came in on
/// one page, under their new ids. The second one to be taken out of quarantine did not see that
/// the first one was out already and listed it again, with nothing behind it, so that a decision
/// for that branch found no events.
#[test]
fn two_branches_that_come_in_on_one_page_both_leave_quarantine() {
    let stores = [MemoryStore::new(), MemoryStore::new(), MemoryStore::new()];
    write(&mut open_with(&stores[0], 1), "before");
    let copies = [stores[0].after_power_loss(), stores[0].after_power_loss()];
    let mut original = open_with(&stores[0], 1);
    let id = original.id();
    let mut branches = copies.each_ref().map(|store| open_with(store, 2));
    write(&mut original, "original");
    write(&mut branches[0], "first copy");
    write(&mut branches[1], "second copy");
    let mut server = open_with(&stores[1], 3);
    let mut operator = open_with(&stores[2], 4);
    for to in [&mut server, &mut operator] {
        tell(&original, to, &[id]);
        tell(&branches[0], to, &[id]);
        tell(&branches[1], to, &[id]);
        assert_eq!(to.reader().forks()[0].theirs, 2);
    }

    let root = RootName::new("shipment").unwrap();
    let moved = operator.resolve(&root, id, Keep::Ours, NOW).unwrap();
    assert_eq!((moved.moved, moved.into.len()), (2, 2));
    tell(&operator, &mut server, &moved.into);
    assert_eq!(server.reader().forks(), []);
    assert_eq!(server.reader().head(), 4);
    let reopened = open_with(&stores[1].after_power_loss(), 5);
    assert_eq!(reopened.reader().forks(), []);
}

/// Three histories under one id: `a1`; `b1, b2`; and `b1, c2, c3`. Each replica is one of them, and
/// the two stores are empty.
struct Parted {
    id: ReplicaId,
    histories: [Replica; 3],
    store: MemoryStore,
    device: Replica,
    operator: Replica,
}

fn parted() -> Parted {
    let store = MemoryStore::new();
    let mut first = open_with(&store, 1);
    let copy = store.after_power_loss();
    let mut second = open_with(&copy, 1);
    write(&mut first, "a1");
    write(&mut second, "b1");
    let mut third = open_with(&copy.after_power_loss(), 1);
    write(&mut second, "b2");
    write(&mut third, "c2");
    write(&mut third, "c3");
    let id = first.id();
    assert_eq!([second.id(), third.id()], [id; 2]);
    let store = MemoryStore::new();
    let (device, operator) = (open_with(&store, 2), open_with(&MemoryStore::new(), 3));
    Parted { id, histories: [first, second, third], store, device, operator }
}

/// The aggregates of the events that a replica holds, one for each event.
fn held(replica: &Replica) -> Vec<String> {
    let (root, mut held) = (RootName::new("shipment").unwrap(), Vec::new());
    replica
        .reader()
        .feed(&root, &VersionVector::new(), usize::MAX, &mut |event| {
            held.push(event.record.aggregate_id.to_owned());
            ControlFlow::Continue(())
        })
        .unwrap();
    held.sort();
    held
}

#[track_caller]
fn assert_sound(store: &MemoryStore) {
    let report = verify(&store.reopen(), &mut |_, _| {}).unwrap();
    assert!(report.is_sound(), "{:?}", report.faults);
}

/// Three histories that part at the first event: of one event, of two, and of five.
fn of_three_lengths() -> (ReplicaId, [Replica; 3]) {
    let store = MemoryStore::new();
    let mut first = open_with(&store, 1);
    let mut others =
        [store.after_power_loss(), store.after_power_loss()].map(|it| open_with(&it, 1));
    write(&mut first, "a1");
    let [second, third] = &mut others;
    for name in ["b1", "b2"] {
        write(second, name);
    }
    for name in ["c1", "c2", "c3", "c4", "c5"] {
        write(third, name);
    }
    let (id, [second, third]) = (first.id(), others);
    (id, [first, second, third])
}

/// The id that a branch in quarantine with so many events would move to.
fn branch_of(replica: &Replica, events: u64) -> ReplicaId {
    let page = replica.reader().forks_page(&|_| true, None, 9);
    page.forks[0].branches.iter().find(|branch| branch.events == events).unwrap().into
}

/// Seed 3533605370. Of three histories, the shortest could not be kept where another one was held:
/// `Theirs` took the longer one of the two in quarantine, and the next time the other longer one,
/// for ever.
#[test]
fn of_three_branches_each_can_be_kept() {
    let root = RootName::new("shipment").unwrap();
    for (kept, left) in [(1, 5), (5, 1)] {
        let (id, [a, b, c]) = of_three_lengths();
        let store = MemoryStore::new();
        let mut device = open_with(&store, 2);
        for history in [&b, &a, &c] {
            tell(history, &mut device, &[id]);
        }
        assert_eq!((device.reader().forks()[0].ours, device.reader().forks()[0].theirs), (2, 6));
        let (branch, nobody) = (branch_of(&device, kept), ReplicaId::from_bytes([9; 16]));
        let refused = device.resolve(&root, id, Keep::Branch(nobody), NOW);
        assert!(matches!(refused, Err(WriteError::NoBranch { .. })), "{refused:?}");
        assert_eq!(held(&device), ["b1", "b2"]);
        device.resolve(&root, id, Keep::Branch(branch), NOW).unwrap();
        let fork = &device.reader().forks()[0];
        assert_eq!((fork.ours, fork.theirs), (kept, left));
        device.resolve(&root, id, Keep::Ours, NOW).unwrap();
        assert_eq!(held(&device).len(), 8, "nothing is lost");
        assert_eq!(device.reader().version_vector(&root).get(&id), kept);
        assert_sound(&store);
    }
}

/// The same where nobody is asked: whoever moved a branch has kept another one.
#[test]
fn a_branch_that_somebody_moved_does_not_take_the_place_of_another() {
    let root = RootName::new("shipment").unwrap();
    let (id, [a, b, c]) = of_three_lengths();
    let (store, mut operator) = (MemoryStore::new(), open_with(&MemoryStore::new(), 3));
    let mut device = open_with(&store, 2);
    tell(&a, &mut operator, &[id]);
    tell(&c, &mut operator, &[id]);
    let moved = operator.resolve(&root, id, Keep::Ours, NOW).unwrap();
    tell(&b, &mut device, &[id]);
    tell(&operator, &mut device, &moved.into);
    for history in [&a, &c] {
        tell(history, &mut device, &[id]);
    }
    assert_eq!(device.reader().forks()[0].theirs, 6, "who has not heard of it shows it again");
    device.resolve(&root, id, Keep::Theirs, NOW).unwrap();
    assert_eq!(device.reader().version_vector(&root).get(&id), 1, "the shorter one was kept");
    assert_sound(&store);
}

/// Seed 125. A device held one history and knew two others, which parted from it at different
/// events. When its own gave way, the longer of the two took its place, although that one goes on
/// behind an event that had just moved away: the log had a hole.
#[test]
fn a_branch_that_parts_elsewhere_does_not_take_the_place_of_one_that_moves() {
    let Parted { id, histories: [a, b, c], store, mut device, .. } = parted();
    for history in [&b, &a, &c] {
        tell(history, &mut device, &[id]);
    }
    assert_eq!(device.reader().forks()[0].theirs, 3);
    device.resolve(&RootName::new("shipment").unwrap(), id, Keep::Theirs, NOW).unwrap();
    assert_eq!(held(&device), ["a1", "b1", "b2", "c2", "c3"]);
    assert_eq!(device.reader().forks(), []);
    assert_sound(&store);
}

/// Seed 125, a step further. Two histories share their first event, and so move to one id. The
/// second one to move lost what differs from the first.
#[test]
fn a_branch_that_moves_where_another_one_went_keeps_what_differs() {
    let Parted { id, histories: [a, b, c], store, mut device, mut operator } = parted();
    let root = RootName::new("shipment").unwrap();
    tell(&a, &mut operator, &[id]);
    tell(&c, &mut operator, &[id]);
    let moved = operator.resolve(&root, id, Keep::Ours, NOW).unwrap();
    tell(&b, &mut device, &[id]);
    tell(&operator, &mut device, &moved.into);
    tell(&a, &mut device, &[id]);
    device.resolve(&root, id, Keep::Theirs, NOW).unwrap();
    assert_eq!(held(&device), ["a1", "b1", "b2", "c2", "c3"]);
    assert_sound(&store);
}

/// The same on the other side: a branch in quarantine was taken for the one that came in under its
/// id, and forgotten.
#[test]
fn a_branch_stays_in_quarantine_if_another_one_comes_in_under_its_id() {
    let Parted { id, histories: [a, b, c], store, mut device, mut operator } = parted();
    let root = RootName::new("shipment").unwrap();
    tell(&a, &mut operator, &[id]);
    tell(&c, &mut operator, &[id]);
    let moved = operator.resolve(&root, id, Keep::Ours, NOW).unwrap();
    tell(&a, &mut device, &[id]);
    tell(&b, &mut device, &[id]);
    tell(&operator, &mut device, &moved.into);
    assert_eq!(device.reader().forks()[0].theirs, 2);
    device.resolve(&root, id, Keep::Ours, NOW).unwrap();
    assert_eq!(held(&device), ["a1", "b1", "b2", "c2", "c3"]);
    assert_sound(&store);
}

/// Seed 10040. The disk was full when a branch had moved and the derived tables were to be built
/// anew: the decision failed, and from then on reads went by tables of a log that was no more.
#[test]
fn nothing_is_read_by_tables_of_a_log_that_was_written_anew() {
    let Parted { id, histories: [a, b, _], .. } = parted();
    let store = Arc::new(FaultStore::new(MemoryStore::new()));
    let root = RootName::new("shipment").unwrap();
    let reopen = |seed: u8| {
        let random = Box::new(move || [seed; 16]);
        let store: Arc<dyn Store> = Arc::clone(&store) as _;
        Replica::open(store, folds(), ReplicaOptions::default(), random).unwrap()
    };
    let mut device = reopen(2);
    tell(&a, &mut device, &[id]);
    tell(&b, &mut device, &[id]);
    device.maintenance().flush().unwrap();
    store.fail_commit(Area::Derived, 1, Fault::Full);
    let full = device.resolve(&root, id, Keep::Theirs, NOW);
    assert!(matches!(full, Err(WriteError::Store(StoreError::Full { .. }))), "{full:?}");
    let query = Query::default();
    let reader = device.reader();
    assert!(matches!(reader.etag(&root, "a1"), Err(StoreError::Poisoned)));
    assert!(reader.aggregate(&root, "a1", &query).is_err());
    assert!(matches!(device.maintenance().flush(), Err(StoreError::Poisoned)));
    device.remember(b"key", b"value");
    assert!(matches!(device.commit(), Err(WriteError::Store(StoreError::Poisoned))));
    drop((reader, device));

    let device = reopen(3);
    assert_eq!(held(&device), ["a1", "b1", "b2"]);
    for aggregate in ["a1", "b1", "b2"] {
        let state = device.reader().aggregate(&root, aggregate, &query).unwrap().unwrap();
        assert_eq!(state.event_count, 1);
    }
    let report = verify(&*store, &mut |_, _| {}).unwrap();
    assert!(report.is_sound(), "{:?}", report.faults);
}
