//! Looking into forks: where the histories part, and whether ours may give way.

use laterbase_core::fork::{Doubt, Fork, Keep};
use laterbase_core::limits::SEQ_MAX;
use laterbase_core::wants::{Want, Wants};

use super::session::{Session, Turn};
use super::{SyncError, blocking};
use crate::local::Local;
use crate::peers::{self, Place};
use crate::transport::Transport;

/// What a single event of the server's tells.
enum Compared {
    Same,
    Differs,
    /// The server does not have it.
    Unknown,
}

impl<L: Local, T: Transport> Session<'_, L, T> {
    /// Finds out, for every fork that was met, where the histories part, so that both sides have
    /// the evidence; and heals those of our own history that nobody else has seen our branch of.
    pub(super) async fn look_into_doubts(&mut self) -> Result<Turn, SyncError> {
        while let Some((place, seq)) = self.doubts.pop_first() {
            if self.fork(&place).is_none_or(|fork| !fork.is_located) {
                let turn = self.locate(&place, seq).await?;
                if turn != Turn::Done {
                    return Ok(turn);
                }
            }
            self.heal(&place)?;
            if self.is_rewritten() {
                return Ok(Turn::Handshake);
            }
        }
        Ok(Turn::Done)
    }

    fn fork(&self, (root, origin): &Place) -> Option<Fork> {
        self.reader().fork(root, *origin)
    }

    /// Narrows down where two histories part, by asking for single events, and then for those
    /// from there on.
    async fn locate(&mut self, place: &Place, differs: u64) -> Result<Turn, SyncError> {
        let (mut same, mut differs) = (0, differs);
        while same + 1 < differs {
            let middle = same + (differs - same) / 2;
            match self.compare(place, middle - 1, middle, 1).await? {
                None => return Ok(Turn::Handshake),
                Some(Compared::Same) => same = middle,
                Some(Compared::Differs) => differs = middle,
                Some(Compared::Unknown) => return Ok(Turn::Done),
            }
            if self.fork(place).is_some_and(|fork| fork.is_located) {
                break;
            }
        }
        let limit = self.page_size.events();
        let compared = self.compare(place, same, SEQ_MAX, limit).await?;
        Ok(if compared.is_some() { Turn::Done } else { Turn::Handshake })
    }

    /// Asks for events of an origin and lets the store compare them with its own; nothing if
    /// another server answers, or the log was written anew.
    async fn compare(
        &mut self,
        (root, origin): &Place,
        after: u64,
        until: u64,
        mut limit: usize,
    ) -> Result<Option<Compared>, SyncError> {
        loop {
            let want = Want { root: root.clone(), origin: *origin, after, until };
            let wanted = match self.client.wanted(&Wants { entries: vec![want] }, limit).await {
                Ok(wanted) => wanted,
                Err(error) if error.is_too_large() && limit > 1 => {
                    limit /= 2;
                    continue;
                }
                // It cannot be had, so nobody can tell.
                Err(error) if error.is_too_large() => return Ok(Some(Compared::Unknown)),
                Err(error) => {
                    self.page_failed(error).await?;
                    continue;
                }
            };
            if wanted.replica != self.peer() {
                return Ok(None);
            }
            let Some(page) = self.check(wanted.page).await? else { continue };
            let Some(outcome) = self.merge(page, |_, _| {}).await? else { continue };
            self.doubts.remove(&(root.clone(), *origin));
            if self.is_rewritten() {
                return Ok(None);
            }
            let differs =
                outcome.held_back.iter().any(|held| matches!(held.reason, Doubt::Fork { .. }));
            return Ok(Some(match (differs, outcome.merged.known + outcome.merged.stored) {
                (true, _) => Compared::Differs,
                (false, 0) => Compared::Unknown,
                (false, _) => Compared::Same,
            }));
        }
    }

    /// Lets our branch of our own history give way, if nobody else can have some of it.
    fn heal(&mut self, place: &Place) -> Result<(), SyncError> {
        let Some(fork) = self.fork(place).filter(|fork| fork.is_located) else { return Ok(()) };
        let is_own = self.reader().own_ids().contains(&fork.origin);
        if !is_own || !self.local.is_private() {
            return Ok(());
        }
        let seen = blocking(|| peers::last_seen(self.reader(), place))?;
        if seen < fork.seq {
            blocking(|| self.local.resolve(&fork.root, fork.origin, Keep::Theirs))?;
        }
        Ok(())
    }
}
