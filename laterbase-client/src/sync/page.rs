//! A delta page that has been checked.

use bytes::Bytes;
use laterbase_core::codec::CodecError;
use laterbase_core::delta::Delta;
use laterbase_core::selection::RootSelection;
use self_cell::self_cell;

self_cell!(
    /// What a page says, beside the bytes that it borrows from.
    pub(crate) struct Page {
        owner: Bytes,
        #[covariant]
        dependent: Delta,
    }
);

impl Page {
    /// Checks a page. Events of roots that are not taken are left out.
    pub(crate) fn decode(bytes: Bytes, selection: &RootSelection) -> Result<Self, CodecError> {
        Self::try_new(bytes, |bytes| {
            let mut delta = Delta::decode(bytes)?;
            delta.runs.retain(|run| selection.takes(&run.root));
            Ok(delta)
        })
    }

    pub(crate) fn delta(&self) -> &Delta<'_> {
        self.borrow_dependent()
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.borrow_owner().len()
    }
}
