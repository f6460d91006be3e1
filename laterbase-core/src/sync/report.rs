//! What a sync did, and how it is getting on.

use crate::fork::HeldBack;
use crate::id::RootName;
use crate::renewal::Renewal;

use super::standing::LeftOut;

/// What a sync did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// Events that the peer lacked and has durably stored now.
    pub pushed: u64,
    /// Events that this side lacked and has durably stored now.
    pub pulled: u64,
    /// Requests made, failed ones included; whoever carries the session counts them.
    pub requests: u64,
    /// Bytes of requests as sent, counted alike.
    pub bytes_sent: u64,
    /// Bytes of answers as sent, counted alike.
    pub bytes_received: u64,
    /// Roots that this side has and the peer does not take.
    pub skipped: Vec<RootName>,
    /// Origins in doubt: events of theirs were left where they are, on either side.
    pub held_back: Vec<HeldBack>,
    /// Changes of this store's own id that the sync led to.
    pub renewals: Vec<Renewal>,
    /// Whether there is more to do, as the sync was to end early ([`super::SessionOptions::pause`]).
    pub more: bool,
    /// Where this side stands in the peer's arrival log, for a watch.
    pub cursor: Option<String>,
}

impl SyncReport {
    /// What was left where it is, on either side. A sync without any has brought all that there
    /// was.
    pub fn left_out(&self) -> impl Iterator<Item = LeftOut<'_>> {
        let skipped = self.skipped.iter().map(LeftOut::Skipped);
        skipped.chain(self.held_back.iter().map(LeftOut::HeldBack))
    }

    /// Adds what a later sync did.
    pub fn add(&mut self, later: &Self) {
        self.pushed += later.pushed;
        self.pulled += later.pulled;
        self.requests += later.requests;
        self.bytes_sent += later.bytes_sent;
        self.bytes_received += later.bytes_received;
        self.skipped.clone_from(&later.skipped);
        self.held_back.clone_from(&later.held_back);
        self.renewals.extend(later.renewals.iter().cloned());
        self.more = later.more;
        self.cursor.clone_from(&later.cursor);
    }
}

/// How far a sync has come, in events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncProgress {
    /// Pushed so far.
    pub pushed: u64,
    /// To be pushed in all, as far as is known.
    pub to_push: u64,
    /// Pulled so far.
    pub pulled: u64,
    /// To be pulled in all, as far as is known.
    pub to_pull: u64,
}
