//! Comparisons of a replica with its model.

use std::ops::ControlFlow;

use laterbase_core::id::Dot;
use laterbase_core::reader::{History, Order, Query, Reader, Window};
use laterbase_core::replica::{Appended, Replica};
use laterbase_core::version_vector::VersionVector;

use super::held::{Draft, Fact, Held};
use super::play::{FOLD, Plan, Side, root};
use super::script::Script;
use crate::read_folds;

/// Takes in what a batch has written, and checks that it is what the model says.
#[track_caller]
pub(super) fn written(
    side: &mut Side,
    drafts: &[Draft],
    plans: &[Plan],
    appended: &Appended,
    now: i64,
) {
    let me = side.replica.id();
    let mut seq = side.held.last_seq(me);
    let mut stored = Vec::new();
    assert_eq!(appended.dots.len(), plans.len());
    for ((dot, plan), draft) in appended.dots.iter().zip(plans).zip(drafts) {
        match plan {
            Plan::Store => {
                seq += 1;
                assert_eq!(*dot, Dot { origin: me, seq }, "own events are counted");
                stored.push((*dot, draft.clone()));
            }
            Plan::Replay(same) => assert!(same.contains(dot), "{dot} is not one of {same:?}"),
            Plan::Repeat(index) => assert_eq!(*dot, appended.dots[*index]),
        }
    }
    assert_eq!(appended.replayed, stored.is_empty());
    let before = last_stamp(&side.held, me);
    arrived(side, &stored, now);
    for (dot, draft) in &stored {
        // What a writer does not say is the wall clock at the write, wherever the stamps are.
        assert_eq!(side.held.facts[dot].occurred, draft.occurred.unwrap_or(now));
    }
    let stamps = stored.iter().map(|(dot, _)| side.held.facts[dot].recorded);
    let stamps: Vec<_> = before.into_iter().chain(stamps).collect();
    assert!(stamps.is_sorted_by(|a, b| a < b), "stamps do not rise: {stamps:?}");
}

fn last_stamp(
    held: &Held,
    origin: laterbase_core::id::ReplicaId,
) -> Option<laterbase_core::hlc::Hlc> {
    let own = held.facts.iter().filter(|(dot, _)| dot.origin == origin);
    own.map(|(_, fact)| fact.recorded).max()
}

/// Takes in what has arrived, and checks that it is what was sent.
#[track_caller]
pub(super) fn arrived(side: &mut Side, sent: &[(Dot, Draft)], now: i64) {
    let head = side.held.head();
    let mut found = Vec::new();
    let read = side.replica.reader().arrivals(head, usize::MAX, &mut |name, event| {
        assert_eq!((name, event.position), (&root(), head + found.len() as u64 + 1));
        let (recorded, position, arrived) = (event.recorded, event.position, event.arrived);
        assert_eq!(arrived, now);
        let (draft, occurred) = (Draft::of(event), event.occurred());
        found.push((event.dot, Fact { draft, occurred, recorded, position, arrived }));
        ControlFlow::Continue(())
    });
    read.expect("the log can be read");
    let mut expected: Vec<&(Dot, Draft)> = sent.iter().collect();
    expected.sort_by_key(|(dot, _)| *dot);
    let mut drafts: Vec<(Dot, &Draft)> =
        found.iter().map(|(dot, fact)| (*dot, &fact.draft)).collect();
    drafts.sort_by_key(|(dot, _)| *dot);
    assert_eq!(drafts, expected.iter().map(|(dot, draft)| (*dot, draft)).collect::<Vec<_>>());
    side.held.facts.extend(found);
}

/// What is cheap to compare is compared after every operation.
#[track_caller]
pub(super) fn whole(replica: &Replica, held: &Held) {
    let reader = replica.reader();
    assert_eq!(reader.head(), held.head());
    assert_eq!(reader.version_vector(&root()), held.vv());
    let status = reader.status().expect("the store works");
    let counts: Vec<_> = status.roots.iter().map(|root| (root.events, root.aggregates)).collect();
    let expected = (held.head(), held.aggregates().len() as u64);
    assert_eq!(counts, if held.head() == 0 { vec![] } else { vec![expected] });
    let remembered: Vec<_> = held.remembered.clone().into_iter().collect();
    assert_eq!(reader.recall_all(b"").expect("the store works"), remembered);
    assert!(reader.forks().is_empty() && reader.damaged().is_empty());
}

/// All aggregates, over all their events.
#[track_caller]
pub(super) fn aggregates(replica: &Replica, held: &Held) {
    let page = replica.reader().aggregates(&root(), None, usize::MAX, &Query::default());
    let listed: Vec<String> =
        page.expect("the store works").aggregates.into_iter().map(|(id, _)| id).collect();
    assert_eq!(listed, held.aggregates().into_iter().collect::<Vec<_>>());
    for id in listed {
        aggregate(replica, held, &id, &Query::default());
    }
}

/// An aggregate and its events, as of a query.
#[track_caller]
pub(super) fn aggregate(replica: &Replica, held: &Held, id: &str, query: &Query) {
    let reader = replica.reader();
    let seen = held.seen(id, query);
    match reader.aggregate(&root(), id, query).expect("the store works") {
        None => assert!(seen.is_empty(), "{id} is not found by {query:?}"),
        Some(found) => {
            let state = String::from_utf8(found.state).expect("JSON is text");
            let folded = held.folded(id, query);
            let dots = folded.iter().map(|event| event.dot);
            assert_eq!(state, FOLD.state(dots), "{id} by {query:?}");
            for name in read_folds::NAMES {
                let query = Query { fold: Some(name.to_owned()), ..query.clone() };
                let read = reader.aggregate(&root(), id, &query).expect("the store works");
                let read = read.expect("it is there by any fold");
                let (state, left_out) = read_folds::from_scratch(name, folded.iter().copied());
                let found = (String::from_utf8(read.state).expect("text"), read.refused_count);
                assert_eq!(found, (state, left_out), "{id} by {query:?}");
            }
            assert_eq!(found.event_count, seen.len() as u64, "{id} by {query:?}");
        }
    }
    histories(&reader, id, query, &seen);
}

/// What is listed of an aggregate's events, whole and from a time of one of them on, from either
/// end, page by page.
#[track_caller]
fn histories(reader: &Reader, id: &str, query: &Query, seen: &[(Dot, &Fact)]) {
    let middle = seen.get(seen.len() / 2).map(|(_, fact)| fact);
    let occurred_from = middle.map(|fact| fact.occurred);
    let recorded_from = middle.map(|fact| fact.recorded.to_unix_nanos());
    for (occurred_from, recorded_from) in
        [(None, None), (occurred_from, None), (None, recorded_from), (occurred_from, recorded_from)]
    {
        for order in [Order::Ascending, Order::Descending] {
            let window = Window { occurred_from, recorded_from, order };
            let is_within = |(_, fact): &&(Dot, &Fact)| {
                occurred_from.is_none_or(|from| fact.occurred >= from)
                    && recorded_from.is_none_or(|from| fact.recorded.to_unix_nanos() >= from)
            };
            let mut expected: Vec<Dot> =
                seen.iter().filter(is_within).map(|(dot, _)| *dot).collect();
            if order == Order::Descending {
                expected.reverse();
            }
            let found = history(reader, id, query, window);
            assert_eq!(found, expected, "{id} by {query:?} in {window:?}");
        }
    }
}

fn history(reader: &Reader, id: &str, query: &Query, window: Window) -> Vec<Dot> {
    let mut dots = Vec::new();
    let mut history = History { query: query.clone(), window, after: None, limit: 3 };
    loop {
        let page = reader.history(&root(), id, &history, &mut |event| {
            dots.push(event.dot);
            ControlFlow::Continue(())
        });
        history.after = page.expect("the store works").next;
        if history.after.is_none() {
            return dots;
        }
    }
}

/// Axes near to what some event has.
pub(super) fn query(script: &mut Script<'_>, held: &Held) -> Query {
    let mut query = Query::default();
    if held.facts.is_empty() || script.chance(100) {
        return query;
    }
    let facts: Vec<&Fact> = held.facts.values().collect();
    let fact = *script.pick(&facts);
    let off = i64::try_from(script.below(3)).expect("small") - 1;
    let recorded = fact.recorded.to_unix_nanos();
    if script.chance(128) {
        query.occurred_until = Some(fact.occurred.saturating_add(off));
    }
    if script.chance(90) {
        query.recorded_until = Some(recorded + off);
    }
    if script.chance(90) {
        query.known_at = Some(fact.arrived + off);
    }
    query
}

/// A page of the feed for somebody who holds `vv`.
#[track_caller]
pub(super) fn feed(replica: &Replica, held: &Held, vv: &VersionVector, limit: usize) {
    let mut found = Vec::new();
    let page = replica.reader().feed(&root(), vv, limit, &mut |event| {
        found.push((event.dot, Draft::of(event)));
        ControlFlow::Continue(())
    });
    let page = page.expect("the store works");
    let lacking = held.lacking(vv);
    let expected: Vec<(Dot, Draft)> =
        lacking.iter().take(limit).map(|(dot, fact)| (*dot, fact.draft.clone())).collect();
    assert_eq!(page.more, lacking.len() > limit);
    let mut reached = vv.clone();
    for (dot, _) in &expected {
        reached.raise(dot.origin, dot.seq);
    }
    assert_eq!((found, page.vv), (expected, reached));
}

/// Two replicas hold the same events, and show the same.
#[track_caller]
pub(super) fn equal(one: &Replica, other: &Replica) {
    let picture = |replica: &Replica| {
        let reader = replica.reader();
        let status = reader.status().expect("the store works");
        let page = reader.aggregates(&root(), None, usize::MAX, &Query::default());
        let shown = page.expect("the store works").aggregates.into_iter().map(|(id, state)| {
            let state = state.expect("the fold works");
            (id, state.state, state.etag)
        });
        (status.roots, shown.collect::<Vec<_>>())
    };
    assert_eq!(picture(one), picture(other));
}
