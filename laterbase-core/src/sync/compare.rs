//! Finding out where two replicas stand with each other: both say what they hold.
//!
//! What the peer holds comes in pages, each of which is settled and remembered before the next
//! one is asked for: any number of origins fits into bounded memory, and a cut costs one page.

use std::collections::{BTreeMap, BTreeSet};

use super::acknowledged::{acknowledged_between, entry};
use super::course::{Course, Failure, Turn};
use super::distance::held_between;
use super::incoming;
use super::message::{Heads, Question, Refusal};
use super::peer_state::{After, Phase};
use super::{Place, SessionError};
use crate::delta::Delta;
use crate::fork::{Doubt, HeldBack};
use crate::heads::{HeadEntry, HeadsPage};
use crate::id::ReplicaId;
use crate::limits::WANTS_ENTRIES_MAX;
use crate::store::StoreError;
use crate::wants::{Want, Wants};

/// How many heads of a peer were listened to.
#[derive(Debug, Default)]
pub(super) struct HeadsHeard(usize);

impl HeadsHeard {
    /// Most heads that are listened to. They are settled page by page, so this bounds time and not
    /// memory.
    const MAX: usize = 20_000_000;

    /// Refuses heads that do not go on from where the last page ended, and more of them than there
    /// can be in earnest. The last page may be empty.
    pub(super) fn take(&mut self, start: Option<&Place>, heads: &Heads) -> Result<(), String> {
        self.0 += heads.page.entries.len();
        let first = heads.page.entries.first().map(|first| (&first.root, first.origin));
        let goes_on =
            start.is_none_or(|(root, origin)| first.is_none_or(|first| first > (root, *origin)));
        if goes_on && self.0 <= Self::MAX {
            Ok(())
        } else {
            Err("its heads do not come to an end".to_owned())
        }
    }
}

impl Course {
    /// Learns what the peer holds, pushes what it lacks, and fetches what it has more.
    pub(super) async fn handshake(&mut self) -> Result<Turn, SessionError> {
        let mut only_page = None;
        while let Phase::Learning { after } = self.state.phase.clone() {
            let Some(heads) = self.heads(after.as_ref()).await? else {
                return Ok(Turn::Handshake);
            };
            self.learn(after.as_ref().and_then(After::place).as_ref(), &heads).await?;
            let is_only = after.is_none() && heads.next.is_none();
            only_page = is_only.then_some(heads);
        }
        self.announce(only_page.as_ref())?;
        let turn = self.push().await?;
        if turn != Turn::Done {
            return Ok(turn);
        }
        while let Phase::Fetching { after } = self.state.phase.clone() {
            if self.is_out_of_time() {
                return Ok(Turn::Paused);
            }
            let heads = match only_page.take() {
                Some(heads) => heads,
                None => match self.heads(after.as_ref()).await? {
                    Some(heads) => heads,
                    None => return Ok(Turn::Handshake),
                },
            };
            let start = after.as_ref().and_then(After::place);
            let turn = self.fetch(start.as_ref(), &heads.page).await?;
            if turn != Turn::Done {
                return Ok(turn);
            }
            let mut state = self.state.clone();
            state.phase = match next_of(&heads) {
                Some(after) => Phase::Fetching { after: Some(after) },
                None => Phase::Settled,
            };
            self.commit(Vec::new(), state).await?;
        }
        // Whatever was not pushed because the server had more of it is looked at again.
        self.exclude_forks();
        Ok(Turn::Done)
    }

    /// Asks for a page of what the peer holds; nothing if it is another peer than at the
    /// first page.
    async fn heads(&mut self, after: Option<&After>) -> Result<Option<Heads>, SessionError> {
        self.has_compared = true;
        loop {
            let (roots, limit) = (self.options.roots.clone(), self.heads_max);
            let text = after.map(|after| after.text.clone());
            let heads = match self.desk.heads(Question::Heads { roots, after: text, limit }).await {
                Ok(heads) => heads,
                Err(Refusal::TooLarge) if limit > 1 => {
                    self.idle()?;
                    self.heads_max = limit / 2;
                    continue;
                }
                Err(refusal) => {
                    self.page_failed(refusal).await?;
                    continue;
                }
            };
            let start = after.and_then(After::place);
            if let Err(detail) = self.heads_heard.take(start.as_ref(), &heads) {
                self.page_failed(Failure::Nonsense(detail)).await?;
                continue;
            }
            if heads.replica == self.reader().replica_id() {
                return Err(SessionError::SameReplica { replica: heads.replica });
            }
            if self.state.replica().is_none() {
                self.was_heard = true;
                self.state.met(heads.replica, heads.cursor.clone());
                return Ok(Some(heads));
            }
            return Ok((heads.replica == self.peer()).then_some(heads));
        }
    }

    /// Remembers how much of what is held here the peer holds too.
    async fn learn(&mut self, start: Option<&Place>, heads: &Heads) -> Result<(), SessionError> {
        let theirs = by_place(&heads.page);
        let (reader, peer) = (self.reader(), self.peer());
        let end = heads.page.next.as_ref();
        let acknowledged = acknowledged_between(reader, peer, start, end)?;
        let own_ids: BTreeSet<ReplicaId> = reader.own_ids().into_iter().collect();
        let mut entries = Vec::new();
        for ours in held_between(reader, &self.options.roots, start, end) {
            let place = (ours.root.clone(), ours.origin);
            let known = acknowledged.get(&place).copied().unwrap_or(0);
            let held = match self.common(&ours, theirs.get(&place).copied())? {
                Common::All if own_ids.contains(&ours.origin) => {
                    // Whether the two agree shows when the rest comes. Until then nothing of it
                    // counts as safe that did not count before.
                    self.excluded.places.insert(place.clone());
                    known.min(ours.seq)
                }
                Common::All => ours.seq,
                Common::Until(seq) => seq,
                Common::DiffersAt(seq) => {
                    self.excluded.places.insert(place.clone());
                    self.doubts.insert(place.clone(), seq);
                    known.min(self.located_before(&place).unwrap_or(0))
                }
            };
            if held != known {
                entries.push(entry(peer, (&place.0, place.1), held));
            }
        }
        let mut state = self.state.clone();
        state.phase = match next_of(heads) {
            Some(after) => Phase::Learning { after: Some(after) },
            None => Phase::Fetching { after: None },
        };
        self.commit(entries, state).await
    }

    /// How much of what is held here of an origin is the same at the peer.
    fn common(&self, ours: &HeadEntry, theirs: Option<&HeadEntry>) -> Result<Common, StoreError> {
        let Some(theirs) = theirs else { return Ok(Common::Until(0)) };
        if theirs.seq > ours.seq {
            return Ok(Common::All);
        }
        let check = if theirs.seq == ours.seq {
            Some(ours.check)
        } else {
            let chain = self.reader().chain_at(&ours.root, ours.origin, theirs.seq)?;
            chain.map(HeadEntry::check_of)
        };
        if check == Some(theirs.check) {
            Ok(Common::Until(theirs.seq))
        } else {
            Ok(Common::DiffersAt(theirs.seq))
        }
    }

    /// The last event before a fork, if it is known where that is.
    fn located_before(&self, place: &Place) -> Option<u64> {
        let fork = self.reader().fork(&place.0, place.1);
        fork.filter(|fork| fork.is_located).map(|fork| fork.seq - 1)
    }

    /// Says how much there is to do, as far as the peer's heads tell.
    fn announce(&mut self, only_page: Option<&Heads>) -> Result<(), SessionError> {
        self.progress.to_push = self.progress.pushed + self.lacking(None)?.event_count;
        if let Some(heads) = only_page {
            let wants = self.wants(None, &heads.page);
            let lacking: u64 = wants.iter().map(|want| want.until - want.after).sum();
            self.progress.to_pull = self.progress.pulled + lacking;
        }
        self.tell_progress();
        Ok(())
    }

    /// Fetches what the peer has more of than we do, as its page of heads says.
    async fn fetch(
        &mut self,
        start: Option<&Place>,
        page: &HeadsPage,
    ) -> Result<Turn, SessionError> {
        loop {
            let mut entries = self.wants(start, page);
            // More of them than events fit on a page are of no use yet.
            let entries_max = self.page_size.events().min(WANTS_ENTRIES_MAX);
            let are_all = entries.len() <= entries_max;
            entries.truncate(entries_max);
            if entries.is_empty() {
                return Ok(Turn::Done);
            }
            if self.is_out_of_time() {
                return Ok(Turn::Paused);
            }
            let wants = Wants { entries };
            let limit = self.page_size.events();
            let question = Question::Wanted { wants: wants.clone(), limit };
            let wanted = match self.desk.wanted(question).await {
                Ok(wanted) => wanted,
                Err(Refusal::TooLarge) => {
                    self.idle()?;
                    match wants.entries.first().filter(|_| limit == 1) {
                        Some(alone) => self.set_aside(alone, 0, false),
                        None => self.page_size.fewer(),
                    }
                    continue;
                }
                Err(refusal) => {
                    self.page_failed(refusal).await?;
                    continue;
                }
            };
            if wanted.replica != self.peer() {
                return Ok(Turn::Handshake);
            }
            let Some(page) = self.check(wanted.page).await? else { continue };
            if wanted.more && are_all {
                let wants = behind(&wants, page.delta());
                self.desk.begin(Question::Wanted { wants, limit }).await;
            }
            let Some(outcome) = self.merge(page, incoming::After::Same).await? else { continue };
            if self.is_rewritten() {
                return Ok(Turn::Handshake);
            }
            if outcome.merged.stored == 0 {
                self.idle()?;
            }
            self.page_succeeded();
            // Somebody else may have brought it meanwhile.
            let is_nearer = wants
                .entries
                .first()
                .is_some_and(|want| self.reader().held_seq(&want.root, want.origin) > want.after);
            if wanted.more && (outcome.merged.stored > 0 || is_nearer) {
                continue;
            }
            // What did not come now is not to be had, or not to be taken.
            let count = if wanted.more { 1 } else { wants.entries.len() };
            self.give_up(wants.entries.into_iter().take(count));
        }
    }

    /// Asks for those events no more in this sync that did not come.
    fn give_up(&mut self, wants: impl Iterator<Item = Want>) {
        for want in wants {
            let held_seq = self.reader().held_seq(&want.root, want.origin);
            if held_seq < want.until {
                let (root, origin, seq) = (want.root, want.origin, held_seq + 1);
                let reason = Doubt::Hole { held_seq };
                let place = (root.clone(), origin);
                let held_back = HeldBack { root, origin, seq, reason };
                self.held_back.entry(place).or_insert(held_back);
            }
        }
    }

    /// What the peer has more of than we do, in the roots that are taken, beside what is held
    /// back.
    fn wants(&self, start: Option<&Place>, page: &HeadsPage) -> Vec<Want> {
        let end = page.next.as_ref();
        let ours = held_between(self.reader(), &self.options.roots, start, end);
        let ours: BTreeMap<Place, u64> =
            ours.into_iter().map(|head| ((head.root, head.origin), head.seq)).collect();
        let lacking = |theirs: &HeadEntry| {
            let place = (theirs.root.clone(), theirs.origin);
            let after = ours.get(&place).copied().unwrap_or(0);
            let is_wanted = after < theirs.seq
                && self.options.roots.takes(&theirs.root)
                && !self.held_back.contains_key(&place);
            let (root, origin) = place;
            is_wanted.then_some(Want { root, origin, after, until: theirs.seq })
        };
        page.entries.iter().filter_map(lacking).collect()
    }
}

/// How much of what is held of an origin is the same on both sides.
enum Common {
    /// The peer holds more; all is the same unless there is a fork.
    All,
    /// The events up to this one.
    Until(u64),
    /// There is a fork at this event or before it.
    DiffersAt(u64),
}

/// What is still wanted once a page has been taken in whole.
fn behind(wants: &Wants, page: &Delta<'_>) -> Wants {
    let ends: BTreeMap<_, u64> =
        page.runs.iter().map(|run| ((&run.root, run.origin), run.last_seq())).collect();
    let mut entries = wants.entries.clone();
    for want in &mut entries {
        let end = ends.get(&(&want.root, want.origin)).copied().unwrap_or(0);
        want.after = want.after.max(end);
    }
    entries.retain(|want| want.after < want.until);
    Wants { entries }
}

fn by_place(page: &HeadsPage) -> BTreeMap<Place, &HeadEntry> {
    page.entries.iter().map(|head| ((head.root.clone(), head.origin), head)).collect()
}

/// Where the next page starts.
fn next_of(heads: &Heads) -> Option<After> {
    let (text, place) = heads.next.clone().zip(heads.page.next.as_ref())?;
    Some(After::new(text, place))
}
