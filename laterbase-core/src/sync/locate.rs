//! Looking into forks: where the histories part, and whether ours may give way.

use super::acknowledged::last_seen;
use super::course::{Course, Turn};
use super::incoming::After;
use super::message::{Question, Refusal};
use super::{Place, SessionError};
use crate::fork::{Doubt, Fork, Keep};
use crate::limits::SEQ_MAX;
use crate::wants::{Want, Wants};

/// What a single event of the peer's tells.
enum Compared {
    Same,
    Differs,
    /// The peer does not have it.
    Unknown,
}

impl Course {
    /// Finds out, for every fork that was met, where the histories part, so that both sides have
    /// the evidence; and heals those of our own history that nobody else has seen our branch of.
    pub(super) async fn look_into_doubts(&mut self) -> Result<Turn, SessionError> {
        while let Some((place, seq)) = self.doubts.pop_first() {
            if self.fork(&place).is_none_or(|fork| !fork.is_located) {
                let turn = self.locate(&place, seq).await?;
                if turn != Turn::Done {
                    return Ok(turn);
                }
            }
            self.heal(&place).await?;
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
    async fn locate(&mut self, place: &Place, differs: u64) -> Result<Turn, SessionError> {
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
    /// another peer answers, or the log was written anew.
    async fn compare(
        &mut self,
        (root, origin): &Place,
        after: u64,
        until: u64,
        mut limit: usize,
    ) -> Result<Option<Compared>, SessionError> {
        loop {
            let want = Want { root: root.clone(), origin: *origin, after, until };
            let question = Question::Wanted { wants: Wants { entries: vec![want] }, limit };
            let wanted = match self.desk.wanted(question).await {
                Ok(wanted) => wanted,
                Err(Refusal::TooLarge) if limit > 1 => {
                    limit /= 2;
                    continue;
                }
                // It cannot be had, so nobody can tell.
                Err(Refusal::TooLarge) => return Ok(Some(Compared::Unknown)),
                Err(refusal) => {
                    self.page_failed(refusal).await?;
                    continue;
                }
            };
            if wanted.replica != self.peer() {
                return Ok(None);
            }
            let Some(page) = self.check(wanted.page).await? else { continue };
            let Some(outcome) = self.merge(page, After::Same).await? else { continue };
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
    async fn heal(&mut self, place: &Place) -> Result<(), SessionError> {
        let Some(fork) = self.fork(place).filter(|fork| fork.is_located) else { return Ok(()) };
        let is_own = self.reader().own_ids().contains(&fork.origin);
        if !is_own || !self.options.is_private {
            return Ok(());
        }
        if last_seen(self.reader(), place)? < fork.seq {
            self.desk.resolve(fork.root, fork.origin, Keep::Theirs).await?;
        }
        Ok(())
    }
}
