//! What a device remembers of its peers in its own store, and the model of it.
//!
//! Per peer and root there is a word: the version vector that the peer, by its id, has said to
//! hold durably. Per device that it has met there is a contact: where it goes on in that device's
//! arrival log. Both are written in the commit of the page, or of the answer, that they came from.

use std::collections::{BTreeMap, BTreeSet};

use laterbase_core::cursor::Cursor;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::reader::Reader;
use laterbase_core::version_vector::VersionVector;

use super::outcome::{Verdict, no_reason};

/// Keys of words are this, the peer's 16 bytes, and the root's name.
const WORD: &[u8] = b"ack/";

/// Keys of contacts are this and the device's number.
const CONTACT: &[u8] = b"server/";

/// The length of a cursor as text.
const CURSOR_BYTES: usize = 32;

/// A key and a value to be remembered.
pub(super) type Change = (Vec<u8>, Vec<u8>);

/// Where a device goes on with another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contact {
    /// Who the other one was.
    pub replica: ReplicaId,
    /// Of one's own log: where it is another one, the cursor has passed by what was held back.
    pub generation: u64,
    /// Everything in the other one's log up to here is held, or is of one's own id.
    pub cursor: Cursor,
    /// Everything that the other one is remembered to hold lies before this: while this is of its
    /// log, it has not been set back behind its word.
    pub seen: Cursor,
}

impl Contact {
    pub(super) fn change(&self, device: usize) -> Change {
        let texts = format!("{}{}", self.cursor, self.seen);
        let generation = self.generation.to_be_bytes();
        let value = [self.replica.as_bytes(), generation.as_slice(), texts.as_bytes()].concat();
        (contact_key(device), value)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (replica, rest) = bytes.split_first_chunk::<16>()?;
        let (generation, texts) = rest.split_first_chunk::<8>()?;
        let (cursor, seen) = std::str::from_utf8(texts).ok()?.split_at_checked(CURSOR_BYTES)?;
        let (cursor, seen) = (cursor.parse().ok()?, seen.parse().ok()?);
        let (replica, generation) =
            (ReplicaId::from_bytes(*replica), u64::from_be_bytes(*generation));
        Some(Self { replica, generation, cursor, seen })
    }
}

fn contact_key(device: usize) -> Vec<u8> {
    [CONTACT, device.to_string().as_bytes()].concat()
}

fn word_key(peer: ReplicaId, root: &RootName) -> Vec<u8> {
    [WORD, peer.as_bytes(), root.as_str().as_bytes()].concat()
}

/// A peer's word about a root, as something to remember.
pub(super) fn word_change(peer: ReplicaId, root: &RootName, vv: &VersionVector) -> Change {
    (word_key(peer, root), vv.to_bytes())
}

/// Reads what a device remembers of another one, if that still counts.
pub(super) fn contact(reader: &Reader, device: usize) -> Verdict<Option<Contact>> {
    let value = reader.recall(&contact_key(device));
    let value = value.map_err(|error| no_reason("peers", "recalling a contact", &error))?;
    let contact = value.and_then(|value| Contact::from_bytes(&value));
    Ok(contact.filter(|contact| contact.generation == reader.generation()))
}

/// Reads a peer's word about a root; empty if there is none.
pub(super) fn word(reader: &Reader, peer: ReplicaId, root: &RootName) -> Verdict<VersionVector> {
    let value = reader.recall(&word_key(peer, root));
    let value = value.map_err(|error| no_reason("peers", "recalling a word", &error))?;
    Ok(value.and_then(|value| VersionVector::from_bytes(&value).ok()).unwrap_or_default())
}

/// Everything that is remembered under any key.
pub(super) fn recall_all(reader: &Reader) -> Verdict<BTreeMap<Vec<u8>, Vec<u8>>> {
    let all = reader.recall_all(&[]);
    let all = all.map_err(|error| no_reason("peers", "recalling everything", &error))?;
    Ok(all.into_iter().collect())
}

/// Per root, what at least one peer has said to hold, from everything that is remembered.
pub(super) fn safe(remembered: &BTreeMap<Vec<u8>, Vec<u8>>) -> BTreeMap<RootName, VersionVector> {
    let mut safe: BTreeMap<RootName, VersionVector> = BTreeMap::new();
    for (key, value) in remembered {
        let name = key.strip_prefix(WORD).and_then(|rest| rest.get(16..));
        let root = name.and_then(|name| RootName::new(std::str::from_utf8(name).ok()?).ok());
        if let (Some(root), Ok(vv)) = (root, VersionVector::from_bytes(value)) {
            safe.entry(root).or_default().join(&vv);
        }
    }
    safe
}

/// What a store was told to remember: the model that it is held to.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    log: Vec<NotedCommit>,
    current: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A commit that was to remember something.
#[derive(Clone, Debug)]
struct NotedCommit {
    /// The last arrival position behind it.
    head: u64,
    has_events: bool,
    changes: Vec<Change>,
    /// Whether it was acknowledged. One that failed may be on the disk all the same.
    is_sure: bool,
}

impl Notes {
    pub(super) const fn current(&self) -> &BTreeMap<Vec<u8>, Vec<u8>> {
        &self.current
    }

    /// Takes down a commit that was tried when the log had `head_before` entries.
    pub(super) fn commit(
        &mut self,
        head_before: u64,
        events: u64,
        changes: Vec<Change>,
        is_sure: bool,
    ) {
        if is_sure {
            self.current.extend(changes.iter().cloned());
        }
        let head = head_before + events;
        self.log.push(NotedCommit { head, has_events: events > 0, changes, is_sure });
    }

    /// Everything so far stays, and positions of the log mean something else from now on.
    pub(super) fn rebase(&mut self) {
        let changes = self.current.clone().into_iter().collect();
        self.log = vec![NotedCommit { head: 0, has_events: false, changes, is_sure: true }];
    }

    /// Looks for a moment at which exactly this was remembered, and which a store whose log ends
    /// at `head` may have gone back to: every commit up to it is whole, and none behind it was
    /// promised to stay or has left its events behind. Forgets what came later.
    pub(super) fn settle(
        &mut self,
        found: &BTreeMap<Vec<u8>, Vec<u8>>,
        head: u64,
        may_lose_tail: bool,
    ) -> bool {
        for kept in (0..=self.log.len()).rev() {
            let has_events = self.log[..kept].iter().all(|commit| commit.head <= head);
            if has_events && self.replay(kept) == *found {
                self.log.truncate(kept);
                self.log.iter_mut().for_each(|commit| commit.is_sure = true);
                self.current.clone_from(found);
                return true;
            }
            let Some(lost) = kept.checked_sub(1).map(|last| &self.log[last]) else { return false };
            if (lost.is_sure && !may_lose_tail) || (lost.has_events && lost.head <= head) {
                return false;
            }
        }
        false
    }

    fn replay(&self, commits: usize) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.log[..commits].iter().flat_map(|commit| commit.changes.iter().cloned()).collect()
    }
}

/// Sums up, per root, own events that are behind what is safe.
pub(super) fn lacking(
    held: impl Fn(&RootName) -> VersionVector,
    roots: impl IntoIterator<Item = RootName>,
    own: &BTreeSet<ReplicaId>,
    safe: &BTreeMap<RootName, VersionVector>,
) -> BTreeMap<RootName, u64> {
    let nothing = VersionVector::new();
    roots
        .into_iter()
        .map(|root| {
            let (vv, safe) = (held(&root), safe.get(&root).unwrap_or(&nothing));
            let count = own.iter().map(|id| vv.get(id).saturating_sub(safe.get(id))).sum();
            (root, count)
        })
        .collect()
}
