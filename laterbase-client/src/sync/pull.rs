//! Taking in what arrived at the server.

use std::collections::BTreeSet;

use laterbase_core::fork::{Doubt, HeldBack};
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::selection::RootSelection;

use super::ahead::Ahead;
use super::page::Page;
use super::server_state::{Phase, ServerState};
use super::session::{Session, Turn};
use super::{Introduction, SyncError};
use crate::client::{Arrivals, ArrivalsQuery, Asking, Client, ClientError};
use crate::local::{Local, Staged};
use crate::peers::Place;
use crate::transport::Transport;

impl<L: Local, T: Transport> Session<'_, L, T> {
    /// Pulls pages from where the server's log was left off until there are no more.
    pub(super) async fn pull(&mut self) -> Result<Turn, SyncError> {
        let mut ahead: Option<Ahead<'_, Question, Arrivals>> = None;
        loop {
            if self.is_out_of_time() {
                return Ok(Turn::Paused);
            }
            let own = self.reader().replica_id();
            let question = Question {
                asking: own,
                cursor: self.state.cursor.clone(),
                // Only then is there something of our own behind the cursor, as far as we know.
                not: self.state.mark.as_ref().map(|_mark| own),
                seen: self.state.mark.clone(),
            };
            let (client, roots, who) = (self.client, &self.options.roots, &self.options.who);
            let limit = self.page_size.events();
            let asking = question.ask(client, roots, who, limit);
            let arrivals = match Ahead::or_ask(ahead.take(), &question, asking).await {
                Ok(arrivals) => arrivals,
                Err(error) if is_gone(&error) => return Ok(Turn::Handshake),
                Err(error) if error.is_too_large() => {
                    self.headway.idle()?;
                    if limit == 1 {
                        // Asked for by name, it can be told whose event that is, and the others
                        // can be had.
                        return Ok(Turn::Handshake);
                    }
                    self.page_size.fewer();
                    continue;
                }
                Err(error) => {
                    self.page_failed(error).await?;
                    continue;
                }
            };
            if arrivals.replica != self.peer() || self.was_set_back(&arrivals, own) {
                return Ok(Turn::Handshake);
            }
            let Arrivals { cursor, page, more, .. } = arrivals;
            let to = cursor.unwrap_or_else(|| self.state.cursor.clone());
            let Some(page) = page else { return self.nothing_new(&to) };
            let Some(page) = self.check(page).await? else { continue };
            if more && to != self.state.cursor {
                let next = Question { cursor: to.clone(), ..question };
                let asked = next.clone();
                let asking = async move { asked.ask(client, roots, who, limit).await };
                ahead = Some(Ahead::start(next, asking).await);
            }
            if let Some(turn) = self.take_in(page, to, more).await? {
                return Ok(turn);
            }
        }
    }

    /// Origins of which asking by name brings no more.
    fn beyond_asking(&self) -> BTreeSet<Place> {
        let large = self.held_back.iter();
        let large = large.filter(|(_, held)| matches!(held.reason, Doubt::TooLarge { .. }));
        let large = large.map(|(place, _)| place.clone());
        self.excluded.places.iter().cloned().chain(large).collect()
    }

    /// Whether the server holds more of our own history than we do.
    fn was_set_back(&self, arrivals: &Arrivals, own: ReplicaId) -> bool {
        let takes = |root: &RootName| self.options.roots.takes(root);
        arrivals.left_out.is_some_and(|count| count > self.reader().held_count(&takes, &[own]))
    }

    /// Takes in that there is nothing more.
    fn nothing_new(&mut self, to: &str) -> Result<Turn, SyncError> {
        let mut state = self.state.clone();
        state.advance(to, true);
        if state.is_news_after(&self.state) {
            self.commit(Vec::new(), state)?;
        }
        Ok(Turn::Done)
    }

    /// Takes in a page that leads to a cursor; `None` if there is more to ask.
    async fn take_in(
        &mut self,
        page: Page,
        to: String,
        more: bool,
    ) -> Result<Option<Turn>, SyncError> {
        let before = self.state.cursor.clone();
        let (end, forks) = (to.clone(), self.beyond_asking());
        let step = move |state: &mut ServerState, staged: &Staged<'_>| {
            state.advance(&end, !more);
            if has_hole(staged, &forks) {
                state.phase = Phase::Learning { after: None };
            }
        };
        let Some(outcome) = self.merge(page, step).await? else { return Ok(None) };
        if self.is_rewritten() || self.state.phase != Phase::Settled {
            return Ok(Some(Turn::Handshake));
        }
        if outcome.merged.stored == 0 && to == before {
            let detail = "it says that there is more, and sends nothing new";
            self.page_failed(ClientError::protocol(detail)).await?;
            return Ok(None);
        }
        if outcome.merged.stored == 0 && more {
            self.headway.idle()?;
        }
        self.page_succeeded();
        Ok((!more).then_some(Turn::Done))
    }
}

/// What is asked of the server's log.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Question {
    asking: ReplicaId,
    cursor: String,
    not: Option<ReplicaId>,
    seen: Option<String>,
}

impl Question {
    async fn ask<T: Transport>(
        &self,
        client: &Client<T>,
        selection: &RootSelection,
        who: &Introduction,
        limit: usize,
    ) -> Result<Arrivals, ClientError> {
        let (cursor, seen) = (self.cursor.as_str(), self.seen.as_deref());
        let now_nanos = who.wall_clock.map(|now| now());
        let asking = Asking { replica: self.asking, name: who.name.as_deref(), now_nanos };
        let (not, asking) = (self.not, Some(asking));
        let query = ArrivalsQuery { cursor, selection, limit, not, asking, seen };
        client.arrivals(&query).await
    }
}

/// Whether the server's log is not the one that the cursor is of.
pub(super) fn is_gone(error: &ClientError) -> bool {
    error
        .problem()
        .is_some_and(|problem| problem.is("cursor-gone") || problem.is("malformed-parameter"))
}

/// Whether events before those of a run are missing, and not held back for a fork: asking for them
/// by name may bring them.
fn has_hole(staged: &Staged<'_>, forks: &BTreeSet<Place>) -> bool {
    let held_back = &staged.merged.held_back;
    let in_doubt = |held: &&HeldBack| matches!(held.reason, Doubt::Fork { .. });
    let place = |held: &HeldBack| (held.root.clone(), held.origin);
    let met: BTreeSet<Place> = held_back.iter().filter(in_doubt).map(place).collect();
    let mut holes = held_back.iter().filter(|held| matches!(held.reason, Doubt::Hole { .. }));
    holes.any(|hole| !forks.contains(&place(hole)) && !met.contains(&place(hole)))
}
