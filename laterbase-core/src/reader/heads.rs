//! What is held of the roots that a caller takes.

use std::ops::Bound;

use super::Reader;
use crate::heads::{HeadEntry, HeadsPage};
use crate::id::{ReplicaId, RootName};
use crate::limits::HEADS_ENTRIES_MAX;
use crate::selection::RootSelection;

impl Reader {
    /// The heads of the selected roots behind `after`, in the order of root and origin, at most
    /// `limit` and [`HEADS_ENTRIES_MAX`] of them. Reads memory only.
    ///
    /// Pages are of different moments: of a head that moved in between, its page tells.
    pub fn heads_page(
        &self,
        selection: &RootSelection,
        after: Option<&(RootName, ReplicaId)>,
        limit: usize,
    ) -> HeadsPage {
        let limit = limit.clamp(1, HEADS_ENTRIES_MAX);
        let mut entries = self.heads_behind(selection, after, limit);
        entries.sort_unstable_by(|a, b| (&a.root, a.origin).cmp(&(&b.root, b.origin)));
        let more = entries.len() > limit;
        entries.truncate(limit);
        let last = entries.last().map(|last| (last.root.clone(), last.origin));
        HeadsPage { entries, next: last.filter(|_| more) }
    }

    /// All heads behind `after` of as many whole roots as it takes to have more than `limit`.
    /// Sorting them is left for after the state's lock is given back.
    fn heads_behind(
        &self,
        selection: &RootSelection,
        after: Option<&(RootName, ReplicaId)>,
        limit: usize,
    ) -> Vec<HeadEntry> {
        let state = self.shared.state();
        let start = after.map_or(Bound::Unbounded, |(root, _)| Bound::Included(root));
        let mut entries = Vec::new();
        for (root, number) in
            state.names.roots_from(start).filter(|(root, _)| selection.takes(root))
        {
            let passed = after.filter(|(last, _)| last == root).map(|(_, origin)| *origin);
            let heads = state.heads_of(number).filter_map(|(origin, head)| {
                let origin = state.names.origin_id(origin)?;
                passed.is_none_or(|passed| passed < origin).then(|| HeadEntry {
                    root: root.clone(),
                    origin,
                    seq: head.seq,
                    check: HeadEntry::check_of(head.chain),
                })
            });
            entries.extend(heads);
            if entries.len() > limit {
                break;
            }
        }
        entries
    }
}
