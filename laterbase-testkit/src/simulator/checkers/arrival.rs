//! Each event, as it arrives: positions without holes, seqs without holes, stamps that do not
//! fall, one event for each dot.

use laterbase_core::chain::ChainHash;
use laterbase_core::event::Event;
use laterbase_core::id::RootName;

use crate::simulator::ledger::{Fact, Ledger};
use crate::simulator::node::{Arrival, Memory, Tail};
use crate::simulator::outcome::{Verdict, ensure};

/// Checks the next event of a store's arrival log and takes it down.
pub(in crate::simulator) fn check(
    memory: &mut Memory,
    ledger: &mut Ledger,
    root: &RootName,
    event: &Event<'_>,
) -> Verdict {
    let (dot, position) = (event.dot, event.position);
    let expected = memory.arrivals.len() as u64 + 1;
    ensure(position == expected, "arrival positions have no holes", || {
        format!("{dot} of {root} is at {position} where {expected} comes next")
    })?;
    let tail = memory.tails.entry((root.clone(), dot.origin)).or_default();
    // Invariant 3, and that no event is stored twice.
    ensure(dot.seq == tail.seq + 1, "contiguity", || {
        format!("{dot} of {root} arrived after seq {}", tail.seq)
    })?;
    // Invariant 4.
    ensure(tail.recorded.is_none_or(|last| last < event.recorded), "stamps rise", || {
        format!("{dot} of {root} is stamped {:?} after {:?}", event.recorded, tail.recorded)
    })?;
    let before = tail.chain.unwrap_or_else(|| ChainHash::genesis(root, dot.origin));
    let fact = Fact::of(root, event, before);
    *tail = Tail { seq: dot.seq, recorded: Some(event.recorded), chain: Some(fact.chain) };
    let fact = ledger.learn(fact)?;
    memory.histories.entry((root.clone(), dot.origin)).or_default().push(fact);
    memory.arrivals.push(Arrival { fact, arrived: event.arrived });
    Ok(())
}
