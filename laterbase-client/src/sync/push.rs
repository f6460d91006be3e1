//! Sending what the server lacks.

use bytes::Bytes;
use http::StatusCode;
use laterbase_core::delta::Delta;
use laterbase_core::fork::{Doubt, HeldBack};
use laterbase_core::reader::WantedPage;
use laterbase_core::wants::{Want, Wants};

use super::ahead::Ahead;
use super::lacking::Lacking;
use super::pull::is_gone;
use super::session::{Session, Turn};
use super::{SyncError, blocking};
use crate::client::{ArrivalsQuery, ClientError, Problem, Pushed};
use crate::local::Local;
use crate::peers;
use crate::transport::{Transport, TransportError};

/// Most bytes that are sent to a server that has not answered anything yet.
const UNHEARD_BYTES_MAX: usize = 64 * 1024;

/// A single event of fewer bytes is not suspected of being too large where the link breaks.
const SUSPECT_BYTES_MIN: usize = 64 * 1024;

/// How often in a row the link breaks under such an event before it is set aside.
const BREAKS_MAX: u32 = 3;

/// How often a server may change its mind about what it holds, without a page in between.
const HOLES_MAX: u32 = 3;

impl<L: Local, T: Transport> Session<'_, L, T> {
    /// Pushes pages until the server lacks nothing of what was held at the start.
    pub(super) async fn push(&mut self) -> Result<Turn, SyncError> {
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

    pub(super) fn lacking(&self, after: Option<&peers::Place>) -> Result<Lacking, SyncError> {
        let (reader, peer) = (self.reader(), self.peer());
        let (selection, excluded) = (&self.options.roots, &self.excluded);
        Ok(blocking(|| Lacking::find(reader, peer, selection, excluded, after))?)
    }

    /// Pushes stretches of events, page by page. `level` is the local log's position that the
    /// server is level with once it has them all.
    async fn push_stretches(
        &mut self,
        mut wants: Vec<Want>,
        level: Option<u64>,
    ) -> Result<Turn, SyncError> {
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
            let pushing = Ahead::start((), self.client.push(bytes)).await;
            // While the server stores this page, the next one is made.
            let behind = first_of(&wants, &delivered, self.page_size.events());
            let behind = if behind.is_empty() { None } else { Some(self.outgoing(behind)?) };
            match pushing.answer(&()).await.expect("this is the question") {
                Ok(answer) if answer.stored.checked_add(answer.known) != Some(events) => {
                    let detail = "the server took another number of events than were sent";
                    self.page_failed(ClientError::protocol(detail)).await?;
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
                    self.page_is_held(&answer, &delivered, level)?;
                    (holes, next) = (0, behind);
                }
                Err(ClientError::Problem(problem)) if problem.root.is_some() => {
                    holes += u32::from(problem.is("hole"));
                    if holes > HOLES_MAX {
                        return Ok(Turn::Handshake);
                    }
                    self.refused(problem, &mut wants)?;
                }
                Err(error) => {
                    let alone = delivered.first().filter(|_| events == 1);
                    self.not_through(error, size, alone, &mut wants).await?;
                }
            }
        }
        Ok(Turn::Done)
    }

    /// Whether the server answers. One that does not is found out with less than a page.
    async fn is_there(&mut self) -> Result<bool, SyncError> {
        loop {
            match self.client.heads(&self.options.roots, None, 1).await {
                Ok(heads) => {
                    self.was_heard = true;
                    return Ok(heads.replica == self.peer());
                }
                Err(error) => self.page_failed(error).await?,
            }
        }
    }

    /// Takes in that a page of so many bytes did not get through; `alone` is its event if it had
    /// one only. An event that does not get through on its own is set aside, with all that follow
    /// it of its origin in that root, and the others go on.
    async fn not_through(
        &mut self,
        error: ClientError,
        size: usize,
        alone: Option<&Want>,
        wants: &mut Vec<Want>,
    ) -> Result<(), SyncError> {
        let is_break = matches!(error, ClientError::Transport(TransportError::Broken { .. }));
        if is_break {
            self.page_size.broke(size);
            self.breaks += u32::from(alone.is_some() && size >= SUSPECT_BYTES_MIN);
        }
        let is_refused = error.is_too_large();
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
        if is_refused { Ok(()) } else { self.page_failed(error).await }
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

    /// Whether what was pushed before is still in the server's log. It is asked where a page landed
    /// elsewhere than right behind that: a server that was set back meanwhile would not be noticed
    /// any more once the new place is remembered instead of the old one.
    async fn holds_what_was_pushed(&mut self, answer: &Pushed) -> Result<bool, SyncError> {
        let Some(mark) = self.state.mark.clone() else { return Ok(true) };
        if answer.before == answer.after || answer.before == mark {
            return Ok(true);
        }
        let (cursor, seen) = (mark.as_str(), Some(answer.after.as_str()));
        let selection = &self.options.roots;
        let query = ArrivalsQuery { cursor, selection, limit: 1, not: None, asking: None, seen };
        loop {
            match self.client.arrivals(&query).await {
                Ok(arrivals) => return Ok(arrivals.replica == self.peer()),
                Err(error) if is_gone(&error) => return Ok(false),
                Err(error) => self.page_failed(error).await?,
            }
        }
    }

    /// Makes a page of the first events of some stretches.
    fn outgoing(&self, stretches: Vec<Want>) -> Result<Outgoing, SyncError> {
        let (events, bytes) = (self.page_size.events(), self.page_size.bytes());
        let wants = Wants { entries: stretches };
        let page = blocking(|| self.reader().wanted_delta(&wants, events, bytes))?;
        let delivered = self.delivered(&wants, &page)?;
        let (stretches, events) = (wants.entries.len(), page.events as u64);
        Ok(Outgoing { stretches, bytes: page.bytes.into(), events, delivered })
    }

    /// What is on a page that answers a request list of our own.
    fn delivered(&self, wants: &Wants, page: &WantedPage) -> Result<Vec<Want>, SyncError> {
        if !self.reader().damaged().is_empty() {
            // Something was left out; only the page itself tells what.
            let delta =
                Delta::decode(&page.bytes).map_err(laterbase_core::replica::WriteError::from)?;
            let stretch = |run: &laterbase_core::delta::Run<'_>| Want {
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

    /// Remembers that the server holds a page, in one commit with where that landed.
    fn page_is_held(
        &mut self,
        answer: &Pushed,
        delivered: &[Want],
        level: Option<u64>,
    ) -> Result<(), SyncError> {
        let peer = self.peer();
        let entry = |want: &Want| peers::entry(peer, (&want.root, want.origin), want.until);
        let entries = delivered.iter().map(entry).collect();
        let mut state = self.state.clone();
        state.pushed(answer);
        if let Some(level) = level.filter(|_| self.excluded.is_empty()) {
            state.level = level;
        }
        self.commit(entries, state)?;
        self.progress.pushed += answer.stored;
        self.breaks = 0;
        self.headway.made();
        self.page_succeeded();
        Ok(())
    }

    /// Takes in why the server did not take a page, and changes accordingly what is to be pushed.
    fn refused(&mut self, problem: Box<Problem>, wants: &mut Vec<Want>) -> Result<(), SyncError> {
        let (Some(root), origin) = (problem.root.clone(), problem.origin) else {
            return Err(ClientError::Problem(problem).into());
        };
        let is_not_taken = matches!(problem.status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN);
        if is_not_taken && wants.iter().any(|want| want.root == root) {
            wants.retain(|want| want.root != root);
            self.excluded.roots.insert(root);
            return Ok(());
        }
        let at_fault = |want: &Want| want.root == root && Some(want.origin) == origin;
        let Some(index) = wants.iter().position(at_fault) else {
            return Err(ClientError::Problem(problem).into());
        };
        let held = problem.held.filter(|held| *held < wants[index].after);
        match (problem.is("hole"), held) {
            (true, Some(held)) => {
                let want = &mut wants[index];
                want.after = held;
                let entry = peers::entry(self.peer(), (&want.root, want.origin), held);
                self.commit(vec![entry], self.state.clone())
            }
            _ if problem.is("fork") => {
                let Want { root, origin, until, .. } = wants.remove(index);
                let (place, seq) = ((root.clone(), origin), problem.seq.unwrap_or(until));
                self.doubts.insert(place.clone(), seq);
                self.excluded.places.insert(place.clone());
                // Whether it is one here too shows when the two histories are compared.
                let reason = Doubt::ForkAtPeer { seq };
                self.held_back.insert(place, HeldBack { root, origin, seq, reason });
                Ok(())
            }
            _ => Err(ClientError::Problem(problem).into()),
        }
    }
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
