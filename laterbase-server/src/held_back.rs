//! Says in the log that an origin is held back: once, and not with each page that meets it again.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};

use laterbase_core::id::{ReplicaId, RootName};

/// The origins, by root, that the log has named.
#[derive(Debug, Default)]
pub(crate) struct HeldBackLog {
    named: Mutex<BTreeSet<(RootName, ReplicaId)>>,
}

impl HeldBackLog {
    /// Names an origin, unless that was done. Says whether it was new.
    pub(crate) fn name(&self, root: &RootName, origin: ReplicaId, reason: &dyn Display) -> bool {
        let is_new = self.named().insert((root.clone(), origin));
        if is_new {
            tracing::warn!(%root, %origin, %reason, "an origin is held back");
        }
        is_new
    }

    /// An operator has decided: what comes of the origin again is news.
    pub(crate) fn forget(&self, root: &RootName, origin: ReplicaId) {
        self.named().remove(&(root.clone(), origin));
    }

    fn named(&self) -> MutexGuard<'_, BTreeSet<(RootName, ReplicaId)>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_named_once_per_root_until_it_was_decided() {
        let log = HeldBackLog::default();
        let root = |name: &str| RootName::new(name).expect("a good name");
        let origin = ReplicaId::from_bytes([7; 16]);
        assert!(log.name(&root("order"), origin, &"fork"));
        assert!(!log.name(&root("order"), origin, &"fork"));
        assert!(log.name(&root("shipment"), origin, &"fork"));
        log.forget(&root("order"), origin);
        assert!(log.name(&root("order"), origin, &"fork"));
    }
}
