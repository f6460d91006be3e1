//! How messages are delivered and taken, and sync by version vectors: push and pull by pages.

use laterbase_core::delta::Delta;
use laterbase_core::fork::{Doubt, HeldBack};
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::replica::{MergedPage, Replica, WriteError};
use laterbase_core::version_vector::VersionVector;

use super::checkers::{clock, fork};
use super::expected::{Expected, followed};
use super::network::{Envelope, Held, Holding, Message, Page};
use super::outcome::{Verdict, ensure, no_reason};
use super::peers::Change;
use super::world::World;

impl World {
    pub(super) fn send(&mut self, from: usize, to: usize, message: Message) {
        let Some(sender) = self.nodes[from].id else { return };
        let envelope = Envelope { from, to, sender, message };
        if self.is_calm {
            self.network.send_safely(envelope, self.now);
        } else {
            self.network.send(envelope, self.now, &self.options.network, &mut self.dice);
        }
    }

    /// Delivers the next message that is due, if there is one.
    pub(super) fn deliver_next(&mut self) -> Verdict {
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
        let Envelope { from, to, sender, message } = envelope;
        match message {
            Message::Greet => {
                // Before what is held is looked at: going on from there then loses nothing.
                let Some(cursor) = self.cursor(to) else { return Ok(()) };
                let held = self.heads(to, None);
                self.send(to, from, Message::Holding(Holding { held, cursor }));
                Ok(())
            }
            Message::Holding(holding) => self.take_holding(to, (from, sender), holding),
            Message::Ask { root, vv } => self.send_page(to, from, root, &vv, false),
            Message::Page(page) => self.take_page(to, (from, sender), page),
            Message::Held(held) => self.take_held(to, (from, sender), held),
            Message::Since(since) => self.send_arrivals(to, from, &since),
            Message::Arrived(page) => self.take_arrivals(to, (from, sender), &page),
            Message::Look { root, origin, after } => self.show(to, from, (root, origin, after)),
            Message::Shown(shown) => self.take_shown(to, from, shown),
            Message::Gone => {
                self.outcome.cursors_gone += 1;
                self.send(to, from, Message::Greet);
                Ok(())
            }
        }
    }

    /// Sends what the other one lacks, a page of it. Pushes nothing where nothing is lacking.
    pub(super) fn send_page(
        &mut self,
        index: usize,
        other: usize,
        root: RootName,
        vv: &VersionVector,
        is_pushed: bool,
    ) -> Verdict {
        let Some(reader) = self.nodes[index].reader() else { return Ok(()) };
        let (events, bytes) = (self.options.page_events, self.options.page_bytes);
        let page = match reader.delta(&root, vv, events, bytes) {
            Ok(page) => page,
            Err(laterbase_core::reader::ReadError::Store(error)) => {
                return self.expect_fault(index, "reading a delta", Some(&error));
            }
            Err(error) => return Err(no_reason("no needless error", "reading a delta", &error)),
        };
        if page.events > 0 || !is_pushed {
            let page = Page {
                root,
                bytes: page.bytes,
                vv: page.vv,
                more: page.more,
                is_pushed,
                is_damaged: false,
            };
            self.say(format_args!("{index} sends {other} {} bytes", page.bytes.len()));
            self.send(index, other, Message::Page(page));
        }
        Ok(())
    }

    fn take_page(
        &mut self,
        index: usize,
        (other, sender): (usize, ReplicaId),
        page: Page,
    ) -> Verdict {
        let Some(delta) = self.decode(index, &page.bytes, page.is_damaged)? else { return Ok(()) };
        let Some(before) = self.cursor(index) else { return Ok(()) };
        let answer = self.merge(index, &delta, Vec::new(), page.is_pushed)?;
        self.say(format_args!("{index} takes a page of {other}: {answer:?}"));
        if let Ok(merged) = &answer {
            self.look_into(index, other, &merged.held_back);
        }
        self.heal(index)?;
        let misfit = matches!(answer, Err(WriteError::Hole { .. } | WriteError::Fork { .. }));
        if page.is_pushed {
            let Some(after) = self.cursor(index).filter(|_| answer.is_ok() || misfit) else {
                return Ok(());
            };
            let held = self.heads(index, Some(&page.root));
            let held = Held { root: page.root, held, before, after, pushed_by: sender };
            self.send(index, other, Message::Held(held));
            return Ok(());
        }
        let held_back = answer.as_ref().is_ok_and(|merged| !merged.held_back.is_empty());
        if page.more && answer.is_ok() {
            // The vv of the page is as good as one's own, if the page was taken.
            let is_whole = !held_back && self.dice.chance(500);
            let held = self.nodes[index].memory.version_vector(&page.root);
            let vv = if is_whole { page.vv } else { held };
            let vv = self.beside_doubts(index, &page.root, vv);
            self.send(index, other, Message::Ask { root: page.root, vv });
        }
        self.meet(index, other)
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

    /// Merges a delta at a device, remembers something in the same commit, and checks the answer.
    /// A device that is pushed to takes the page whole or not at all; else it takes what fits.
    pub(super) fn merge(
        &mut self,
        index: usize,
        delta: &Delta<'_>,
        changes: Vec<Change>,
        is_pushed: bool,
    ) -> Verdict<Result<MergedPage, WriteError>> {
        let node = &mut self.nodes[index];
        let wall = node.wall(self.now);
        for event in delta.runs.iter().flat_map(|run| &run.events) {
            clock::heard(node, wall, event.recorded);
        }
        let followed = followed(&node.memory, &self.ledger, delta);
        let Some(replica) = &mut node.replica else { return Ok(Ok(MergedPage::default())) };
        if followed.is_some() {
            node.rewriting.clone_from(&followed);
        }
        let staged = if is_pushed {
            replica.stage_merge(delta, wall).map(|merged| MergedPage { merged, held_back: vec![] })
        } else {
            replica.stage_merge_page(delta, wall)
        };
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
        let expected = if is_pushed {
            Expected::of_whole(node, &self.ledger, delta)
        } else {
            Expected::of(node, &self.ledger, delta)
        };
        let Some(replica) = &mut node.replica else { return Ok(Ok(MergedPage::default())) };
        let answer = commit_and_remember(replica, staged, &changes);
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
        answer: &Result<MergedPage, WriteError>,
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
        answer: &Result<MergedPage, WriteError>,
        arrived: u64,
    ) -> Verdict {
        match answer {
            Ok(MergedPage { merged, held_back }) => {
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

/// Commits what was staged of a page, and something to be remembered with it. What is learned of a
/// fork is committed also where the page is refused.
fn commit_and_remember(
    replica: &mut Replica,
    staged: Result<MergedPage, WriteError>,
    changes: &[Change],
) -> Result<MergedPage, WriteError> {
    if staged.is_ok() {
        for (key, value) in changes {
            replica.remember(key, value);
        }
    }
    replica.commit()?;
    staged
}
