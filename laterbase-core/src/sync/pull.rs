//! Taking in what arrived at the peer.

use std::collections::BTreeSet;

use super::course::{Course, Failure, Turn};
use super::incoming::After;
use super::message::{Arrivals, Question, Refusal};
use super::page::Page;
use super::peer_state::Phase;
use super::{Place, SessionError};
use crate::fork::Doubt;
use crate::id::{ReplicaId, RootName};

impl Course {
    /// Pulls pages from where the peer's log was left off until there are no more.
    pub(super) async fn pull(&mut self) -> Result<Turn, SessionError> {
        loop {
            if self.is_out_of_time() {
                return Ok(Turn::Paused);
            }
            let limit = self.page_size.events();
            let arrivals = match self.desk.arrivals(self.question(&self.state.cursor, limit)).await
            {
                Ok(arrivals) => arrivals,
                Err(Refusal::CursorGone) => return Ok(Turn::Handshake),
                Err(Refusal::TooLarge) => {
                    self.idle()?;
                    if limit == 1 {
                        // Asked for by name, it can be told whose event that is, and the others
                        // can be had.
                        return Ok(Turn::Handshake);
                    }
                    self.page_size.fewer();
                    continue;
                }
                Err(refusal) => {
                    self.page_failed(refusal).await?;
                    continue;
                }
            };
            if arrivals.replica != self.peer() || self.was_set_back(&arrivals) {
                return Ok(Turn::Handshake);
            }
            let Arrivals { cursor, page, more, .. } = arrivals;
            let to = cursor.unwrap_or_else(|| self.state.cursor.clone());
            let Some(page) = page else { return self.nothing_new(&to).await };
            let Some(page) = self.check(page).await? else { continue };
            if more && to != self.state.cursor {
                // The peer works on the next page while this one is being stored here.
                self.desk.begin(self.question(&to, limit)).await;
            }
            if let Some(turn) = self.take_in(page, to, more).await? {
                return Ok(turn);
            }
        }
    }

    /// What is asked of the peer's log behind a cursor.
    fn question(&self, cursor: &str, limit: usize) -> Question {
        let own = self.reader().replica_id();
        Question::Arrivals {
            roots: self.options.roots.clone(),
            cursor: cursor.to_owned(),
            // Only then is there something of our own behind the cursor, as far as we know.
            not: self.state.mark.as_ref().map(|_mark| own),
            seen: self.state.mark.clone(),
            asking: Some(own),
            limit,
        }
    }

    /// Origins of which asking by name brings no more.
    fn beyond_asking(&self) -> BTreeSet<Place> {
        let large = self.held_back.iter();
        let large = large.filter(|(_, held)| matches!(held.reason, Doubt::TooLarge { .. }));
        let large = large.map(|(place, _)| place.clone());
        self.excluded.places.iter().cloned().chain(large).collect()
    }

    /// Whether the peer holds more of our own history than we do.
    fn was_set_back(&self, arrivals: &Arrivals) -> bool {
        let own: ReplicaId = self.reader().replica_id();
        let takes = |root: &RootName| self.options.roots.takes(root);
        arrivals.left_out.is_some_and(|count| count > self.reader().held_count(&takes, &[own]))
    }

    /// Takes in that there is nothing more.
    async fn nothing_new(&mut self, to: &str) -> Result<Turn, SessionError> {
        let mut state = self.state.clone();
        state.advance(to, true);
        if state.is_news_after(&self.state) {
            self.commit(Vec::new(), state).await?;
        }
        Ok(Turn::Done)
    }

    /// Takes in a page that leads to a cursor; `None` if there is more to ask.
    async fn take_in(
        &mut self,
        page: Page,
        to: String,
        more: bool,
    ) -> Result<Option<Turn>, SessionError> {
        let before = self.state.cursor.clone();
        let beyond_asking = self.beyond_asking();
        let after = After::Cursor { to: to.clone(), is_end: !more, beyond_asking };
        let Some(outcome) = self.merge(page, after).await? else { return Ok(None) };
        if self.is_rewritten() || self.state.phase != Phase::Settled {
            return Ok(Some(Turn::Handshake));
        }
        if outcome.merged.stored == 0 && to == before {
            let detail = "it says that there is more, and sends nothing new";
            self.page_failed(Failure::Nonsense(detail.to_owned())).await?;
            return Ok(None);
        }
        if outcome.merged.stored == 0 && more {
            self.idle()?;
        }
        self.page_succeeded();
        Ok((!more).then_some(Turn::Done))
    }
}
