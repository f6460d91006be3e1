//! Feeds and deltas for random version vectors, page by page, against the ledger (invariant 8).

use std::ops::ControlFlow;

use laterbase_core::delta::Delta;
use laterbase_core::hlc::Hlc;
use laterbase_core::id::{Dot, RootName};
use laterbase_core::reader::Reader;
use laterbase_core::version_vector::VersionVector;

use crate::simulator::dice::Dice;
use crate::simulator::ledger::Ledger;
use crate::simulator::node::Node;
use crate::simulator::outcome::{Verdict, ensure, no_reason};

type Fed = (Hlc, Dot);

/// Reads a device's feed of a root for a random vv, cut anywhere.
pub(in crate::simulator) fn check(
    node: &Node,
    ledger: &Ledger,
    root: &RootName,
    dice: &mut Dice,
) -> Verdict {
    let Some(reader) = node.reader() else { return Ok(()) };
    let mut vv = VersionVector::new();
    for (origin, seq) in node.memory.version_vector(root).iter() {
        vv.set(origin, dice.between(0, seq));
    }
    let mut expected: Vec<Fed> = node
        .memory
        .facts(ledger, root)
        .filter(|(fact, _)| fact.dot.seq > vv.get(&fact.dot.origin))
        .map(|(fact, _)| (fact.recorded, fact.dot))
        .collect();
    expected.sort_unstable_by_key(|(recorded, dot)| (*recorded, dot.origin));
    let (fed, reached) = if dice.chance(500) {
        read_feed(&reader, root, vv.clone(), dice)?
    } else {
        let (mut fed, reached) = read_deltas(&reader, root, vv.clone(), dice)?;
        fed.sort_unstable_by_key(|(recorded, dot)| (*recorded, dot.origin));
        (fed, reached)
    };
    ensure(fed == expected, "the feed is the set difference", || {
        let missing = expected.iter().find(|event| !fed.contains(event));
        let extra = fed.iter().find(|event| !expected.contains(event));
        format!("{root} for {vv:?}: missing {missing:?}, too much {extra:?}, or out of order")
    })?;
    let held = node.memory.version_vector(root);
    ensure(reached == held, "the vv of a page", || {
        format!("the last page of {root} says {reached:?} where {held:?} is held")
    })
}

fn read_feed(
    reader: &Reader,
    root: &RootName,
    mut vv: VersionVector,
    dice: &mut Dice,
) -> Verdict<(Vec<Fed>, VersionVector)> {
    let mut fed = Vec::new();
    loop {
        let (limit, cut) = (dice.count(1, 60), dice.count(1, 60));
        let before = fed.len();
        let page = reader.feed(root, &vv, limit, &mut |event| {
            fed.push((event.recorded, event.dot));
            let is_cut = fed.len() - before == cut;
            if is_cut { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let page = page.map_err(|error| no_reason("feed", "reading a feed", &error))?;
        vv = page.vv;
        if !page.more {
            return Ok((fed, vv));
        }
        ensure(fed.len() > before, "the feed goes on", || format!("an empty page of {root}"))?;
    }
}

fn read_deltas(
    reader: &Reader,
    root: &RootName,
    mut vv: VersionVector,
    dice: &mut Dice,
) -> Verdict<(Vec<Fed>, VersionVector)> {
    let mut fed = Vec::new();
    loop {
        let page = reader.delta(root, &vv, dice.count(1, 60), *dice.pick(&[1, 2_000, 1 << 20]));
        let page = page.map_err(|error| no_reason("feed", "reading a delta", &error))?;
        let delta = Delta::decode(&page.bytes);
        let delta = delta.map_err(|error| no_reason("feed", "decoding a delta", &error))?;
        for run in &delta.runs {
            let dots = (run.first_seq..).map(|seq| Dot { origin: run.origin, seq });
            fed.extend(run.events.iter().map(|event| event.recorded).zip(dots));
        }
        vv = page.vv;
        if !page.more {
            return Ok((fed, vv));
        }
        ensure(page.events > 0, "the feed goes on", || format!("an empty delta of {root}"))?;
    }
}
