//! What a sync did, and how it is getting on.

use laterbase_core::id::RootName;

/// What a sync did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// Events that the server lacked and has durably stored now.
    pub pushed: u64,
    /// Events that the device lacked and has durably stored now.
    pub pulled: u64,
    /// HTTP requests made, failed ones included.
    pub requests: u64,
    /// Bytes of request heads and bodies as sent.
    pub bytes_sent: u64,
    /// Bytes of response heads and bodies as sent.
    pub bytes_received: u64,
    /// Roots that the device has and the server does not take.
    pub skipped: Vec<RootName>,
}

impl SyncReport {
    /// Adds what another sync did.
    pub fn add(&mut self, other: &Self) {
        self.pushed += other.pushed;
        self.pulled += other.pulled;
        self.requests += other.requests;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.skipped.extend(other.skipped.iter().cloned());
        self.skipped.sort_unstable();
        self.skipped.dedup();
    }
}

/// How far a sync has come, in events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncProgress {
    /// Pushed so far.
    pub pushed: u64,
    /// To be pushed in all, as far as was known at the start.
    pub to_push: u64,
    /// Pulled so far.
    pub pulled: u64,
    /// To be pulled in all, as far as was known at the start.
    pub to_pull: u64,
}
