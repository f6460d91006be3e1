//! Which events are taken back, looked up for events of any aggregates as they come along.

use std::collections::BTreeMap;

use super::query::Axes;
use super::voided::{Voided, Within};
use crate::id::{Dot, RootName};
use crate::keys::{self, Place};
use crate::shared::Shared;
use crate::store::Table;
use crate::view::View;

/// Aggregates of one root that are remembered at once.
const AGGREGATES_MAX: usize = 1_024;

/// The events of all roots that are taken back as far as a view knows.
///
/// Feeds are read off the log, and go on while the derived tables are built or cannot be read: then
/// nothing is marked.
pub(super) struct VoidedAcross<'v> {
    shared: &'v Shared,
    view: &'v View<'v>,
    /// By the roots' numbers, the aggregates that were looked at; `None` if nothing of a root is
    /// taken back.
    roots: BTreeMap<u32, Option<BTreeMap<String, Voided>>>,
}

impl<'v> VoidedAcross<'v> {
    pub(super) const fn new(shared: &'v Shared, view: &'v View<'v>) -> Self {
        Self { shared, view, roots: BTreeMap::new() }
    }

    /// The events that take the one at a place back.
    pub(super) fn by(
        &mut self,
        (root, name): (u32, &RootName),
        aggregate_id: &str,
        place: &Place,
    ) -> &[Dot] {
        let (shared, view) = (self.shared, self.view);
        let aggregates = self.roots.entry(root);
        let aggregates =
            aggregates.or_insert_with(|| has_voids(shared, view, root).then(BTreeMap::new));
        let Some(aggregates) = aggregates else { return &[] };
        if !aggregates.contains_key(aggregate_id) {
            if aggregates.len() == AGGREGATES_MAX {
                aggregates.clear();
            }
            let within = Within { shared, view, root, name, id: aggregate_id };
            let voided = within.voided(&Axes::everything(view)).unwrap_or_default();
            aggregates.insert(aggregate_id.to_owned(), voided);
        }
        aggregates.get(aggregate_id).map_or(&[], |voided| voided.by(place))
    }
}

fn has_voids(shared: &Shared, view: &View<'_>, root: u32) -> bool {
    let start = keys::index_root(root);
    let end = keys::after_prefix(&start).unwrap_or_else(|| vec![0xff; 5]);
    let found = |found: Vec<_>| !found.is_empty();
    !shared.needs_building() && view.indexed(Table::Voids, &start, &end, 1).is_ok_and(found)
}
