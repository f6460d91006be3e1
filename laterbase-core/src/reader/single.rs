//! Events by their ids.

use super::voided_across::VoidedAcross;
use super::{ReadError, Reader};
use crate::event::Event;
use crate::id::EventId;
use crate::keys::Place;
use crate::store::StoreError;
use crate::view::View;

/// Looks events up by their ids, all of them in the store as it was at one moment.
///
/// What takes events back is read once for all events of an aggregate, so looking up many costs
/// less by one `Lookup` than by as many calls of [`Reader::event`].
pub struct Lookup<'r> {
    reader: &'r Reader,
    view: View<'r>,
    voided: VoidedAcross,
}

impl Reader {
    /// Begins to look events up.
    ///
    /// # Errors
    /// [`ReadError`] if the store fails.
    pub fn lookup(&self) -> Result<Lookup<'_>, ReadError> {
        let view = View::open(&self.shared)?;
        Ok(Lookup { reader: self, view, voided: VoidedAcross::default() })
    }

    /// Shows an event; `None` if it is not held. One that is held back in quarantine is not.
    ///
    /// # Errors
    /// [`ReadError`], also if the event is held and cannot be read.
    pub fn event<R>(
        &self,
        id: &EventId,
        show: impl FnOnce(&Event<'_>) -> R,
    ) -> Result<Option<R>, ReadError> {
        self.lookup()?.event(id, show)
    }
}

impl Lookup<'_> {
    /// As [`Reader::event`].
    ///
    /// # Errors
    /// [`ReadError`], also if the event is held and cannot be read.
    pub fn event<R>(
        &mut self,
        id: &EventId,
        show: impl FnOnce(&Event<'_>) -> R,
    ) -> Result<Option<R>, ReadError> {
        let Self { reader, view, voided } = self;
        let shared = &*reader.shared;
        let numbers = {
            let names = &shared.state().names;
            names.root(&id.root).zip(names.origin(id.dot.origin))
        };
        let Some((root, origin)) = numbers else { return Ok(None) };
        let Some(position) = view.find(root, origin, id.dot.seq)? else { return Ok(None) };
        let shown = reader.event_at(view, position, |found, event, _| {
            let place = Place::new(event.occurred(), event.recorded, event.dot.origin);
            let seen = (shared, &*view);
            let voided_by = voided.by(seen, root, event.record.aggregate_id, &place);
            (found == root && event.dot == id.dot).then(|| show(&Event { voided_by, ..*event }))
        })?;
        let other = || StoreError::corrupt(format!("{id} is not where its run says"));
        Ok(Some(shown.ok_or_else(other)?))
    }
}
