//! Sending what the server lacks.

use std::collections::BTreeMap;

use http::StatusCode;
use laterbase_core::id::RootName;
use laterbase_core::version_vector::VersionVector;

use super::{Session, SyncError, blocking, count_lacking};
use crate::client::{ClientError, Problem};
use crate::transport::Transport;

/// How often a server may change its mind about what it holds, without a page in between.
const HOLES_MAX: u32 = 3;

impl<T: Transport> Session<'_, T> {
    /// Pushes pages of a root until the server lacks nothing. `theirs` is what the server holds,
    /// and is kept up to date.
    pub(super) async fn push_root(
        &mut self,
        root: &RootName,
        theirs: &mut VersionVector,
    ) -> Result<(), SyncError> {
        let mut holes = 0;
        loop {
            let (events, bytes) = (self.page_size.events(), self.page_size.bytes());
            let page = blocking(|| self.device.reader().delta(root, theirs, events, bytes))?;
            if page.events == 0 {
                return Ok(());
            }
            let held = match self.client.push_delta(root, page.bytes.into()).await {
                Ok(held) => held,
                Err(ClientError::Problem(problem)) if is_not_taken(&problem) => {
                    self.skipped.push(root.clone());
                    return Ok(());
                }
                Err(ClientError::Problem(problem)) if problem.status == StatusCode::CONFLICT => {
                    holes += 1;
                    *theirs = their_word(problem, holes)?;
                    continue;
                }
                Err(error) => {
                    self.page_failed(error).await?;
                    continue;
                }
            };
            if !held.covers(&delivered(&page.vv, theirs)) {
                let detail = "the server took a page and does not hold what was on it";
                return Err(SyncError::Stuck { root: root.clone(), detail });
            }
            self.progress.pushed += count_lacking(&page.vv, theirs);
            let acknowledged = BTreeMap::from([(root.clone(), held.clone())]);
            blocking(|| self.device.acknowledge(self.peer, &acknowledged))?;
            (*theirs, holes) = (held, 0);
            self.page_succeeded();
        }
    }
}

/// Whether the server lists the roots that it takes, and this is none of them.
fn is_not_taken(problem: &Problem) -> bool {
    problem.status == StatusCode::NOT_FOUND
}

/// What the server says it holds, when a page did not fit onto that. Any other conflict is a fork,
/// which only an operator can decide.
fn their_word(mut problem: Box<Problem>, holes: u32) -> Result<VersionVector, SyncError> {
    match problem.vv.take() {
        Some(vv) if holes <= HOLES_MAX => Ok(vv),
        vv => {
            problem.vv = vv;
            Err(ClientError::Problem(problem).into())
        }
    }
}

/// The part of `after` that is more than `before`.
fn delivered(after: &VersionVector, before: &VersionVector) -> VersionVector {
    after.iter().filter(|(origin, seq)| *seq > before.get(origin)).collect()
}
