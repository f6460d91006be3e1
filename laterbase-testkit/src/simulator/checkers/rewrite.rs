//! A log whose end was written anew holds what it held, with one branch under its new id, and the
//! other branch behind it.

use std::collections::BTreeMap;

use laterbase_core::chain::{ChainHash, RecordHash};
use laterbase_core::fork::{Fork, branch_id};
use laterbase_core::hlc::Hlc;
use laterbase_core::id::{Dot, ReplicaId, RootName};

use crate::simulator::expected::own_branch;
use crate::simulator::ledger::Ledger;
use crate::simulator::node::{Arrival, Memory};
use crate::simulator::outcome::{Verdict, ensure};

/// An event as it stands in a log.
type Line<'l> = (&'l RootName, Dot, Hlc, &'l [u8], i64);

/// Compares a log before and after a fork's branch gave up its ids. `known` is how many events
/// the ledger knew before. Takes down that the new id is the device's own if the old one was.
pub(in crate::simulator) fn check(
    before: &Memory,
    after: &mut Memory,
    ledger: &Ledger,
    known: usize,
    fork: &Fork,
) -> Verdict {
    let Some(into) = own_branch(before, ledger, fork) else { return Ok(()) };
    let parts = parts(before, ledger, fork, into);
    let expected = moved(before, ledger, fork, &parts);
    let lines: Vec<Line<'_>> = after.arrivals.iter().map(|at| line(ledger, at)).collect();
    let differs = expected.iter().enumerate().find(|(at, line)| lines.get(*at) != Some(line));
    ensure(differs.is_none(), "what is written anew is the same", || {
        let at = differs.map_or(0, |(at, _)| at);
        format!("{fork:?}: {:?} where {:?} is to be", lines.get(at), expected[at])
    })?;
    let mut next = fork.seq;
    for arrival in &after.arrivals[expected.len()..] {
        let fact = ledger.fact(arrival.fact);
        let is_next =
            (&fact.root, fact.dot) == (&fork.root, Dot { origin: fork.origin, seq: next });
        next += u64::from(is_next);
        // A branch that parts from ours elsewhere takes an id of its own.
        let is_written =
            ledger.is_branch(fact.dot.origin) && ledger.is_written(fork.origin, fact.content());
        let is_there = (is_next && arrival.fact < known) || is_written;
        ensure(is_there, "the other branch takes its place", || {
            format!("{fact:?} where event {next} of the other branch of {fork:?} is to be")
        })?;
    }
    check_left(after, ledger, fork, into)?;
    if before.own_ids.contains(&fork.origin) {
        after.own_ids.extend(parts.iter().map(|(id, _)| *id));
    }
    Ok(())
}

/// What is in quarantine no more is in the log.
fn check_left(after: &Memory, ledger: &Ledger, fork: &Fork, into: ReplicaId) -> Verdict {
    let rest = after.fork(&fork.root, fork.origin).map_or(0, |rest| rest.theirs);
    let facts = after.arrivals.iter().map(|arrival| ledger.fact(arrival.fact));
    let came_in = facts.filter(|fact| {
        let origin = fact.dot.origin;
        let is_behind = origin == fork.origin && fact.dot.seq >= fork.seq;
        fact.root == fork.root && (is_behind || (ledger.is_branch(origin) && origin != into))
    });
    let count = came_in.count() as u64;
    ensure(count + rest >= fork.theirs, "the other branch takes its place", || {
        format!("{count} events of other branches are in the log, and {rest} are not: {fork:?}")
    })
}

/// The ids that the branch which gives way has from then on, and the first seq of each part of it.
/// There are several where other events have come in under the branch's id: what differs from them
/// goes on to an id that derives from there.
fn parts(before: &Memory, ledger: &Ledger, fork: &Fork, into: ReplicaId) -> Vec<(ReplicaId, u64)> {
    let Fork { root, origin, .. } = fork;
    let mut parts = vec![(into, fork.seq)];
    let mut chain = ChainHash::genesis(root, into);
    let history = before.histories.get(&(root.clone(), *origin));
    let tail = (1..).zip(history.into_iter().flatten()).filter(|(seq, _)| *seq >= fork.seq);
    for (seq, number) in tail {
        let fact = ledger.fact(*number);
        let (_, recorded, record) = fact.content();
        let link = |chain: ChainHash| chain.next(recorded, RecordHash::of(record));
        chain = link(chain);
        while let Some((id, first)) = parts.last().copied()
            && before.chain(ledger, root, id, seq - first + 1).is_some_and(|held| held != chain)
        {
            let next = branch_id(root, id, chain);
            parts.push((next, seq));
            chain = link(ChainHash::genesis(root, next));
        }
    }
    parts
}

/// What the log held, as it is to be now.
fn moved<'l>(
    before: &'l Memory,
    ledger: &'l Ledger,
    fork: &'l Fork,
    parts: &[(ReplicaId, u64)],
) -> Vec<Line<'l>> {
    let mut heads: BTreeMap<(&RootName, ReplicaId), u64> = BTreeMap::new();
    let mut lines = Vec::new();
    for arrival in &before.arrivals {
        let mut line = line(ledger, arrival);
        let (root, dot) = (line.0, line.1);
        if (root, dot.origin) == (&fork.root, fork.origin) && dot.seq >= fork.seq {
            let part = parts.iter().rev().find(|(_, first)| *first <= dot.seq);
            let (origin, first) = part.copied().unwrap_or((dot.origin, 1));
            line.1 = Dot { origin, seq: dot.seq - first + 1 };
        }
        let head = heads.entry((root, line.1.origin)).or_default();
        // It had come in under its new id before.
        if line.1.seq > *head {
            *head = line.1.seq;
            lines.push(line);
        }
    }
    lines
}

fn line<'l>(ledger: &'l Ledger, arrival: &Arrival) -> Line<'l> {
    let fact = ledger.fact(arrival.fact);
    let (root, recorded, record) = fact.content();
    (root, fact.dot, recorded, record, arrival.arrived)
}
