//! What was seen is still there after a crash (invariant 6: durable first, visible after).

use crate::simulator::node::Memory;
use crate::simulator::outcome::{Verdict, ensure};

/// Compares a store's arrival log before and after its process ended.
///
/// More may be there: a commit whose outcome nobody heard of. In relaxed durability less may be
/// there, but only at the end; then the same or nothing.
pub(in crate::simulator) fn check(before: &Memory, after: &Memory, durable: bool) -> Verdict {
    let (old, new) = (before.arrivals.len(), after.arrivals.len());
    ensure(new >= old || !durable, "durability", || {
        format!("{old} events were seen before the crash, and {new} are there after it")
    })?;
    let differs = before.arrivals.iter().zip(&after.arrivals).position(|(a, b)| a != b);
    ensure(differs.is_none(), "durability", || {
        format!("the event at position {} is another one since the crash", differs.unwrap_or(0) + 1)
    })
}
