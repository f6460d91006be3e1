//! A delta page that has been checked.

use crate::codec::CodecError;
use crate::delta::Delta;
use crate::selection::RootSelection;
use bytes::Bytes;
use self_cell::self_cell;

self_cell!(
    /// What a page says, beside the bytes that it borrows from.
    pub(super) struct Page {
        owner: Bytes,
        #[covariant]
        dependent: Delta,
    }
);

impl Page {
    /// Checks a page. Events of roots that are not taken are left out.
    pub(super) fn decode(bytes: Bytes, selection: &RootSelection) -> Result<Self, CodecError> {
        Self::try_new(bytes, |bytes| {
            let mut delta = Delta::decode(bytes)?;
            delta.runs.retain(|run| selection.takes(&run.root));
            Ok(delta)
        })
    }

    pub(super) fn delta(&self) -> &Delta<'_> {
        self.borrow_dependent()
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.borrow_owner().len()
    }
}
