//! What a device remembers of its peers in its own store, and the model of it.
//!
//! Per peer, root and origin there is a word: the last seq up to which the peer, by its id, has said
//! to hold the events durably. The model reads the keys by itself, as `docs/format.md` draws them.

use std::collections::{BTreeMap, BTreeSet};

use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::reader::Reader;
use laterbase_core::version_vector::VersionVector;

use super::outcome::{Verdict, no_reason};

/// Keys of words are this, the peer's 16 bytes, the root's name, a zero byte and the origin's 16
/// bytes.
const WORD: &[u8] = b"held/";

/// A key and a value to be remembered.
pub(super) type Change = (Vec<u8>, Vec<u8>);

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
        if let Some((root, origin)) = key.strip_prefix(WORD).and_then(place)
            && let Ok(seq) = <[u8; 8]>::try_from(&value[..])
        {
            safe.entry(root).or_default().raise(origin, u64::from_be_bytes(seq));
        }
    }
    safe
}

fn place(key: &[u8]) -> Option<(RootName, ReplicaId)> {
    let (name, origin) = key.get(16..)?.split_last_chunk::<16>()?;
    let name = std::str::from_utf8(name.strip_suffix(&[0])?).ok()?;
    Some((RootName::new(name).ok()?, ReplicaId::from_bytes(*origin)))
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
