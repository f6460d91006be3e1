//! How messages are delivered, and pages are stored and checked.

use std::fmt;

use laterbase_core::delta::Delta;
use laterbase_core::fork::{Doubt, HeldBack};
use laterbase_core::replica::{MergedPage, Replica, WriteError};
use laterbase_core::sync::message::{Answer, Refusal};
use laterbase_core::sync::{Incoming, Taken};

use super::checkers::{clock, fork};
use super::expected::{Expected, followed};
use super::network::{Envelope, Message};
use super::outcome::{Verdict, ensure, no_reason};
use super::peers::Change;
use super::world::World;

/// How a page comes to a device.
#[derive(Clone, Copy, Debug)]
pub(super) enum Landing<'p> {
    /// It is pushed, and is taken whole or not at all.
    Pushed,
    /// It is heard of, and what fits is taken.
    Heard,
    /// As a session's, with what is to be remembered.
    Session(&'p Incoming),
}

/// What came of a page.
#[derive(Default)]
pub(super) struct Landed {
    pub merged: MergedPage,
    /// As the session is to be told.
    pub taken: Option<Taken>,
}

impl fmt::Debug for Landed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.merged)
    }
}

impl World {
    pub(super) fn send(&mut self, from: usize, to: usize, message: Message) {
        let envelope = Envelope { from, to, message };
        if self.is_calm {
            self.network.send_safely(envelope, self.now);
        } else {
            self.network.send(envelope, self.now, &self.options.network, &mut self.dice);
        }
    }

    /// Delivers the next message that is due, if there is one.
    pub(super) fn deliver_next(&mut self) -> Verdict {
        self.fire_timers()?;
        if self.dice.chance(300)
            && let Some(time) = self.network.next_time()
        {
            self.now = self.now.max(time);
        }
        let Some(envelope) = self.network.next_due(self.now) else { return Ok(()) };
        let (from, to) = (&self.nodes[envelope.from], &self.nodes[envelope.to]);
        let apart = from.offline_until.max(to.offline_until) > self.now;
        if apart || !to.is_up() || from.is_retired {
            self.network.lost += 1;
            return Ok(());
        }
        let busy_until = to.busy_until;
        if busy_until > self.now {
            self.network.put(envelope, busy_until);
            return Ok(());
        }
        let index = envelope.to;
        self.take(envelope)?;
        self.after_use(index)
    }

    fn take(&mut self, envelope: Envelope) -> Verdict {
        let Envelope { from, to, message } = envelope;
        match message {
            Message::Question { number, question, is_damaged } => {
                if let Some(answer) = self.answer(to, &question, is_damaged)? {
                    let is_damaged = false;
                    self.send(to, from, Message::Answer { number, answer, is_damaged });
                }
                Ok(())
            }
            Message::Answer { number, answer, is_damaged } => {
                self.check_damage(to, &answer, is_damaged)?;
                self.take_answer(to, from, number, answer)
            }
        }
    }

    /// The page of an answer can be read, unless it was damaged on its way.
    fn check_damage(
        &mut self,
        index: usize,
        answer: &Result<Answer, Refusal>,
        is_damaged: bool,
    ) -> Verdict {
        let page = match answer {
            Ok(Answer::Arrivals(arrivals)) => arrivals.page.as_ref(),
            Ok(Answer::Wanted(wanted)) => Some(&wanted.page),
            _ => None,
        };
        page.map_or(Ok(()), |page| self.decode(index, page, is_damaged).map(|_delta| ()))
    }

    /// Reads a page, which fails exactly if it was damaged on its way.
    pub(super) fn decode<'p>(
        &mut self,
        index: usize,
        bytes: &'p [u8],
        is_damaged: bool,
    ) -> Verdict<Option<Delta<'p>>> {
        let delta = Delta::decode(bytes);
        ensure(delta.is_err() == is_damaged, "damage is found", || {
            format!("a page, damaged: {is_damaged}, was read as {delta:?}")
        })?;
        if is_damaged {
            self.say(format_args!("{index} gets a damaged page"));
        }
        Ok(delta.ok())
    }

    /// Merges a delta at a device, and checks the answer.
    pub(super) fn merge(
        &mut self,
        index: usize,
        delta: &Delta<'_>,
        landing: Landing<'_>,
    ) -> Verdict<Result<Landed, WriteError>> {
        let node = &mut self.nodes[index];
        let wall = node.wall(self.now);
        for event in delta.runs.iter().flat_map(|run| &run.events) {
            clock::heard(node, wall, event.recorded);
        }
        let followed = followed(&node.memory, &self.ledger, delta);
        let Some(replica) = &mut node.replica else { return Ok(Ok(Landed::default())) };
        if followed.is_some() {
            node.rewriting.clone_from(&followed);
        }
        let staged = stage(replica, delta, landing, wall);
        // What somebody else decided is done by itself, before the page is staged.
        if let Some(fork) = &followed {
            if let Err(WriteError::Store(error)) = &staged {
                self.expect_fault(index, "following a decision", Some(error))?;
                self.nodes[index].end_in_doubt();
                return Ok(staged);
            }
            let is_done = node.observe_rewriting(&mut self.ledger, fork)?;
            ensure(is_done || staged.is_err(), "a branch is followed", || format!("{fork:?}"))?;
            let id = node.reader().map(|reader| reader.replica_id());
            node.gave_up(is_done.then_some(fork.origin), id)?;
            self.outcome.followed += u64::from(is_done);
        }
        let node = &mut self.nodes[index];
        let expected = match landing {
            Landing::Pushed => Expected::of_whole(node, &self.ledger, delta),
            Landing::Heard | Landing::Session(_) => Expected::of(node, &self.ledger, delta),
        };
        let Some(replica) = &mut node.replica else { return Ok(Ok(Landed::default())) };
        let changes: Vec<Change> = match &staged {
            Ok(Landed { taken: Some(taken), .. }) => taken.remembered.clone(),
            _ => Vec::new(),
        };
        let answer = commit(replica, staged);
        let arrived = node.observe(&mut self.ledger)? as u64;
        self.take_down(index, expected.new, changes, answer.as_ref().err());
        self.check_marks(index, delta, &expected, &answer)?;
        self.check_answer_to_page(index, &expected, &answer, arrived)?;
        Ok(answer)
    }

    /// Compares the marks of forks before and after a page.
    fn check_marks(
        &mut self,
        index: usize,
        delta: &Delta<'_>,
        expected: &Expected,
        answer: &Result<Landed, WriteError>,
    ) -> Verdict {
        let node = &mut self.nodes[index];
        let Some(after) = node.reader().map(|reader| reader.forks()) else { return Ok(()) };
        let before = std::mem::replace(&mut node.memory.forks, after);
        if !matches!(answer, Err(WriteError::Store(_))) {
            let marks = (before.as_slice(), node.memory.forks.as_slice());
            fork::check_page(marks, delta, expected, &self.ledger)?;
            self.check_forks(index)?;
        }
        Ok(())
    }

    fn check_answer_to_page(
        &mut self,
        index: usize,
        expected: &Expected,
        answer: &Result<Landed, WriteError>,
        arrived: u64,
    ) -> Verdict {
        match answer {
            Ok(Landed { merged: MergedPage { merged, held_back }, .. }) => {
                self.outcome.merged += arrived;
                self.outcome.forks += forks_in(held_back);
                let counts = (merged.stored, merged.known);
                ensure(
                    arrived == expected.new
                        && counts == (expected.new, expected.known)
                        && *held_back == expected.held_back,
                    "a merge is a union",
                    || format!("{merged:?}, {arrived} arrived, {held_back:?} where {expected:?}"),
                )?;
                self.check_identity(index, expected.shows_own)
            }
            Err(error) => {
                ensure(arrived == 0, "a refused delta leaves no trace", || {
                    format!("{arrived} events are there after {error}")
                })?;
                self.check_merge_refusal(index, expected, error)
            }
        }
    }

    /// A device that is shown more of its own history than it holds writes under another id from
    /// then on, and only then.
    fn check_identity(&mut self, index: usize, shown_own: bool) -> Verdict {
        let node = &mut self.nodes[index];
        let id = node.replica.as_ref().map(Replica::id);
        ensure((id != node.id) == shown_own, "an id in doubt is given up", || {
            format!("{:?} was shown more of its own: {shown_own}; it is {id:?} now", node.id)
        })?;
        node.id = id;
        node.memory.own_ids.extend(id);
        Ok(())
    }

    fn check_merge_refusal(
        &mut self,
        index: usize,
        expected: &Expected,
        error: &WriteError,
    ) -> Verdict {
        let told = match error {
            WriteError::Store(error) => return self.expect_fault(index, "a merge", Some(error)),
            WriteError::Hole { root, origin, held_seq, held } => {
                let vv = self.nodes[index].memory.version_vector(root);
                ensure(*held == vv, "a hole is told", || format!("{held:?} where {vv:?} is held"))?;
                (root, *origin, None, *held_seq)
            }
            WriteError::Fork { root, origin, seq } => (root, *origin, Some(*seq), 0),
            error => return Err(no_reason("no needless refusal", "a merge", error)),
        };
        // Of several reasons, the first one on the page is told.
        let is_first = expected.held_back.first().is_some_and(|held| {
            let (seq, held_seq) = match held.reason {
                Doubt::Fork { seq, .. } => (Some(seq), 0),
                Doubt::Hole { held_seq } => (None, held_seq),
                _ => return false,
            };
            told == (&held.root, held.origin, seq, held_seq)
        });
        ensure(is_first, "no needless refusal", || format!("{error} where {expected:?}"))?;
        self.outcome.forks += forks_in(&expected.held_back);
        self.check_identity(index, expected.shows_own)
    }
}

fn forks_in(held_back: &[HeldBack]) -> u64 {
    held_back.iter().filter(|held| matches!(held.reason, Doubt::Fork { .. })).count() as u64
}

fn stage(
    replica: &mut Replica,
    delta: &Delta<'_>,
    landing: Landing<'_>,
    wall: i64,
) -> Result<Landed, WriteError> {
    match landing {
        Landing::Pushed => replica.stage_merge(delta, wall).map(|merged| Landed {
            merged: MergedPage { merged, held_back: Vec::new() },
            taken: None,
        }),
        Landing::Heard => {
            replica.stage_merge_page(delta, wall).map(|merged| Landed { merged, taken: None })
        }
        Landing::Session(page) => {
            // Nothing else is staged, and nobody else writes.
            let position = replica.reader().head();
            let taken = page.stage(replica, wall, Some(position))?;
            Ok(Landed { merged: taken.merged.clone(), taken: Some(taken) })
        }
    }
}

/// Commits what was staged of a page. What is learned of a fork is committed also where the page is
/// refused.
fn commit(replica: &mut Replica, staged: Result<Landed, WriteError>) -> Result<Landed, WriteError> {
    replica.commit()?;
    staged
}
