//! What a store remembers of a peer: where the last sync with it left off.

use crate::id::ReplicaId;
use crate::reader::{Reader, Remembered};
use crate::selection::RootSelection;
use crate::store::StoreError;
use serde::{Deserialize, Serialize};

use super::Place;
use super::message::Pushed;

const FORMAT: u32 = 1;

/// Keys are this and the name that the peer goes by here: its URL.
const PEER: &[u8] = b"server/";

/// How far two replicas have come in finding out where they stand with each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// What the peer holds is being asked, from the head behind `after` on.
    Learning { after: Option<After> },
    /// What the peer holds of ours is known; what it has more is being fetched, from the head
    /// behind `after` on.
    Fetching { after: Option<After> },
    /// Both sides go by cursor.
    Settled,
}

/// The last head of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct After {
    /// What to ask the next page with.
    pub(super) text: String,
    root: String,
    origin: String,
}

impl After {
    pub(super) fn new(text: String, (root, origin): &Place) -> Self {
        Self { text, root: root.to_string(), origin: origin.to_string() }
    }

    pub(super) fn place(&self) -> Option<Place> {
        Some((self.root.parse().ok()?, self.origin.parse().ok()?))
    }
}

/// Where a sync with a peer left off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PeerState {
    format: u32,
    /// Empty if it is not known yet.
    replica: String,
    selection: String,
    /// Of the local store: where it is another one, nothing of this counts.
    generation: u64,
    pub(super) phase: Phase,
    /// Up to where the peer's log has been taken in.
    pub(super) cursor: String,
    /// The arrival position up to which all of the local log is known to be with the peer.
    pub(super) level: u64,
    /// Where the peer's log ended after a push that landed behind `cursor`. As long as it fits
    /// the log, the push is still there.
    pub(super) mark: Option<String>,
    /// Most bytes of a page that get through on the way to the peer, where a larger one did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) page_bytes: Option<usize>,
}

impl PeerState {
    /// Nothing is known of the peer.
    pub(super) fn unknown(reader: &Reader, selection: &RootSelection) -> Self {
        Self {
            format: FORMAT,
            replica: String::new(),
            selection: selection.to_string(),
            generation: reader.generation(),
            phase: Phase::Learning { after: None },
            cursor: String::new(),
            level: 0,
            mark: None,
            page_bytes: None,
        }
    }

    /// The peer is this one, and its log ended here before it said what it holds.
    pub(super) fn met(&mut self, replica: ReplicaId, cursor: String) {
        (self.replica, self.cursor) = (replica.to_string(), cursor);
    }

    /// What is remembered of a peer.
    pub(super) fn recall(reader: &Reader, name: &str) -> Result<Option<Self>, StoreError> {
        let value = reader.recall(&key(name))?;
        // What cannot be read is asked again.
        let state = value.and_then(|value| serde_json::from_slice::<Self>(&value).ok());
        Ok(state.filter(|state| state.format == FORMAT && state.replica().is_some()))
    }

    /// Whether it still counts.
    pub(super) fn fits(&self, reader: &Reader, selection: &RootSelection) -> bool {
        self.generation == reader.generation() && self.selection == selection.to_string()
    }

    /// Whether all is to be learned anew.
    pub(super) fn is_at_start(&self) -> bool {
        self.phase == Phase::Learning { after: None }
    }

    /// Who the peer is, if that is known.
    pub(super) fn replica(&self) -> Option<ReplicaId> {
        self.replica.parse().ok()
    }

    /// The roots that were synced, if that is known.
    pub(super) fn selection(&self) -> Option<RootSelection> {
        self.selection.parse().ok()
    }

    /// What is to be remembered.
    pub(super) fn entry(&self, name: &str) -> Remembered {
        let value = serde_json::to_vec(self).expect("plain fields are always JSON");
        (key(name), value)
    }

    /// Takes in where a page landed that was pushed.
    pub(super) fn pushed(&mut self, answer: &Pushed) {
        if answer.before == answer.after {
            return;
        }
        if answer.before == self.cursor {
            // Nothing but our page lies in between.
            self.cursor.clone_from(&answer.after);
        } else {
            self.mark = Some(answer.after.clone());
        }
    }

    /// Moves the cursor. At the log's end it is behind everything that was pushed.
    pub(super) fn advance(&mut self, cursor: &str, is_end: bool) {
        cursor.clone_into(&mut self.cursor);
        if is_end {
            self.mark = None;
        }
    }

    /// Whether a crash that lost the difference would cost bytes.
    pub(super) fn is_news_after(&self, before: &Self) -> bool {
        (&self.cursor, &self.mark, &self.phase) != (&before.cursor, &before.mark, &before.phase)
    }

    /// Moves the level along with a page whose events the peer holds, as it sent them.
    pub(super) fn merged(&mut self, after_position: Option<u64>, stored: u64) {
        if after_position == Some(self.level) {
            self.level += stored;
        }
    }
}

/// Where a store goes on with a peer that it has compared itself with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Who the peer is.
    pub replica: ReplicaId,
    /// Everything in the peer's log up to here is held, or is of the store's own id, or held back.
    pub cursor: String,
    /// A later place that the peer's log had come to. While this and the cursor are of its log, the
    /// peer holds all that it is remembered to hold.
    pub seen: Option<String>,
}

/// Where a store goes on with a peer, by the name that it goes by here; `None` where the two are
/// still to compare what they hold.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn contact(reader: &Reader, peer: &str) -> Result<Option<Contact>, StoreError> {
    let Some(state) = PeerState::recall(reader, peer)? else { return Ok(None) };
    let goes_on = state.generation == reader.generation() && state.phase == Phase::Settled;
    let Some(replica) = state.replica().filter(|_| goes_on) else { return Ok(None) };
    Ok(Some(Contact { replica, cursor: state.cursor, seen: state.mark }))
}

fn key(name: &str) -> Vec<u8> {
    [PEER, name.as_bytes()].concat()
}

#[cfg(test)]
mod tests;
