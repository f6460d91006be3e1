//! A rogue clock elsewhere does not move this one.

use laterbase_core::hlc::Hlc;
use laterbase_core::limits::DRIFT_NANOS_MAX_DEFAULT;

use crate::simulator::node::Node;
use crate::simulator::outcome::{Verdict, ensure};

/// Takes down that a write of so many events was tried when the wall clock showed `wall`: their
/// stamps may reach as far as that, or count on from where the clock was.
pub(in crate::simulator) fn will_write(node: &mut Node, wall: i64, events: usize) {
    let reached = node.stamp_bound.max(Hlc::from_unix_nanos(wall));
    node.stamp_bound = Hlc::from_bits(reached.to_bits().saturating_add(events as u64));
}

/// Takes down a stamp that the device has heard of: the clock may follow it if it is not too far
/// ahead of the wall clock.
pub(in crate::simulator) fn heard(node: &mut Node, wall: i64, stamp: Hlc) {
    if stamp <= Hlc::from_unix_nanos(wall.saturating_add(DRIFT_NANOS_MAX_DEFAULT)) {
        node.stamp_bound = node.stamp_bound.max(stamp);
    }
}

/// Checks a stamp that the device gave.
pub(in crate::simulator) fn check(node: &Node, stamp: Hlc) -> Verdict {
    ensure(stamp <= node.stamp_bound, "a rogue stamp moves no clock", || {
        format!("{stamp} was given, though nothing reached further than {}", node.stamp_bound)
    })
}
