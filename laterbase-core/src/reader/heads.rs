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
    /// origin, at most `limit` and [`HEADS_ENTRIES_MAX`] of them. Reads memory only.
    ///
    /// Pages are of different moments: of a head that moved in between, its page tells.
    pub fn heads_page_of(
        &self,
        takes: &dyn Fn(&RootName) -> bool,
        after: Option<&(RootName, ReplicaId)>,
        limit: usize,
    ) -> HeadsPage {
        let limit = limit.clamp(1, HEADS_ENTRIES_MAX);
        let mut entries = self.heads_behind(takes, after, limit);
        entries.sort_unstable_by(|a, b| (&a.root, a.origin).cmp(&(&b.root, b.origin)));
        let more = entries.len() > limit;
        entries.truncate(limit);
        let last = entries.last().map(|last| (last.root.clone(), last.origin));
        HeadsPage { entries, next: last.filter(|_| more) }
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

    /// All heads behind `after` of as many whole roots as it takes to have more than `limit`.
    /// Sorting them is left for after the state's lock is given back.
    fn heads_behind(
        &self,
        takes: &dyn Fn(&RootName) -> bool,
        after: Option<&(RootName, ReplicaId)>,
        limit: usize,
    ) -> Vec<HeadEntry> {
        let state = self.shared.state();
        let start = after.map_or(Bound::Unbounded, |(root, _)| Bound::Included(root));
        let mut entries = Vec::new();
        for (root, number) in state.names.roots_from(start).filter(|(root, _)| takes(root)) {
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
