//! One event by its id.

use super::voided_across::VoidedAcross;
use super::{ReadError, Reader};
use crate::event::Event;
use crate::id::EventId;
use crate::keys::Place;
use crate::store::StoreError;
use crate::view::View;

impl Reader {
    /// Shows an event; `None` if it is not held. One that is held back in quarantine is not.
    ///
    /// # Errors
    /// [`ReadError`], also if the event is held and cannot be read.
    pub fn event<R>(
        &self,
        id: &EventId,
        show: impl FnOnce(&Event<'_>) -> R,
    ) -> Result<Option<R>, ReadError> {
        let numbers = {
            let names = &self.shared.state().names;
            names.root(&id.root).zip(names.origin(id.dot.origin))
        };
        let Some((root, origin)) = numbers else { return Ok(None) };
        let view = View::open(&self.shared)?;
        let Some(position) = view.find(root, origin, id.dot.seq)? else { return Ok(None) };
        let mut voided = VoidedAcross::new(&self.shared, &view);
        let shown = self.event_at(&view, position, |found, event, _| {
            let place = Place::new(event.occurred(), event.recorded, event.dot.origin);
            let voided_by = voided.by(root, event.record.aggregate_id, &place);
            (found == root && event.dot == id.dot).then(|| show(&Event { voided_by, ..*event }))
        })?;
        let other = || StoreError::corrupt(format!("{id} is not where its run says"));
        Ok(Some(shown.ok_or_else(other)?))
    }
}
