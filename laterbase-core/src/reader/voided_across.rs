//! Which events are taken back, looked up for events of any roots as they come along.

use std::collections::BTreeMap;

use super::query::Axes;
use super::voided::{Voided, Within};
use crate::id::{Dot, RootName};
use crate::keys::{self, Place};
use crate::shared::Shared;
use crate::store::Table;
use crate::view::View;

/// The events of all roots that are taken back as far as a view knows.
///
/// As in a feed, nothing is marked while the derived tables are built or cannot be read.
pub(super) struct VoidedAcross<'v> {
    shared: &'v Shared,
    view: &'v View<'v>,
    /// By their numbers, whether anything of a root is taken back.
    roots: BTreeMap<u32, bool>,
    /// The aggregate that was looked at last.
    last: Option<((u32, String), Voided)>,
}

impl<'v> VoidedAcross<'v> {
    pub(super) const fn new(shared: &'v Shared, view: &'v View<'v>) -> Self {
        Self { shared, view, roots: BTreeMap::new(), last: None }
    }

    /// The events that take the one at a place back.
    pub(super) fn by(
        &mut self,
        (root, name): (u32, &RootName),
        aggregate_id: &str,
        place: &Place,
    ) -> &[Dot] {
        let (shared, view) = (self.shared, self.view);
        let is_any = *self.roots.entry(root).or_insert_with(|| has_voids(shared, view, root));
        if !is_any {
            return &[];
        }
        let is_last = |(of, id): &(u32, String)| *of == root && id == aggregate_id;
        if !self.last.as_ref().is_some_and(|(last, _)| is_last(last)) {
            let within = Within { shared, view, root, name, id: aggregate_id };
            let voided = within.voided(&Axes::everything(view)).unwrap_or_default();
            self.last = Some(((root, aggregate_id.to_owned()), voided));
        }
        self.last.as_ref().map_or(&[], |(_, voided)| voided.by(place))
    }
}

fn has_voids(shared: &Shared, view: &View<'_>, root: u32) -> bool {
    let start = keys::index_root(root);
    let end = keys::after_prefix(&start).unwrap_or_else(|| vec![0xff; 5]);
    let found = |found: Vec<_>| !found.is_empty();
    !shared.needs_building() && view.indexed(Table::Voids, &start, &end, 1).is_ok_and(found)
}
