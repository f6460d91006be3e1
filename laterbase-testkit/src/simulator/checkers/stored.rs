//! What lies on a disk, by the core's own verification: log, chains, runs, heads, derived tables.

use laterbase_core::verify::verify;

use crate::simulator::node::Node;
use crate::simulator::outcome::{Verdict, ensure, no_reason};

/// Verifies a device's store.
pub(in crate::simulator) fn check(node: &Node) -> Verdict {
    let report = verify(&*node.disk, &mut |_, _| {});
    let report = report.map_err(|error| no_reason("stored", "verifying a store", &error))?;
    ensure(report.is_sound(), "what is stored is sound", || format!("{:?}", report.faults))
}
