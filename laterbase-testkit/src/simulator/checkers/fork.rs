//! Two histories under one id are found when they meet, listed until somebody decides, and never
//! mixed; nothing of either is lost.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use laterbase_core::delta::{Delta, Run};
use laterbase_core::fork::{Doubt, Fork, HeldBack};
use laterbase_core::id::Dot;
use laterbase_core::replica::Resolved;
use laterbase_core::store::{Scan, Store as _, Table};

use crate::simulator::expected::Expected;
use crate::simulator::ledger::{Content, Ledger};
use crate::simulator::node::{Memory, Node};
use crate::simulator::outcome::{Verdict, ensure, no_reason};

/// The forks that a device lists are those that it met, and each is where it is said to be.
pub(in crate::simulator) fn check(node: &Node, ledger: &Ledger) -> Verdict {
    let Some(reader) = node.reader() else { return Ok(()) };
    let (listed, memory) = (reader.forks(), &node.memory);
    ensure(listed == memory.forks, "forks are listed", || {
        format!("{listed:?} where {:?} are known", memory.forks)
    })?;
    let (kept, said) = (kept_count(node)?, listed.iter().map(|fork| fork.theirs).sum::<u64>());
    // What a failed commit has left on the disk counts from the next start on.
    ensure(kept == said || node.disk.is_poisoned(), "quarantine", || {
        format!("{kept} events are kept where {listed:?}")
    })?;
    for fork in &listed {
        let ours = (memory.seq(&fork.root, fork.origin) + 1).saturating_sub(fork.seq);
        ensure(ours == fork.ours && ours > 0, "forks are listed", || {
            format!("{fork:?}, with {ours} events of the branch that is held")
        })?;
        ensure(is_there(memory, ledger, fork), "a fork is where it is said to be", || {
            format!("nobody ever saw another event at {fork:?}")
        })?;
    }
    Ok(())
}

/// How many events are in quarantine on the disk.
fn kept_count(node: &Node) -> Verdict<u64> {
    let mut count = 0;
    let snapshot = node.disk.snapshot();
    let scanned = snapshot.and_then(|snapshot| {
        snapshot.scan(Scan::all(Table::Quarantine), &mut |_, _| {
            count += 1;
            ControlFlow::Continue(())
        })
    });
    scanned.map_err(|error| no_reason("quarantine", "counting", &error))?;
    Ok(count)
}

/// Whether somebody holds, or held, another event in place of the first one in doubt: if the fork
/// is located, one that follows on the same history.
fn is_there(memory: &Memory, ledger: &Ledger, fork: &Fork) -> bool {
    let Fork { root, origin, seq, .. } = fork;
    let chain = |seq| memory.chain(ledger, root, *origin, seq);
    let mut others = ledger.under(root, Dot { origin: *origin, seq: *seq });
    others.any(|other| {
        Some(other.chain) != chain(*seq)
            && (!fork.is_located || Some(other.before) == chain(seq - 1))
    })
}

/// After a start: no mark is gone that nobody took away.
pub(in crate::simulator) fn check_start(before: &Memory, after: &Memory) -> Verdict {
    ensure(before.forks == after.forks, "forks are listed", || {
        format!("{:?} where {:?} were known before the start", after.forks, before.forks)
    })
}

/// After a page was taken, or refused: what was held back for a fork is listed as one, with what
/// the page shows of the other branch in quarantine; all other marks are as they were.
pub(in crate::simulator) fn check_page(
    (before, after): (&[Fork], &[Fork]),
    delta: &Delta<'_>,
    expected: &Expected,
    ledger: &Ledger,
) -> Verdict {
    // A branch that comes in under its new id takes its mark away.
    let may_release = delta.runs.iter().any(|run| ledger.is_branch(run.origin));
    for fork in before {
        let stays = find(after, fork).is_some_and(|now| {
            let same = now.theirs >= fork.theirs && (now.seq, now.is_located) == at(fork);
            same || (now.is_located && !fork.is_located)
        });
        ensure(stays || may_release, "forks are listed", || {
            format!("{fork:?} is not among {after:?} after a page")
        })?;
    }
    for fork in after.iter().filter(|fork| find(before, fork).is_none()) {
        let is_met = expected.held_back.iter().any(|held| is_of(held, fork));
        ensure(is_met, "no false fork", || format!("{fork:?} where {expected:?}"))?;
        ensure(ledger.is_doubted(fork.origin), "no false fork", || format!("{fork:?}"))?;
    }
    for held in &expected.held_back {
        let Doubt::Fork { seq, is_located } = held.reason else { continue };
        let fork = after.iter().find(|fork| is_of(held, fork));
        ensure(fork.is_some() || may_release, "a fork is found", || format!("{held:?}"))?;
        let (Some(fork), Some(run)) = (fork, run_of(delta, held)) else { continue };
        let is_news = before.iter().all(|known| !is_of(held, known) || !known.is_located);
        if is_located && is_news {
            let shown = run.last_seq() - seq + 1;
            let is_kept = (fork.seq, fork.is_located) == (seq, true) && fork.theirs >= shown;
            ensure(is_kept, "a fork is found", || {
                format!("{fork:?} where {held:?} and {shown} events of it were shown")
            })?;
        }
    }
    Ok(())
}

const fn at(fork: &Fork) -> (u64, bool) {
    (fork.seq, fork.is_located)
}

fn find<'f>(forks: &'f [Fork], like: &Fork) -> Option<&'f Fork> {
    forks.iter().find(|fork| (&fork.root, fork.origin) == (&like.root, like.origin))
}

fn is_of(held: &HeldBack, fork: &Fork) -> bool {
    let is_fork = matches!(held.reason, Doubt::Fork { .. });
    is_fork && (&held.root, held.origin) == (&fork.root, fork.origin)
}

fn run_of<'d, 'r>(delta: &'d Delta<'r>, held: &HeldBack) -> Option<&'d Run<'r>> {
    delta.runs.iter().find(|run| (&run.root, run.origin) == (&held.root, held.origin))
}

/// After the branch that is held was kept: all that was in quarantine is in the log, under the ids
/// that its branches move to, and it is what somebody wrote.
pub(in crate::simulator) fn check_kept(
    memory: &Memory,
    ledger: &Ledger,
    fork: &Fork,
    resolved: &Resolved,
    arrived: usize,
) -> Verdict {
    ensure(arrived as u64 == resolved.moved, "a branch moves", || {
        format!("{arrived} events came in by {resolved:?}")
    })?;
    let held: u64 = resolved.into.iter().map(|id| memory.seq(&fork.root, *id)).sum();
    ensure(held >= fork.theirs, "a branch moves", || {
        format!("{held} events are held after {resolved:?}, of {fork:?}")
    })?;
    let new = &memory.arrivals[memory.arrivals.len() - arrived..];
    for arrival in new {
        let fact = ledger.fact(arrival.fact);
        let is_known = resolved.into.contains(&fact.dot.origin)
            && ledger.is_written(fork.origin, fact.content());
        ensure(is_known, "a branch moves", || format!("{fact:?} by {resolved:?} of {fork:?}"))?;
    }
    Ok(())
}

/// Everything that somebody held is held by everybody, under whatever id.
pub(in crate::simulator) fn check_content(
    nodes: &[&Node],
    held_before: &BTreeSet<usize>,
    ledger: &Ledger,
) -> Verdict {
    for node in nodes {
        let facts = node.memory.arrivals.iter().map(|arrival| ledger.fact(arrival.fact));
        let held: BTreeSet<Content<'_>> = facts.map(|fact| fact.content()).collect();
        let lost = held_before.iter().find(|fact| !held.contains(&ledger.fact(**fact).content()));
        ensure(lost.is_none(), "nothing of a branch is lost", || {
            let fact = lost.map(|fact| ledger.fact(*fact));
            format!("{:?} does not hold what was {fact:?}", node.id)
        })?;
    }
    Ok(())
}
