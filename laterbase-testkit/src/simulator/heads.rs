//! What two devices hold of each origin, compared by the chains behind it.

use std::collections::BTreeSet;

use laterbase_core::fork::Fork;
use laterbase_core::heads::HeadEntry;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::limits::{HEADS_ENTRIES_MAX, SEQ_MAX};
use laterbase_core::reader::Reader;
use laterbase_core::version_vector::VersionVector;

use super::network::Message;
use super::outcome::{Verdict, no_reason};
use super::peers::{Change, word, word_change};
use super::world::World;

/// Where an origin's events end at a device.
#[derive(Clone, Debug)]
pub(super) struct HeldHead {
    pub head: HeadEntry,
    /// The device knows of a fork, and takes no further events of the origin.
    pub is_in_doubt: bool,
}

/// All that a device holds of a root, as far as others have to know it.
pub(super) fn version_vector(heads: &[HeldHead], root: &RootName) -> VersionVector {
    let heads = heads.iter().map(|held| &held.head).filter(|head| head.root == *root);
    heads.map(|head| (head.origin, head.seq)).collect()
}

/// How a device stands to another one in one root.
#[derive(Debug)]
pub(super) struct Standing {
    root: RootName,
    /// What the other one holds for sure of what is held here.
    word: VersionVector,
    /// What is not to be pushed: what the other one holds, and all of the origins in doubt.
    pushed: VersionVector,
    /// What is not to be asked for: what is held here, and all of the origins in doubt.
    asked: VersionVector,
    theirs: VersionVector,
    /// Origins to be looked into, and the last seq up to which the histories are known to be equal.
    looks: Vec<(ReplicaId, u64)>,
}

impl Standing {
    pub(super) fn word_change(&self, peer: ReplicaId) -> Change {
        word_change(peer, &self.root, &self.word)
    }
}

impl World {
    /// What a device holds, of one root or of all.
    pub(super) fn heads(&self, index: usize, root: Option<&RootName>) -> Vec<HeldHead> {
        let Some(reader) = self.nodes[index].reader() else { return Vec::new() };
        let forks = reader.forks();
        let takes = |name: &RootName| root.is_none_or(|root| root == name);
        let page = reader.heads_page_of(&takes, None, HEADS_ENTRIES_MAX);
        let marked = |head: &HeadEntry| find(&forks, &head.root, head.origin).is_some();
        let heads = page.entries.into_iter();
        heads.map(|head| HeldHead { is_in_doubt: marked(&head), head }).collect()
    }

    /// Compares what is held here with what another one says to hold: of one root or of all.
    pub(super) fn stand(
        &self,
        index: usize,
        peer: ReplicaId,
        theirs: &[HeldHead],
        root: Option<&RootName>,
    ) -> Verdict<Vec<Standing>> {
        let mut roots: BTreeSet<RootName> = self.nodes[index].memory.roots();
        roots.extend(theirs.iter().map(|held| held.head.root.clone()));
        roots.retain(|name| root.is_none_or(|root| root == name));
        self.recall(index, Vec::new(), |reader| {
            roots.iter().map(|root| stand_in(reader, peer, theirs, root)).collect()
        })
    }

    /// Asks for what the other one holds more of, sends what it holds less of, and looks into what
    /// is in doubt.
    pub(super) fn follow_up(
        &mut self,
        index: usize,
        other: usize,
        standing: Vec<Standing>,
        asks: bool,
    ) -> Verdict {
        for Standing { root, pushed, asked, theirs, looks, .. } in standing {
            for (origin, after) in looks {
                self.send(index, other, Message::Look { root: root.clone(), origin, after });
            }
            if asks && !asked.covers(&theirs) {
                self.send(index, other, Message::Ask { root: root.clone(), vv: asked });
            }
            let ours = self.nodes[index].memory.version_vector(&root);
            if !pushed.covers(&ours) {
                self.send_page(index, other, root, &pushed, true)?;
            }
        }
        Ok(())
    }

    /// A vv that leaves out the origins in doubt.
    pub(super) fn beside_doubts(
        &self,
        index: usize,
        root: &RootName,
        mut vv: VersionVector,
    ) -> VersionVector {
        let Some(reader) = self.nodes[index].reader() else { return vv };
        for fork in reader.forks().iter().filter(|fork| fork.root == *root) {
            vv.set(fork.origin, SEQ_MAX);
        }
        vv
    }
}

fn find<'f>(forks: &'f [Fork], root: &RootName, origin: ReplicaId) -> Option<&'f Fork> {
    forks.iter().find(|fork| fork.root == *root && fork.origin == origin)
}

/// The last event up to which two histories are known to be equal.
const fn equal_until(fork: Option<&Fork>) -> u64 {
    match fork {
        Some(fork) if fork.is_located => fork.seq - 1,
        _ => 0,
    }
}

fn stand_in(
    reader: &Reader,
    peer: ReplicaId,
    theirs: &[HeldHead],
    root: &RootName,
) -> Verdict<Standing> {
    let (known, own, forks) = (word(reader, peer, root)?, reader.own_ids(), reader.forks());
    let ours = reader.version_vector(root);
    let mut standing = Standing {
        root: root.clone(),
        word: VersionVector::new(),
        pushed: VersionVector::new(),
        asked: ours.clone(),
        theirs: version_vector(theirs, root),
        looks: Vec::new(),
    };
    for held in theirs.iter().filter(|held| held.head.root == *root) {
        let (origin, seq) = (held.head.origin, held.head.seq);
        let (fork, held_seq) = (find(&forks, root, origin), ours.get(&origin));
        let is_same = seq > held_seq || is_same(reader, &held.head)?;
        let word = if !is_same {
            known.get(&origin).min(equal_until(fork))
        } else if seq > held_seq && own.contains(&origin) {
            // Whether the two agree shows when the rest comes.
            known.get(&origin).min(held_seq)
        } else {
            seq
        };
        standing.word.set(origin, word);
        let is_left_out = !is_same || held.is_in_doubt;
        standing.pushed.set(origin, if is_left_out { SEQ_MAX } else { seq });
        if !is_same || fork.is_some() {
            standing.looks.push((origin, equal_until(fork)));
        }
    }
    for fork in forks.iter().filter(|fork| fork.root == *root) {
        standing.pushed.set(fork.origin, SEQ_MAX);
        standing.asked.set(fork.origin, SEQ_MAX);
    }
    Ok(standing)
}

/// Whether another one's history is the beginning of the one held here.
fn is_same(reader: &Reader, theirs: &HeadEntry) -> Verdict<bool> {
    let chain = reader.chain_at(&theirs.root, theirs.origin, theirs.seq);
    let chain = chain.map_err(|error| no_reason("heads", "reading a chain", &error))?;
    Ok(chain.map(HeadEntry::check_of) == Some(theirs.check))
}
