//! Fetching what the device lacks.

use laterbase_core::id::RootName;
use laterbase_core::replica::WriteError;
use laterbase_core::version_vector::VersionVector;

use super::{Session, SyncError, blocking};
use crate::client::ClientError;
use crate::transport::Transport;

impl<T: Transport> Session<'_, T> {
    /// Pulls pages of a root until the device holds everything in `theirs`. Each page is durable
    /// before the next one is asked for.
    pub(super) async fn pull_root(
        &mut self,
        root: &RootName,
        theirs: &VersionVector,
    ) -> Result<(), SyncError> {
        loop {
            let ours = self.device.reader().version_vector(root);
            if ours.covers(theirs) {
                return Ok(());
            }
            let page = match self.client.pull_delta(root, &ours, self.page_size.events()).await {
                Ok(page) => page,
                Err(error) => {
                    self.page_failed(error).await?;
                    continue;
                }
            };
            match blocking(|| self.device.merge_from(self.peer, &page)) {
                Ok(merged) => self.progress.pulled += merged.stored,
                Err(WriteError::Malformed(error)) => {
                    // It may have been damaged on the way; the next try asks for it again.
                    self.page_failed(ClientError::protocol(error.to_string())).await?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            if self.device.reader().version_vector(root) == ours {
                let detail = "the server has more than we do, and sends nothing of it";
                return Err(SyncError::Stuck { root: root.clone(), detail });
            }
            self.page_succeeded();
        }
    }
}
