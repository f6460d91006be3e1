#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::PreparedBatch;
use crate::id::{Dot, EventId};
use crate::keys;
use crate::memory_store::MemoryStore;
use crate::reader::feed::tests::{NOW, hear, open, origin};
use crate::replica::Replica;
use crate::store::{Area, Batch, Store, Table};

const ROOTS: [&str; 4] = ["order", "shipment", "shipment@depot-1", "shipment@depot-2"];

fn root(index: usize) -> RootName {
    RootName::new(ROOTS[index]).unwrap()
}

/// What happens while the log is followed.
#[derive(Clone, Debug)]
enum Step {
    /// Events of an origin arrive; the higher its number, the earlier it recorded them.
    Hear(usize, u8, u64),
    /// Events are written here, which happened long ago.
    Write(usize, usize),
    /// A page of so many events is read, up to so many of them.
    Read(usize, usize),
    /// A page is read, and its answer is lost.
    Lose(usize),
    /// The replica is opened anew.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..4, 0_u8..5, 1_u64..6).prop_map(|(at, id, count)| Step::Hear(at, id, count)),
        4 => (0_usize..4, 1_usize..6).prop_map(|(at, count)| Step::Write(at, count)),
        6 => (1_usize..9, 1_usize..9).prop_map(|(limit, cut)| Step::Read(limit, cut)),
        2 => (1_usize..9).prop_map(Step::Lose),
        1 => Just(Step::Reopen),
    ]
}

fn write(replica: &mut Replica, root: RootName, count: usize) {
    let mut batch = PreparedBatch::new(root, std::sync::Arc::clone(replica.reader().folds()), NOW);
    for number in 0..count {
        let event_type = if number % 2 == 0 { "even" } else { "odd" };
        let record = Record::json("b", event_type, "1");
        batch.push(&Record { occurred: Some(-(number as i64)), ..record }).unwrap();
    }
    replica.append(&batch, NOW).unwrap();
}

/// A reader of the log that keeps nothing but its cursor.
#[derive(Default)]
struct Follower {
    after: Option<String>,
    taken: Vec<(u64, EventId)>,
}

fn takes_all(_: &RootName) -> bool {
    true
}

fn takes_any(_: &Record<'_>) -> bool {
    true
}

fn following<'f>(root: &'f dyn Fn(&RootName) -> bool, limit: usize) -> Following<'f> {
    Following { root, record: &takes_any, window: Window::default(), limit }
}

fn is_partition(root: &RootName) -> bool {
    root.as_str().contains('@')
}

impl Follower {
    /// Reads a page, and keeps what it was given up to the cut. Says whether there is more.
    fn read(&mut self, reader: &Reader, following: &Following<'_>, cut: Option<usize>) -> bool {
        let after = self.after.as_deref().map(|text| text.parse().unwrap());
        let mut found = Vec::new();
        let page = reader.arrived(after.as_ref(), following, &mut |root, event, cursor| {
            let id = EventId { root: root.clone(), dot: event.dot };
            found.push((event.position, id, cursor));
            ControlFlow::Continue(())
        });
        let page = page.unwrap().unwrap();
        assert_eq!((page.events, page.unreadable), (found.len(), 0));
        assert!(page.events <= following.limit);
        match cut.filter(|cut| *cut < found.len()) {
            Some(0) => {}
            Some(cut) => self.after = Some(found[cut - 1].2.to_string()),
            None => self.after = Some(page.cursor.to_string()),
        }
        found.truncate(cut.unwrap_or(usize::MAX));
        self.taken.extend(found.into_iter().map(|(position, id, _)| (position, id)));
        page.more
    }
}

/// All events of some roots that are held, by what the heads say.
fn held(reader: &Reader, takes: fn(&RootName) -> bool) -> Vec<EventId> {
    let mut held = Vec::new();
    for root in reader.roots().into_iter().filter(takes) {
        for (origin, last) in reader.version_vector(&root).iter() {
            let id = |seq| EventId { root: root.clone(), dot: Dot { origin, seq } };
            held.extend((1..=last).map(id));
        }
    }
    held.sort();
    held
}

fn check_whole(follower: &Follower, expected: &[EventId]) {
    let positions: Vec<u64> = follower.taken.iter().map(|(position, _)| *position).collect();
    assert!(positions.is_sorted_by(|a, b| a < b), "in the order of arrival, nothing twice");
    let mut taken: Vec<EventId> = follower.taken.iter().map(|(_, id)| id.clone()).collect();
    taken.sort();
    assert_eq!(taken, expected, "nothing is lost");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Mutation: a page that is cut at its limit, and whose cursor is behind what it looked at
    /// instead of what it gave, loses an event.
    #[test]
    fn each_event_comes_once_and_in_the_order_of_its_arrival(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let store = MemoryStore::new();
        let mut replica = open(&store);
        let (mut all, mut partitions) = (Follower::default(), Follower::default());
        for step in steps {
            match step {
                Step::Hear(at, id, count) => hear(&mut replica, &root(at), id, count),
                Step::Write(at, count) => write(&mut replica, root(at), count),
                Step::Read(limit, cut) => {
                    all.read(&replica.reader(), &following(&takes_all, limit), Some(cut));
                    partitions.read(&replica.reader(), &following(&is_partition, limit), Some(cut));
                }
                Step::Lose(limit) => {
                    all.read(&replica.reader(), &following(&takes_all, limit), Some(0));
                }
                Step::Reopen => {
                    replica.close().unwrap();
                    replica = open(&store);
                }
            }
        }
        let reader = replica.reader();
        for (follower, root) in
            [(&mut all, takes_all as fn(&RootName) -> bool), (&mut partitions, is_partition)]
        {
            let mut pages = 0;
            while follower.read(&reader, &following(&root, 5), None) {
                pages += 1;
                prop_assert!(pages < 1_000, "the log has an end");
            }
            check_whole(follower, &held(&reader, root));
            let end = follower.after.clone().unwrap();
            prop_assert_eq!(end, reader.cursor().to_string(), "also over what it does not take");
        }
    }
}

/// Position, and when it happened and was recorded, of all events in a window.
fn all_within(reader: &Reader, window: Window, limit: usize) -> Vec<(u64, i64, i64)> {
    let (mut found, mut after) = (Vec::new(), None);
    let following = Following { window, ..following(&takes_all, limit) };
    for _ in 0..1_000 {
        let page = reader.arrived(after.as_ref(), &following, &mut |_, event, _| {
            let occurred = event.record.kept_occurred();
            found.push((event.position, occurred, event.recorded.to_unix_nanos()));
            ControlFlow::Continue(())
        });
        let page = page.unwrap().unwrap();
        if !page.more {
            return found;
        }
        after = Some(page.cursor);
    }
    panic!("the log has an end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Mutation: a walk back that begins at the entry of its cursor gives it twice, and one that
    /// begins before the end of the log never gives the last one.
    #[test]
    fn a_window_gives_what_lies_in_it_from_either_end(
        steps in prop::collection::vec(step(), 0..20),
        limit in 1_usize..9,
        bounds in prop::array::uniform2(prop::option::of(any::<prop::sample::Index>())),
    ) {
        let mut replica = open(&MemoryStore::new());
        for step in steps {
            match step {
                Step::Hear(at, id, count) => hear(&mut replica, &root(at), id, count),
                Step::Write(at, count) => write(&mut replica, root(at), count),
                _ => {}
            }
        }
        let reader = replica.reader();
        let all = all_within(&reader, Window::default(), 99);
        let bound = |index: Option<prop::sample::Index>| {
            index.filter(|_| !all.is_empty()).map(|index| all[index.index(all.len())])
        };
        let occurred_from = bound(bounds[0]).map(|(_, occurred, _)| occurred);
        let recorded_from = bound(bounds[1]).map(|(_, _, recorded)| recorded);
        let mut expected: Vec<_> = all
            .iter()
            .filter(|(_, occurred, _)| occurred_from.is_none_or(|from| *occurred >= from))
            .filter(|(_, _, recorded)| recorded_from.is_none_or(|from| *recorded >= from))
            .copied()
            .collect();
        let window = Window { occurred_from, recorded_from, order: Order::Ascending };
        prop_assert_eq!(&all_within(&reader, window, limit), &expected);
        let window = Window { order: Order::Descending, ..window };
        expected.reverse();
        prop_assert_eq!(all_within(&reader, window, limit), expected);
    }
}

/// Pages look at few entries in tests, so that what is rarely met takes many of them.
#[test]
fn what_is_rarely_met_takes_pages_that_only_advance() {
    let store = MemoryStore::new();
    let mut replica = open(&store);
    hear(&mut replica, &root(0), 1, 110);
    write(&mut replica, root(1), 2);
    let is_odd = |record: &Record<'_>| record.event_type == "odd";
    let following = Following { record: &is_odd, ..following(&takes_all, 10) };
    let mut follower = Follower::default();
    let mut pages = 1;
    while follower.read(&replica.reader(), &following, None) {
        assert!(follower.taken.is_empty());
        pages += 1;
    }
    assert_eq!((pages, follower.taken.len()), (6, 1));
    assert_eq!(follower.taken[0].0, 112);
}

#[test]
fn a_cursor_of_another_log_does_not_fit() {
    let (store, mut replica) = (MemoryStore::new(), open(&MemoryStore::new()));
    let mut shorter = open(&store);
    hear(&mut replica, &root(0), 1, 4);
    hear(&mut shorter, &root(0), 1, 3);
    let following = following(&takes_all, 10);
    let fits = |replica: &Replica, cursor: &Cursor| {
        let mut nothing = |_: &RootName, _: &Event<'_>, _| ControlFlow::Continue(());
        replica.reader().arrived(Some(cursor), &following, &mut nothing).unwrap().is_some()
    };
    let cursor = replica.reader().cursor();
    assert!(fits(&replica, &cursor));
    assert!(!fits(&shorter, &cursor), "it was set back");
    hear(&mut shorter, &root(0), 2, 1);
    assert!(!fits(&shorter, &cursor), "and went on differently");
    assert!(!fits(&replica, &Cursor { epoch: cursor.epoch + 1, ..cursor }), "written anew");
}

/// Mutation: without the count of what was read, nobody is told that something is missing.
#[test]
fn an_entry_that_cannot_be_read_is_passed_over_alone_and_counted() {
    let store = MemoryStore::new();
    let mut replica = open(&store);
    hear(&mut replica, &root(0), 1, 6);
    let mut batch = Batch::new(Area::Truth);
    batch.put(Table::Log, &keys::position(3), b"no entry");
    store.reopen().commit(&batch).unwrap();
    let reader = replica.reader();
    let following = following(&takes_all, 10);
    let mut found = Vec::new();
    let mut take = |_: &RootName, event: &Event<'_>, _| {
        found.push(event.dot.seq);
        ControlFlow::Continue(())
    };
    let page = reader.arrived(None, &following, &mut take).unwrap().unwrap();
    assert_eq!(found, [1, 2, 4, 5, 6]);
    assert_eq!((page.unreadable, page.more, page.cursor), (1, false, reader.cursor()));
    found.clear();
    let window = Window { order: Order::Descending, ..Window::default() };
    let back = Following { window, ..following };
    let mut take = |_: &RootName, event: &Event<'_>, _| {
        found.push(event.dot.seq);
        ControlFlow::Continue(())
    };
    let page = reader.arrived(None, &back, &mut take).unwrap().unwrap();
    assert_eq!((page.unreadable, page.more), (1, false));
    assert_eq!(found, [6, 5, 4, 2, 1]);
    assert_eq!(reader.damaged()[0].seq, 3);

    // A full page before it leaves it to the next one: it was told of twice.
    for (order, first_page) in [(Order::Ascending, 2), (Order::Descending, 3)] {
        let window = Window { order, ..Window::default() };
        let short = Following { window, limit: first_page, ..following };
        let nothing = &mut |_: &RootName, _: &Event<'_>, _| ControlFlow::Continue(());
        let page = reader.arrived(None, &short, nothing).unwrap().unwrap();
        assert_eq!((page.events, page.unreadable, page.more), (first_page, 0, true));
        let page = reader.arrived(Some(&page.cursor), &short, nothing).unwrap().unwrap();
        assert_eq!(page.unreadable, 1, "{order:?}");
    }
}

#[test]
fn one_event_is_found_by_its_id_in_any_run() {
    let store = MemoryStore::new();
    let mut replica = open(&store);
    for (at, id, count) in [(0, 1, 3), (1, 1, 2), (0, 2, 4), (0, 1, 2)] {
        hear(&mut replica, &root(at), id, count);
    }
    let reader = replica.reader();
    let find = |at, id, seq| {
        let id = EventId { root: root(at), dot: Dot { origin: origin(id), seq } };
        reader.event(&id, |event| event.position).unwrap()
    };
    assert_eq!([1, 3, 4, 5].map(|seq| find(0, 1, seq)), [1, 3, 10, 11].map(Some));
    assert_eq!((find(1, 1, 2), find(0, 2, 4)), (Some(5), Some(9)));
    for (at, id, seq) in [(0, 1, 6), (0, 1, 0), (0, 1, u64::MAX), (1, 2, 1), (2, 1, 1), (0, 3, 1)] {
        assert_eq!(find(at, id, seq), None);
    }
}
