//! What must hold, one small file each.
//!
//! Cheap ones look at every event that arrives anywhere; the others at a random replica now and
//! then, and at all of them when a run ends. None of them trusts what the core says about itself:
//! each compares with the ledger of events, which only ever saw events one by one.

pub(super) mod arrival;
pub(super) mod clock;
pub(super) mod convergence;
pub(super) mod cursor;
pub(super) mod durability;
pub(super) mod etag;
pub(super) mod feed;
pub(super) mod fold;
pub(super) mod fork;
pub(super) mod pending;
pub(super) mod rewrite;
pub(super) mod status;
pub(super) mod stored;
