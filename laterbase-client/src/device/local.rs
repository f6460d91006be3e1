//! A device as the side of a sync where the events live.

use std::time::Duration;

use laterbase_core::fork::Keep;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::reader::{Reader, Remembered};
use laterbase_core::replica::{Resolved, WriteError};
use laterbase_core::sync::{Incoming, Taken};
use tokio::time::timeout;

use super::Device;
use crate::local::Local;

impl Local for Device {
    fn reader(&self) -> &Reader {
        Self::reader(self)
    }

    fn merge_page(&self, page: Incoming) -> Result<Taken, WriteError> {
        self.write(|replica, now_nanos| {
            // Nobody else writes meanwhile, and nothing else is staged.
            let after_position = Some(self.reader().head());
            page.stage(replica, now_nanos, after_position)
        })
    }

    async fn arrived(&self, head: u64, longest: Duration) {
        let mut ends = self.head.subscribe();
        let _time_is_up = timeout(longest, ends.wait_for(|end| *end != head)).await;
    }

    fn remember(&self, entries: Vec<Remembered>) -> Result<(), WriteError> {
        self.write(|replica, _now_nanos| {
            for (key, value) in &entries {
                replica.remember(key, value);
            }
            Ok(())
        })
    }

    fn resolve(
        &self,
        root: &RootName,
        origin: ReplicaId,
        keep: Keep,
    ) -> Result<Resolved, WriteError> {
        self.write(|replica, now_nanos| replica.resolve(root, origin, keep, now_nanos))
    }
}
