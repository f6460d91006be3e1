//! Sending what the peer lacks.

use bytes::Bytes;

use super::acknowledged::entry;
use super::course::{Course, Failure, Turn};
use super::lacking::Lacking;
use super::message::{Pushed, Question, Refusal};
use super::{Place, SessionError};
use crate::delta::{Delta, Run};
use crate::fork::{Doubt, HeldBack};
use crate::id::{ReplicaId, RootName};
use crate::reader::WantedPage;
use crate::replica::WriteError;
use crate::wants::{Want, Wants};

/// Most bytes that are sent to a peer that has not answered anything yet.
const UNHEARD_BYTES_MAX: usize = 64 * 1024;

/// A single event of fewer bytes is not suspected of being too large where the link breaks.
const SUSPECT_BYTES_MIN: usize = 64 * 1024;

/// How often in a row the link breaks under such an event before it is set aside.
const BREAKS_MAX: u32 = 3;

/// How often a peer may change its mind about what it holds, without a page in between.
const HOLES_MAX: u32 = 3;

impl Course {
    /// Pushes pages until the peer lacks nothing of what was held at the start.
    pub(super) async fn push(&mut self) -> Result<Turn, SessionError> {
        let head = self.reader().head();
        if head == self.state.level {
            return Ok(Turn::Done);
        }
        let mut after = None;
        loop {
            let lacking = self.lacking(after.as_ref())?;
            let to_push = self.progress.pushed + lacking.event_count;
            self.progress.to_push = match &after {
                None => to_push,
                Some(_) => self.progress.to_push.max(to_push),
            };
            if !lacking.stretches.is_empty() {
                self.tell_progress();
            }
            let level = lacking.next.is_none().then_some(head);
            let turn = self.push_stretches(lacking.stretches, level).await?;
            if turn != Turn::Done {
                return Ok(turn);
            }
            after = lacking.next;
            if after.is_none() {
                break;
            }
        }
        if self.excluded.is_empty() {
            self.state.level = self.state.level.max(head);
        }
        Ok(Turn::Done)
    }

    pub(super) fn lacking(&self, after: Option<&Place>) -> Result<Lacking, SessionError> {
        let (reader, peer) = (self.reader(), self.peer());
        Ok(Lacking::find(reader, peer, &self.options.roots, &self.excluded, after)?)
    }

    /// Pushes stretches of events, page by page. `level` is the local log's position that the
    /// peer is level with once it has them all.
    async fn push_stretches(
        &mut self,
        mut wants: Vec<Want>,
        level: Option<u64>,
    ) -> Result<Turn, SessionError> {
        let (mut holes, mut next) = (0, None);
        while !wants.is_empty() {
            if self.is_out_of_time() {
                return Ok(Turn::Paused);
            }
            let page = match next.take() {
                Some(page) => page,
                None => self.outgoing(first_of(&wants, &[], self.page_size.events()))?,
            };
            let Outgoing { stretches, bytes, events, delivered } = page;
            let size = bytes.len();
            if size > UNHEARD_BYTES_MAX && !self.was_heard && !self.is_there().await? {
                return Ok(Turn::Handshake);
            }
            if events == 0 {
                // Damaged here: `verify` tells more.
                let damaged = wants.drain(..stretches);
                self.excluded.places.extend(damaged.map(|want| (want.root, want.origin)));
                continue;
            }
            let question = Question::Push { page: bytes };
            self.desk.begin(question.clone()).await;
            // While the peer stores this page, the next one is made.
            let behind = first_of(&wants, &delivered, self.page_size.events());
            let behind = if behind.is_empty() { None } else { Some(self.outgoing(behind)?) };
            match self.desk.push(question).await {
                Ok(answer) if answer.stored.checked_add(answer.known) != Some(events) => {
                    let detail = "the server took another number of events than were sent";
                    self.page_failed(Failure::Nonsense(detail.to_owned())).await?;
                }
                Ok(answer) => {
                    if answer.replica.is_some_and(|replica| replica != self.peer()) {
                        // It has given up its id, maybe because of this page.
                        self.progress.pushed += answer.stored;
                        return Ok(Turn::Handshake);
                    }
                    if !self.holds_what_was_pushed(&answer).await? {
                        return Ok(Turn::Handshake);
                    }
                    remove(&mut wants, &delivered);
                    let level = level.filter(|_| wants.is_empty());
                    self.page_size.passes(size);
                    self.page_is_held(&answer, &delivered, level).await?;
                    (holes, next) = (0, behind);
                }
                Err(Refusal::RootNotTaken { root }) => self.not_taken(root, &mut wants)?,
                Err(Refusal::Hole { root, origin, held }) => {
                    holes += 1;
                    if holes > HOLES_MAX {
                        return Ok(Turn::Handshake);
                    }
                    self.lacks_more((root, origin), held, &mut wants).await?;
                }
                Err(Refusal::Fork { root, origin, seq }) => {
                    self.differs((root, origin), seq, &mut wants)?;
                }
                Err(refusal) => {
                    let alone = delivered.first().filter(|_| events == 1);
                    self.not_through(refusal, size, alone, &mut wants).await?;
                }
            }
        }
        Ok(Turn::Done)
    }

    /// Whether the peer answers. One that does not is found out with less than a page.
    async fn is_there(&mut self) -> Result<bool, SessionError> {
        loop {
            let roots = self.options.roots.clone();
            match self.desk.heads(Question::Heads { roots, after: None, limit: 1 }).await {
                Ok(heads) => {
                    self.was_heard = true;
                    return Ok(heads.replica == self.peer());
                }
                Err(refusal) => self.page_failed(refusal).await?,
            }
        }
    }

    /// Takes in that a page of so many bytes did not get through; `alone` is its event if it had
    /// one only. An event that does not get through on its own is set aside, with all that follow
    /// it of its origin in that root, and the others go on.
    async fn not_through(
        &mut self,
        refusal: Refusal,
        size: usize,
        alone: Option<&Want>,
        wants: &mut Vec<Want>,
    ) -> Result<(), SessionError> {
        if refusal == Refusal::Broken {
            self.page_size.broke(size);
            self.breaks += u32::from(alone.is_some() && size >= SUSPECT_BYTES_MIN);
        }
        let is_refused = refusal == Refusal::TooLarge;
        if is_refused {
            self.was_heard = true;
            self.page_refused(size)?;
        }
        if let Some(alone) = alone
            && (is_refused || self.breaks >= BREAKS_MAX)
        {
            self.breaks = 0;
            wants.retain(|want| (&want.root, want.origin) != (&alone.root, alone.origin));
            self.set_aside(alone, size, true);
        }
        if is_refused { Ok(()) } else { self.page_failed(refusal).await }
    }

    /// Leaves an event where it is, as it is too large to get through, and what follows it.
    pub(super) fn set_aside(&mut self, alone: &Want, size: usize, is_ours: bool) {
        let passed_bytes = self.page_size.passed().filter(|_| is_ours).map(|bytes| bytes as u64);
        let reason = Doubt::TooLarge { size_bytes: size as u64, passed_bytes, is_ours };
        let seq = if is_ours { alone.until } else { alone.after + 1 };
        let (root, origin) = (alone.root.clone(), alone.origin);
        let place = (root.clone(), origin);
        self.excluded.places.insert(place.clone());
        self.held_back.insert(place, HeldBack { root, origin, seq, reason });
    }

    /// Whether what was pushed before is still in the peer's log. It is asked where a page landed
    /// elsewhere than right behind that: a peer that was set back meanwhile would not be noticed
    /// any more once the new place is remembered instead of the old one.
    async fn holds_what_was_pushed(&mut self, answer: &Pushed) -> Result<bool, SessionError> {
        let Some(mark) = self.state.mark.clone() else { return Ok(true) };
        if answer.before == answer.after || answer.before == mark {
            return Ok(true);
        }
        let question = Question::Arrivals {
            roots: self.options.roots.clone(),
            cursor: mark,
            not: None,
            seen: Some(answer.after.clone()),
            asking: None,
            limit: 1,
        };
        loop {
            match self.desk.arrivals(question.clone()).await {
                Ok(arrivals) => return Ok(arrivals.replica == self.peer()),
                Err(Refusal::CursorGone) => return Ok(false),
                Err(refusal) => self.page_failed(refusal).await?,
            }
        }
    }

    /// Makes a page of the first events of some stretches.
    fn outgoing(&self, stretches: Vec<Want>) -> Result<Outgoing, SessionError> {
        let (events, bytes) = (self.page_size.events(), self.page_size.bytes());
        let wants = Wants { entries: stretches };
        let page = self.reader().wanted_delta(&wants, events, bytes)?;
        let delivered = self.delivered(&wants, &page)?;
        let (stretches, events) = (wants.entries.len(), page.events as u64);
        Ok(Outgoing { stretches, bytes: page.bytes.into(), events, delivered })
    }

    /// What is on a page that answers a request list of our own.
    fn delivered(&self, wants: &Wants, page: &WantedPage) -> Result<Vec<Want>, SessionError> {
        if !self.reader().damaged().is_empty() {
            // Something was left out; only the page itself tells what.
            let delta = Delta::decode(&page.bytes).map_err(WriteError::from)?;
            let stretch = |run: &Run<'_>| Want {
                root: run.root.clone(),
                origin: run.origin,
                after: run.first_seq - 1,
                until: run.last_seq(),
            };
            return Ok(delta.runs.iter().map(stretch).collect());
        }
        let mut left = page.events as u64;
        let mut delivered = Vec::new();
        for want in &wants.entries {
            let count = left.min(want.until - want.after);
            if count == 0 {
                break;
            }
            left -= count;
            delivered.push(Want { until: want.after + count, ..want.clone() });
        }
        Ok(delivered)
    }

    /// Remembers that the peer holds a page, in one commit with where that landed.
    async fn page_is_held(
        &mut self,
        answer: &Pushed,
        delivered: &[Want],
        level: Option<u64>,
    ) -> Result<(), SessionError> {
        let peer = self.peer();
        let held = |want: &Want| entry(peer, (&want.root, want.origin), want.until);
        let entries = delivered.iter().map(held).collect();
        let mut state = self.state.clone();
        state.pushed(answer);
        if let Some(level) = level.filter(|_| self.excluded.is_empty()) {
            state.level = level;
        }
        self.commit(entries, state).await?;
        self.progress.pushed += answer.stored;
        self.breaks = 0;
        self.headway.made();
        self.page_succeeded();
        Ok(())
    }

    /// Takes in that the peer does not take a root: nothing of it is pushed.
    fn not_taken(&mut self, root: RootName, wants: &mut Vec<Want>) -> Result<(), SessionError> {
        if wants.iter().all(|want| want.root != root) {
            return Err(SessionError::Refused);
        }
        wants.retain(|want| want.root != root);
        self.excluded.roots.insert(root);
        Ok(())
    }

    /// Takes in that the peer holds less of an origin than it was believed to.
    async fn lacks_more(
        &mut self,
        place: Place,
        held: Option<u64>,
        wants: &mut [Want],
    ) -> Result<(), SessionError> {
        let want = wants.iter_mut().find(|want| is_of(want, &place));
        let Some((want, held)) = want.zip(held).filter(|(want, held)| *held < want.after) else {
            return Err(SessionError::Refused);
        };
        want.after = held;
        let entry = entry(self.peer(), (&place.0, place.1), held);
        self.commit(vec![entry], self.state.clone()).await
    }

    /// Takes in that the peer holds another history of an origin: nothing of it is pushed, and it
    /// is looked into.
    fn differs(
        &mut self,
        place: Place,
        seq: Option<u64>,
        wants: &mut Vec<Want>,
    ) -> Result<(), SessionError> {
        let Some(index) = wants.iter().position(|want| is_of(want, &place)) else {
            return Err(SessionError::Refused);
        };
        let Want { root, origin, until, .. } = wants.remove(index);
        let seq = seq.unwrap_or(until);
        self.doubts.insert(place.clone(), seq);
        self.excluded.places.insert(place.clone());
        // Whether it is one here too shows when the two histories are compared.
        let reason = Doubt::ForkAtPeer { seq };
        self.held_back.insert(place, HeldBack { root, origin, seq, reason });
        Ok(())
    }
}

fn is_of(want: &Want, (root, origin): &(RootName, ReplicaId)) -> bool {
    (&want.root, want.origin) == (root, *origin)
}

/// A page to be pushed.
struct Outgoing {
    /// How many of the stretches that are to be pushed it was made from, the first ones.
    stretches: usize,
    bytes: Bytes,
    events: u64,
    /// What is on it.
    delivered: Vec<Want>,
}

/// The first stretches behind what was delivered, until they have so many events.
fn first_of(wants: &[Want], delivered: &[Want], events: usize) -> Vec<Want> {
    let (mut delivered, mut left) = (delivered.iter().peekable(), events as u64);
    let mut first = Vec::new();
    for want in wants {
        if left == 0 {
            break;
        }
        let is_same = |done: &&Want| (&done.root, done.origin) == (&want.root, want.origin);
        let after = delivered.next_if(is_same).map_or(want.after, |done| done.until);
        if after < want.until {
            left = left.saturating_sub(want.until - after);
            first.push(Want { after, ..want.clone() });
        }
    }
    first
}

/// Takes what was delivered off what is to be pushed.
fn remove(wants: &mut Vec<Want>, delivered: &[Want]) {
    let mut delivered = delivered.iter().peekable();
    wants.retain_mut(|want| {
        if let Some(done) = delivered.peek()
            && (&done.root, done.origin) == (&want.root, want.origin)
        {
            want.after = done.until;
            delivered.next();
        }
        want.after < want.until
    });
}
