//! The arrival log, in the order in which this replica stored the events of all roots.

use std::ops::ControlFlow;

use super::{ReadError, Reader};
use crate::event::Event;
use crate::id::RootName;
use crate::store::StoreError;
use crate::view::View;

impl Reader {
    /// Visits what arrived after a position, at most `limit` events. Gives the last position
    /// that was visited, or `after`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn arrivals(
        &self,
        after: u64,
        limit: usize,
        visit: &mut dyn FnMut(&RootName, &Event<'_>) -> ControlFlow<()>,
    ) -> Result<u64, ReadError> {
        let view = View::open(&self.shared)?;
        let mut last = after;
        while last < view.head() && last - after < limit as u64 {
            let position = last + 1;
            let flow = self.event_at(&view, position, |root, event, _| {
                let root = self.shared.state().names.root_name(root).cloned();
                root.map(|root| visit(&root, event))
            })?;
            last = position;
            match flow {
                Some(ControlFlow::Continue(())) => {}
                Some(ControlFlow::Break(())) => break,
                None => {
                    let detail = format!("log position {position}: its root has no name");
                    return Err(StoreError::corrupt(detail).into());
                }
            }
        }
        Ok(last)
    }
}
