#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::chain::RecordHash;
use crate::delta::Delta;
use crate::event::Record;
use crate::fold::{Folds, MergePatch};
use crate::hlc::Hlc;
use crate::id::Dot;
use crate::memory_store::MemoryStore;
use crate::replica::{Replica, ReplicaOptions};

pub(in crate::reader) const NOW: i64 = 1_700_000_000_000_000_000;

pub(in crate::reader) fn open(store: &MemoryStore) -> Replica {
    let folds = Arc::new(Folds::new().fallback(Arc::new(MergePatch)));
    let random = Box::new(|| [0xee; 16]);
    Replica::open(Arc::new(store.reopen()), folds, ReplicaOptions::default(), random).unwrap()
}

pub(in crate::reader) fn root() -> RootName {
    RootName::new("shipment").unwrap()
}

pub(in crate::reader) fn origin(id: u8) -> ReplicaId {
    ReplicaId::from_bytes([id; 16])
}

/// Merges the next events of an origin, in a commit of their own. Origins with a higher number
/// recorded theirs earlier, so that what comes late is early in feed order.
pub(in crate::reader) fn hear(replica: &mut Replica, name: &RootName, id: u8, count: u64) {
    let held = replica.reader().version_vector(name).get(&origin(id));
    let mut builder = DeltaBuilder::new();
    let mut chain = ChainHash::genesis(name, origin(id));
    let mut run = None;
    for seq in 1..=held + count {
        if seq == held + 1 {
            run = Some(builder.start_run(name, origin(id), seq, chain));
        }
        let mut record = Vec::new();
        Record::json("a", "t", &seq.to_string()).filled_in(0).encode(&mut record);
        let recorded = Hlc::from_bits(seq * 100 + u64::from(u8::MAX - id));
        chain = chain.next(recorded, RecordHash::of(&record));
        let (origin, record) = (origin(id), &record[..]);
        if let Some(run) = run {
            builder.push(run, Outgoing { origin, seq, recorded, record, chain });
        }
    }
    replica.merge(&Delta::decode(&builder.finish()).unwrap(), NOW).unwrap();
}

fn held(reader: &Reader) -> BTreeSet<Dot> {
    let vv = reader.version_vector(&root());
    vv.iter().flat_map(|(origin, last)| (1..=last).map(move |seq| Dot { origin, seq })).collect()
}

/// What happens while a feed is read.
#[derive(Clone, Debug)]
enum Step {
    /// Events of an origin arrive.
    Hear(u8, u64),
    /// Events of another root arrive.
    HearElsewhere(u8, u64),
    /// A page of so many events is read.
    Read(usize),
    /// A page is read, and its answer is lost.
    Lose(usize),
    /// The replica is opened anew.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0_u8..7, 1_u64..6).prop_map(|(id, count)| Step::Hear(id, count)),
        1 => (0_u8..7, 1_u64..6).prop_map(|(id, count)| Step::HearElsewhere(id, count)),
        6 => (1_usize..7).prop_map(Step::Read),
        2 => (1_usize..7).prop_map(Step::Lose),
        1 => Just(Step::Reopen),
    ]
}

/// A reader of a feed that keeps nothing but its cursor.
struct Follower {
    vv: VersionVector,
    after: Option<String>,
    taken: Vec<Dot>,
}

impl Follower {
    /// Reads a page; keeps it unless it is lost. Says whether there is more.
    fn read(&mut self, reader: &Reader, limit: usize, is_lost: bool) -> bool {
        let after = self.after.as_deref().map(|text| FeedCursor::parse(&root(), text).unwrap());
        let from = after.as_ref().map_or(FeedFrom::Holding(&self.vv), FeedFrom::After);
        let mut dots = Vec::new();
        let page = reader.follow(&root(), from, limit, &mut |event, _| {
            dots.push(event.dot);
            ControlFlow::Continue(())
        });
        let page = page.unwrap().unwrap();
        if !is_lost {
            self.taken.extend(dots);
            self.after = Some(page.after.unwrap().to_string());
        }
        page.more
    }
}

proptest! {
    /// The bounds above which a pass is found in another way are small in tests, so both ways are
    /// taken here, and so are passes that were kept and passes that were not.
    #[test]
    fn each_event_comes_once_whatever_arrives_meanwhile(
        before in prop::collection::vec((0_u8..7, 1_u64..8), 0..20),
        steps in prop::collection::vec(step(), 0..60),
        claims in prop::collection::vec((0_u8..9, 1_u64..9), 0..5),
    ) {
        let store = MemoryStore::new();
        let mut replica = open(&store);
        for (id, count) in before {
            hear(&mut replica, &root(), id, count);
        }
        let vv = claims.into_iter().map(|(id, seq)| (origin(id), seq)).collect();
        let mut follower = Follower { vv, after: None, taken: Vec::new() };
        for step in steps {
            match step {
                Step::Hear(id, count) => hear(&mut replica, &root(), id, count),
                Step::HearElsewhere(id, count) => {
                    hear(&mut replica, &RootName::new("elsewhere").unwrap(), id, count);
                }
                Step::Read(limit) => drop(follower.read(&replica.reader(), limit, false)),
                Step::Lose(limit) => drop(follower.read(&replica.reader(), limit, true)),
                Step::Reopen => {
                    replica.close().unwrap();
                    replica = open(&store);
                }
            }
        }
        let mut pages = 0;
        while follower.read(&replica.reader(), 5, false) {
            pages += 1;
            prop_assert!(pages < 1_000, "a feed has an end");
        }
        let mut expected = held(&replica.reader());
        expected.retain(|dot| dot.seq > follower.vv.get(&dot.origin));
        let taken: BTreeSet<Dot> = follower.taken.iter().copied().collect();
        prop_assert_eq!(taken.len(), follower.taken.len(), "nothing comes twice");
        prop_assert_eq!(taken, expected);
    }
}

#[test]
fn a_cursor_of_another_root_is_not_taken_for_one_of_this() {
    let store = MemoryStore::new();
    let mut replica = open(&store);
    hear(&mut replica, &root(), 1, 3);
    let mut follower = Follower { vv: VersionVector::new(), after: None, taken: Vec::new() };
    follower.read(&replica.reader(), 1, false);
    let text = follower.after.unwrap();
    assert!(FeedCursor::parse(&root(), &text).is_ok());
    assert!(FeedCursor::parse(&RootName::new("order").unwrap(), &text).is_err());
    assert!(FeedCursor::parse(&root(), &text[1..]).is_err());
    assert!(FeedCursor::parse(&root(), "").is_err());
}

#[test]
fn a_cursor_of_another_log_does_not_fit() {
    let (store, other) = (MemoryStore::new(), MemoryStore::new());
    let mut replica = open(&store);
    hear(&mut replica, &root(), 1, 9);
    let mut follower = Follower { vv: VersionVector::new(), after: None, taken: Vec::new() };
    follower.read(&replica.reader(), 4, false);
    let cursor = FeedCursor::parse(&root(), &follower.after.unwrap()).unwrap();
    let fits = |replica: &Replica, cursor: &FeedCursor| {
        let mut nothing = |_: &Event<'_>, _: &Behind<'_>| ControlFlow::Continue(());
        let page = replica.reader().follow(&root(), FeedFrom::After(cursor), 9, &mut nothing);
        page.unwrap().is_some()
    };
    assert!(fits(&replica, &cursor));
    let mut another = open(&other);
    hear(&mut another, &root(), 1, 9);
    let is_same_epoch = another.reader().epoch() == replica.reader().epoch();
    assert!(is_same_epoch, "the random numbers of this test are the same each time");
    assert!(fits(&another, &cursor), "the same events in the same log");
    let mut shorter = open(&MemoryStore::new());
    hear(&mut shorter, &root(), 1, 4);
    assert!(!fits(&shorter, &cursor), "a log that was set back");
    hear(&mut shorter, &root(), 2, 5);
    assert!(!fits(&shorter, &cursor), "and went on differently");
    let epoch = FeedCursor { epoch: cursor.epoch + 1, ..cursor };
    assert!(!fits(&replica, &epoch));
}

/// A reader that is ahead in more origins than a cursor has room for is told to go on by its
/// vector, until the feed has come so far that a cursor speaks of them.
#[test]
fn a_vector_that_no_cursor_can_say_gets_none_until_it_can() {
    let store = MemoryStore::new();
    let mut replica = open(&store);
    for id in 0..120 {
        hear(&mut replica, &root(), id, 2);
    }
    let vv: VersionVector = (1..120).map(|id| (origin(id), 1)).chain([(origin(0), 0)]).collect();
    let mut follower = Follower { vv: vv.clone(), after: None, taken: Vec::new() };
    let mut nothing = |_: &Event<'_>, _: &Behind<'_>| ControlFlow::Continue(());
    let from = FeedFrom::Holding(&vv);
    let page = replica.reader().follow(&root(), from, 1, &mut nothing).unwrap().unwrap();
    assert!(page.more && page.after.is_some(), "eighteen origins are ahead, which fit");
    let ahead: VersionVector = (0..119).map(|id| (origin(id), 2)).collect();
    let from = FeedFrom::Holding(&ahead);
    let page = replica.reader().follow(&root(), from, 1, &mut nothing).unwrap().unwrap();
    assert_eq!((page.after, page.more), (None, true));
    let from = FeedFrom::Holding(page.vv.as_ref().unwrap());
    let page = replica.reader().follow(&root(), from, 1, &mut nothing).unwrap().unwrap();
    assert!(page.after.is_some() && !page.more);
    while follower.read(&replica.reader(), 7, false) {}
    assert_eq!(follower.taken.len(), 121);
}
