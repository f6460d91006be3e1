//! How replicas sync: push and pull by pages, remembering nothing of each other.

use laterbase_core::delta::Delta;
use laterbase_core::id::RootName;
use laterbase_core::replica::{Merged, WriteError};
use laterbase_core::version_vector::VersionVector;

use super::checkers::clock;
use super::network::{Envelope, Message, Page};
use super::node::Node;
use super::outcome::{Verdict, ensure, no_reason};
use super::world::World;

impl World {
    /// A random device begins to sync with another one.
    pub(super) fn greet_somebody(&mut self) {
        let ready = self.ready();
        if ready.is_empty() || self.nodes.len() < 2 {
            return;
        }
        let from = *self.dice.pick(&ready);
        let to = (from + 1 + self.dice.index(self.nodes.len() - 1)) % self.nodes.len();
        self.send(from, to, Message::Greet);
    }

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
        self.after_use(index);
        Ok(())
    }

    fn take(&mut self, envelope: Envelope) -> Verdict {
        let Envelope { from, to, message } = envelope;
        match message {
            Message::Greet => {
                let held = self.holding(to);
                self.send(to, from, Message::Holding(held));
                Ok(())
            }
            Message::Holding(held) => self.compare(to, from, &held),
            Message::Ask { root, vv } => self.send_page(to, from, root, &vv, false),
            Message::Page(page) => self.take_page(to, from, page),
            Message::Held { root, vv } => self.send_page(to, from, root, &vv, true),
        }
    }

    fn holding(&self, index: usize) -> Vec<(RootName, VersionVector)> {
        let Some(reader) = self.nodes[index].reader() else { return Vec::new() };
        let roots = reader.roots().into_iter();
        roots.map(|root| (root.clone(), reader.version_vector(&root))).collect()
    }

    /// Asks for what the other one holds more of, and sends what it holds less of.
    fn compare(
        &mut self,
        index: usize,
        other: usize,
        theirs: &[(RootName, VersionVector)],
    ) -> Verdict {
        let ours = self.holding(index);
        let find = |list: &[(RootName, VersionVector)], root: &RootName| {
            let found = list.iter().find(|(name, _)| name == root);
            found.map(|(_, vv)| vv.clone()).unwrap_or_default()
        };
        for (root, vv) in theirs {
            let held = find(&ours, root);
            if !held.covers(vv) {
                self.send(index, other, Message::Ask { root: root.clone(), vv: held });
            }
        }
        for (root, vv) in ours {
            let known = find(theirs, &root);
            if !known.covers(&vv) {
                self.send_page(index, other, root, &known, true)?;
            }
        }
        Ok(())
    }

    /// Sends what the other one lacks, a page of it. Pushes nothing where nothing is lacking.
    fn send_page(
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

    fn take_page(&mut self, index: usize, other: usize, page: Page) -> Verdict {
        let delta = Delta::decode(&page.bytes);
        ensure(delta.is_err() == page.is_damaged, "damage is found", || {
            format!("a page, damaged: {}, was read as {delta:?}", page.is_damaged)
        })?;
        let Ok(delta) = delta else {
            self.say(format_args!("{index} gets a damaged page from {other}"));
            return Ok(());
        };
        let answer = self.merge(index, &delta)?;
        self.say(format_args!("{index} takes a page of {other}: {answer:?}"));
        let held = self.nodes[index].memory.version_vector(&page.root);
        let misfit = matches!(answer, Err(WriteError::Hole { .. }));
        if page.is_pushed {
            if answer.is_ok() || misfit {
                self.send(index, other, Message::Held { root: page.root, vv: held });
            }
        } else if page.more && (answer.is_ok() || misfit) {
            // The vv of the page is as good as one's own, if the page was taken.
            let vv = if !misfit && self.dice.chance(500) { page.vv } else { held };
            self.send(index, other, Message::Ask { root: page.root, vv });
        }
        Ok(())
    }

    /// Merges a delta at a device, and checks the answer.
    pub(super) fn merge(
        &mut self,
        index: usize,
        delta: &Delta<'_>,
    ) -> Verdict<Result<Merged, WriteError>> {
        let node = &mut self.nodes[index];
        let wall = node.wall(self.now);
        for event in delta.runs.iter().flat_map(|run| &run.events) {
            clock::heard(node, wall, event.recorded);
        }
        let Some(replica) = &mut node.replica else { return Ok(Ok(Merged::default())) };
        let answer = replica.merge(delta, wall);
        let expected = Expected::of(node, delta);
        let arrived = node.observe(&mut self.ledger)? as u64;
        match &answer {
            Ok(merged) => {
                self.outcome.merged += arrived;
                let counts = (merged.stored, merged.known);
                ensure(
                    !expected.has_hole
                        && arrived == expected.new
                        && counts == (expected.new, expected.known),
                    "a merge is a union",
                    || format!("{merged:?}, {arrived} arrived, where {expected:?}"),
                )?;
                self.check_identity(index, expected.shows_own)?;
            }
            Err(error) => {
                ensure(arrived == 0, "a refused delta leaves no trace", || {
                    format!("{arrived} events are there after {error}")
                })?;
                self.check_merge_refusal(index, delta, &expected, error)?;
            }
        }
        Ok(answer)
    }

    /// A device that is shown more of its own history than it holds writes under another id from
    /// then on, and only then.
    fn check_identity(&mut self, index: usize, shown_own: bool) -> Verdict {
        let node = &mut self.nodes[index];
        let id = node.replica.as_ref().map(laterbase_core::replica::Replica::id);
        ensure((id != node.id) == shown_own, "an id in doubt is given up", || {
            format!("{:?} was shown more of its own: {shown_own}; it is {id:?} now", node.id)
        })?;
        node.id = id;
        Ok(())
    }

    fn check_merge_refusal(
        &mut self,
        index: usize,
        delta: &Delta<'_>,
        expected: &Expected,
        error: &WriteError,
    ) -> Verdict {
        match error {
            WriteError::Store(error) => self.expect_fault(index, "a merge", Some(error)),
            WriteError::Hole { root, held, .. } => {
                let vv = self.nodes[index].memory.version_vector(root);
                ensure(expected.has_hole && *held == vv, "a hole is told", || {
                    format!("a hole in {expected:?}, with {held:?} where {vv:?} is held")
                })
            }
            WriteError::Fork { origin, .. } => {
                self.outcome.forks += 1;
                let mixed = delta.runs.iter().any(|run| run.origin == *origin);
                ensure(mixed && self.ledger.is_doubted(*origin), "no false fork", || {
                    format!("{origin} is said to have two histories")
                })
            }
            error => Err(no_reason("no needless refusal", "a merge", error)),
        }
    }
}

/// What a delta must come to, from what the device is known to hold.
#[derive(Debug)]
struct Expected {
    has_hole: bool,
    new: u64,
    known: u64,
    /// Whether there are events of the device's own id that it does not hold.
    shows_own: bool,
}

impl Expected {
    fn of(node: &Node, delta: &Delta<'_>) -> Self {
        let mut expected = Self { has_hole: false, new: 0, known: 0, shows_own: false };
        // Pages have one run of an origin at most.
        for run in &delta.runs {
            let held = node.memory.seq(&run.root, run.origin);
            let length = run.events.len() as u64;
            let known = (held + 1).saturating_sub(run.first_seq).min(length);
            expected.has_hole |= run.first_seq > held + 1;
            expected.known += known;
            expected.new += length - known;
            expected.shows_own |= node.id == Some(run.origin) && known < length;
        }
        expected
    }
}
