//! Fold order is total, and the same on every replica and backend.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use laterbase_core::event::{Event, Record};
use laterbase_core::hlc::Hlc;
use laterbase_core::id::{Dot, RootName};
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::{Query, Reader};
use laterbase_core::version_vector::VersionVector;

use super::Fresh;
use super::cast::{Cast, Picture, merge_all, open, queries};
use crate::read_folds;
use crate::simulator::order_fold::OrderFold;

/// Replicas that hold the same events fold them in the same order, whether they wrote or heard
/// them, in which order they heard them, what of it has been flushed, and which engine keeps it:
/// by occurred, then recorded, then origin.
///
/// # Panics
/// If one of them folds in another order.
pub fn fold_order_is_the_same_everywhere(fresh: &Fresh<'_>, seed: u64) {
    let mut cast = Cast::mixed(fresh, seed, 3, 30);
    let now = cast.now;
    let mut reference = open(Arc::new(MemoryStore::new()), &mut cast.dice);
    for replica in &cast.replicas {
        merge_all(&mut reference, replica, &mut cast.dice, now);
    }
    for index in 0..cast.replicas.len() {
        if cast.dice.chance(500) {
            cast.replicas[index].maintenance().flush().expect("the store works");
        }
        merge_all(&mut cast.replicas[index], &reference, &mut cast.dice, now);
        assert_eq!(Picture::of(&cast.replicas[index]), Picture::of(&reference));
    }
    for root in &cast.roots {
        check_order(&reference.reader(), root);
    }
}

/// Whatever a replica has read before, and whatever it kept of it, each state is that of a fold
/// from the start over the aggregate's events: numbers, texts, and what is left out.
///
/// # Panics
/// If one is not.
pub fn snapshots_change_no_state(fresh: &Fresh<'_>, seed: u64) {
    let mut cast = Cast::mixed(fresh, seed, 2, 60);
    let now = cast.now;
    let [a, b] = &mut cast.replicas[..] else { unreachable!("two replicas") };
    merge_all(a, b, &mut cast.dice, now);
    merge_all(b, a, &mut cast.dice, now);
    assert_eq!(Picture::of(a), Picture::of(b));
    for replica in &cast.replicas {
        for root in &cast.roots {
            check_states(&replica.reader(), root);
        }
    }
}

fn check_states(reader: &Reader, root: &RootName) {
    for query in queries() {
        let Some(fold) = &query.fold else { continue };
        let page = reader.aggregates(root, None, usize::MAX, &query).expect("the store works");
        for (id, read) in page.aggregates {
            let read = read.expect("the fold does not fail");
            let (state, left_out) = scratch(reader, root, &id, fold);
            assert_eq!(String::from_utf8_lossy(&read.state), state, "{id} of {root} by {fold}");
            assert_eq!(read.refused_count, left_out, "{id} of {root} by {fold}");
        }
    }
}

fn scratch(reader: &Reader, root: &RootName, id: &str, fold: &str) -> (String, u64) {
    let mut kept: Vec<(Event<'static>, Vec<u8>)> = Vec::new();
    let mut keys = BTreeSet::new();
    let visit = &mut |event: &Event<'_>| {
        // Of twins under one key, the first counts.
        if event.record.idempotency_key.is_none_or(|key| keys.insert(key.to_owned())) {
            let mut bytes = Vec::new();
            event.record.encode(&mut bytes);
            kept.push((
                Event { record: Record::json("", "", ""), voided_by: &[], ..*event },
                bytes,
            ));
        }
        ControlFlow::Continue(())
    };
    let query = Query::default();
    reader.aggregate_events(root, id, None, usize::MAX, &query, visit).expect("the store works");
    read_folds::from_scratch(
        fold,
        kept.iter().map(|(event, bytes)| Event {
            record: Record::decode(bytes).expect("it was a record"),
            ..*event
        }),
    )
}

/// What decides an event's place among those of its aggregate.
struct Placed {
    aggregate_id: String,
    occurred: i64,
    recorded: Hlc,
    dot: Dot,
}

impl Placed {
    fn of(event: &Event<'_>) -> Self {
        Self {
            aggregate_id: event.record.aggregate_id.to_owned(),
            occurred: event.occurred(),
            recorded: event.recorded,
            dot: event.dot,
        }
    }
}

/// Folds each aggregate anew from the feed, in an order that is found by comparing numbers.
fn check_order(reader: &Reader, root: &RootName) {
    let mut events = Vec::new();
    reader
        .feed(root, &VersionVector::new(), usize::MAX, &mut |event| {
            events.push(Placed::of(event));
            ControlFlow::Continue(())
        })
        .expect("the store works");
    events.sort_by_key(|event| (event.occurred, event.recorded, event.dot.origin));
    let listed = reader.aggregates(root, None, usize::MAX, &Query::default());
    let listed = listed.expect("the store works").aggregates;
    let counted: usize = listed
        .into_iter()
        .map(|(id, state)| {
            let state = state.expect("the fold does not fail");
            let own = || events.iter().filter(|event| event.aggregate_id == id);
            let expected = OrderFold { version: 1 }.state(own().map(|event| event.dot));
            assert_eq!(String::from_utf8_lossy(&state.state), expected, "{id} in {root}");
            own().count()
        })
        .sum();
    assert_eq!(counted, events.len(), "every event is of an aggregate that is listed");
}
