//! Aggregates at random times, on all three axes, against a fold from scratch.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use laterbase_core::event::{Event, Record};
use laterbase_core::id::{Dot, RootName};
use laterbase_core::reader::{AggregateState, Query, Reader};

use crate::simulator::dice::Dice;
use crate::simulator::ledger::{Fact, Ledger};
use crate::simulator::node::Node;
use crate::simulator::order_fold::OrderFold;
use crate::simulator::outcome::{Verdict, ensure, no_reason};
use crate::{read_folds, taken_back};

/// Reads an aggregate of a device, and compares.
pub(in crate::simulator) fn check(
    node: &Node,
    ledger: &Ledger,
    root: &RootName,
    aggregate_id: &str,
    dice: &mut Dice,
) -> Verdict {
    let Some(reader) = node.reader() else { return Ok(()) };
    let query = random_query(node, ledger, root, dice);
    let expected = Expected::of(node, ledger, root, aggregate_id, &query);
    let read = reader.aggregate(root, aggregate_id, &query);
    let read = read.map_err(|error| no_reason("fold", "reading an aggregate", &error))?;
    let same = read.as_ref().map_or(expected.dots.is_empty(), |read| expected.is(read, node.fold));
    ensure(same, "a read equals the fold from scratch", || {
        format!("{aggregate_id} of {root} with {query:?} is {read:?}, expected {expected:?}")
    })?;
    check_data(&reader, (root, aggregate_id), &query, &expected)?;
    let listed = list_events(&reader, root, aggregate_id, &query, dice)?;
    ensure(listed == expected.dots, "events are listed in fold order", || {
        format!("{aggregate_id} of {root} with {query:?}: {listed:?} where {:?}", expected.dots)
    })
}

/// The same by a fold that reads the data.
fn check_data(
    reader: &Reader,
    (root, id): (&RootName, &str),
    query: &Query,
    expected: &Expected<'_>,
) -> Verdict {
    let name = read_folds::NAMES[expected.dots.len() % read_folds::NAMES.len()];
    let query = Query { fold: Some(name.to_owned()), ..query.clone() };
    let read = reader.aggregate(root, id, &query);
    let read = read.map_err(|error| no_reason("fold", "reading an aggregate", &error))?;
    let Some(read) = read else { return Ok(()) };
    let (state, left_out) = read_folds::from_scratch(name, expected.once.iter().map(event));
    let same = read.state == state.as_bytes() && read.refused_count == left_out;
    ensure(same, "a state equals that of a fold from scratch", || {
        format!("{id} of {root} with {query:?} is {read:?}, expected {state}")
    })
}

/// What an independent fold comes to.
#[derive(Debug)]
struct Expected<'l> {
    /// Everything that the query looks at, in fold order.
    dots: Vec<Dot>,
    /// The first of each idempotency key, but for those that are taken back.
    once: Vec<&'l Fact>,
    folded: Vec<Dot>,
    refused: u64,
}

fn event<'l>(fact: &&'l Fact) -> Event<'l> {
    Event {
        dot: fact.dot,
        recorded: fact.recorded,
        arrived: 0,
        position: 0,
        record: Record::decode(&fact.record).expect("it was a record"),
        voided_by: &[],
    }
}

impl<'l> Expected<'l> {
    fn of(node: &'l Node, ledger: &'l Ledger, root: &'l RootName, id: &str, query: &Query) -> Self {
        // What had arrived up to the last event that had arrived by then, whatever the clock said.
        let arrivals = &node.memory.arrivals;
        let had_arrived = |arrived: i64| query.known_at.is_none_or(|time| arrived <= time);
        let known = arrivals.iter().rposition(|arrival| had_arrived(arrival.arrived));
        let known = known.map_or(0, |last| last + 1);
        let until = (query.occurred_until.unwrap_or(i64::MAX), query.recorded_until);
        let known: Vec<&Fact> = node
            .memory
            .facts_among(ledger, root, known)
            .filter(|fact| {
                fact.aggregate_id == id
                    && until.1.is_none_or(|until| fact.recorded.to_unix_nanos() <= until)
            })
            .collect();
        let voided = voided(ledger, root, &known);
        let mut facts: Vec<&Fact> =
            known.into_iter().filter(|fact| fact.occurred <= until.0).collect();
        facts.sort_by_key(|fact| (fact.occurred, fact.recorded, fact.dot.origin));
        let mut expected = Self {
            dots: facts.iter().map(|fact| fact.dot).collect(),
            once: Vec::new(),
            folded: Vec::new(),
            refused: 0,
        };
        let mut keys = BTreeSet::new();
        for fact in facts {
            let is_later = fact.key.as_ref().is_some_and(|key| !keys.insert(key));
            if is_later || voided.contains_key(&fact.dot) {
                continue;
            }
            expected.once.push(fact);
            if node.fold.refuses(&fact.event_type) {
                expected.refused += 1;
            } else {
                expected.folded.push(fact.dot);
            }
        }
        expected
    }

    fn is(&self, read: &AggregateState, fold: OrderFold) -> bool {
        let state = fold.state(self.folded.iter().copied());
        read.state == state.as_bytes()
            && read.event_count == self.dots.len() as u64
            && read.refused_count == self.refused
    }
}

/// Which of the events that a read of an aggregate knows are taken back. What a void named was an
/// event under that id, when its writer knew it; the same event may have another id since.
fn voided(ledger: &Ledger, root: &RootName, known: &[&Fact]) -> BTreeMap<Dot, BTreeSet<Dot>> {
    let facts: Vec<_> =
        known.iter().map(|fact| taken_back::Fact::new(fact.dot, &fact.record)).collect();
    taken_back::taken_back(&facts, |void| {
        let mut named = ledger.under(root, void.dot);
        let is_meant = |fact: &&Fact| taken_back::is_meant(void, &fact.record);
        let named = named.find(|fact| void.seen.is_some() && is_meant(fact))?;
        let is_it =
            |fact: &&&Fact| ledger.is_branch(fact.dot.origin) && fact.content() == named.content();
        known.iter().find(is_it).map(|fact| fact.dot)
    })
}

fn list_events(
    reader: &Reader,
    root: &RootName,
    aggregate_id: &str,
    query: &Query,
    dice: &mut Dice,
) -> Verdict<Vec<Dot>> {
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let limit = dice.count(1, 30);
        let page = reader.aggregate_events(root, aggregate_id, after, limit, query, &mut |event| {
            listed.push(event.dot);
            ControlFlow::Continue(())
        });
        let page = page.map_err(|error| no_reason("fold", "listing events", &error))?;
        after = page.next;
        if after.is_none() {
            return Ok(listed);
        }
    }
}

/// Most reads look at everything; the others at what was so at the time of some event.
fn random_query(node: &Node, ledger: &Ledger, root: &RootName, dice: &mut Dice) -> Query {
    let mut query = Query::default();
    let count = node.memory.facts(ledger, root).count();
    if count == 0 || dice.chance(500) {
        return query;
    }
    let moment = |dice: &mut Dice| node.memory.facts(ledger, root).nth(dice.index(count));
    if dice.chance(400) {
        query.occurred_until = moment(dice).map(|(fact, _)| fact.occurred);
    }
    if dice.chance(400) {
        query.recorded_until = moment(dice).map(|(fact, _)| fact.recorded.to_unix_nanos());
    }
    if dice.chance(400) {
        query.known_at = moment(dice).map(|(_, arrived)| arrived);
    }
    query
}
