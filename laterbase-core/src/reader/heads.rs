//! What is held of the roots that a caller takes.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::Reader;
use crate::heads::{HeadEntry, HeadsPage};
use crate::id::{ReplicaId, RootName};
use crate::limits::HEADS_ENTRIES_MAX;
use crate::selection::RootSelection;

impl Reader {
    /// [`Self::heads_page_of`] the selected roots.
    pub fn heads_page(
        &self,
        selection: &RootSelection,
        after: Option<&(RootName, ReplicaId)>,
        limit: usize,
    ) -> HeadsPage {
        self.heads_page_of(&|root| selection.takes(root), after, limit)
    }

    /// The heads behind `after` of the roots that the caller takes, in the order of root and
    /// origin, at most `limit` and [`HEADS_ENTRIES_MAX`] of them. Reads memory only, and costs a
    /// step for each head of the page, wherever it begins.
    ///
    /// Pages are of different moments: of a head that moved in between, its page tells.
    pub fn heads_page_of(
        &self,
        takes: &dyn Fn(&RootName) -> bool,
        after: Option<&(RootName, ReplicaId)>,
        limit: usize,
    ) -> HeadsPage {
        let limit = limit.clamp(1, HEADS_ENTRIES_MAX);
        let state = self.shared.state();
        let start = after.map_or(Bound::Unbounded, |(root, _)| Bound::Included(root));
        let heads = state.names.roots_from(start).filter(|(root, _)| takes(root));
        let heads = heads.flat_map(|(root, number)| {
            let passed = after.filter(|(last, _)| last == root).map(|(_, origin)| *origin);
            state.heads_by_id(number, passed).map(move |(origin, head)| (root, origin, head))
        });
        let mut page = HeadsPage { entries: Vec::new(), next: None };
        for (root, origin, head) in heads {
            if page.entries.len() == limit {
                page.next = page.entries.last().map(|last| (last.root.clone(), last.origin));
                break;
            }
            let check = HeadEntry::check_of(head.chain);
            page.entries.push(HeadEntry { root: root.clone(), origin, seq: head.seq, check });
        }
        page
    }

    /// The last event of an origin that is held in a root; 0 for none. Reads memory only.
    pub fn held_seq(&self, root: &RootName, origin: ReplicaId) -> u64 {
        let state = self.shared.state();
        let numbers = state.names.root(root).zip(state.names.origin(origin));
        numbers.and_then(|place| state.heads.get(&place)).map_or(0, |head| head.seq)
    }

    /// How many events of some origins are held in the roots that the caller takes. Reads memory
    /// only.
    pub fn held_count(&self, takes: &dyn Fn(&RootName) -> bool, origins: &[ReplicaId]) -> u64 {
        let state = self.shared.state();
        let numbers: BTreeSet<u32> =
            origins.iter().filter_map(|origin| state.names.origin(*origin)).collect();
        let roots = state.names.roots().filter(|(_, name)| !numbers.is_empty() && takes(name));
        roots
            .flat_map(|(root, _)| numbers.iter().map(move |origin| (root, *origin)))
            .filter_map(|place| state.heads.get(&place))
            .fold(0, |count, head| head.seq.saturating_add(count))
    }
}
