//! Sync by cursor: what a device remembers of another one, and how it goes on from there.
//!
//! A device that knows another one pushes what that one has not given its word for, and asks for
//! what arrived after its cursor. Whatever it then hears is remembered in the commit that stores
//! it. Where the cursor fits no more, it greets the other one as if they had never met.

use laterbase_core::cursor::Cursor;
use laterbase_core::delta::Delta;
use laterbase_core::heads::HeadEntry;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::reader::{ReadError, Taken};
use laterbase_core::replica::WriteError;
use laterbase_core::store::StoreError;
use laterbase_core::version_vector::VersionVector;

use super::checkers::cursor;
use super::expected::Expected;
use super::heads::HeldHead;
use super::network::{Arrived, Held, Holding, Message, Since};
use super::outcome::{Verdict, ensure, no_reason};
use super::peers::{self, Change, Contact, word_change};
use super::world::World;

/// What a device has been told that another one holds. Once it holds that much itself, nothing
/// before the cursor is new to it.
#[derive(Clone, Debug)]
pub(super) struct Awaited {
    replica: ReplicaId,
    generation: u64,
    cursor: Cursor,
    /// The furthest place in the other one's log that was heard of since.
    seen: Cursor,
    held: Vec<HeldHead>,
}

impl World {
    /// A random device begins to sync with another one.
    pub(super) fn sync_somebody(&mut self) -> Verdict {
        let ready = self.ready();
        if ready.is_empty() || self.nodes.len() < 2 {
            return Ok(());
        }
        let from = *self.dice.pick(&ready);
        let to = (from + 1 + self.dice.index(self.nodes.len() - 1)) % self.nodes.len();
        if self.dice.chance(300) {
            self.send(from, to, Message::Greet);
            return Ok(());
        }
        self.go_on(from, to)
    }

    /// Goes on where a device left off with another one; greets it if they have not met.
    pub(super) fn go_on(&mut self, index: usize, other: usize) -> Verdict {
        let Some(contact) = self.contact(index, other)? else {
            self.send(index, other, Message::Greet);
            return Ok(());
        };
        self.push_lacking(index, other, contact.replica)?;
        self.ask_since(index, other, &contact);
        Ok(())
    }

    /// Pushes what another one has not given its word for.
    fn push_lacking(&mut self, index: usize, other: usize, peer: ReplicaId) -> Verdict {
        for root in self.nodes[index].memory.roots() {
            let word = self.word(index, peer, &root)?;
            let word = self.beside_doubts(index, &root, word);
            self.send_page(index, other, root, &word, true)?;
        }
        Ok(())
    }

    fn ask_since(&mut self, index: usize, other: usize, contact: &Contact) {
        let Some(not_of) = self.nodes[index].id else { return };
        let since = Since { cursor: contact.cursor, seen: contact.seen, not_of };
        self.send(index, other, Message::Since(since));
    }

    /// Answers with a page of what arrived after a cursor, if it is of this log.
    pub(super) fn send_arrivals(&mut self, index: usize, other: usize, since: &Since) -> Verdict {
        let Some(reader) = self.nodes[index].reader() else { return Ok(()) };
        let taken = Taken {
            root: &|_| true,
            not_of: &[since.not_of],
            limit: self.options.page_events,
            bytes_max: self.options.page_bytes,
        };
        let page = reader.fits(&since.seen).map_err(ReadError::from).and_then(|fits| {
            if fits { reader.arrivals_delta(&since.cursor, &taken) } else { Ok(None) }
        });
        let page = match page {
            Ok(Some(page)) => page,
            Ok(None) => {
                self.send(index, other, Message::Gone);
                return Ok(());
            }
            Err(ReadError::Store(error)) => {
                return self.expect_fault(index, "reading arrivals", Some(&error));
            }
            Err(error) => return Err(no_reason("no needless error", "reading arrivals", &error)),
        };
        let (not_of, after, cursor) = (since.not_of, since.cursor, page.cursor);
        self.say(format_args!("{index} sends {other} {} arrivals, to {cursor}", page.events));
        let (bytes, more) = (page.bytes, page.more);
        let page = Arrived { bytes, after, cursor, more, not_of, is_damaged: false };
        self.send(index, other, Message::Arrived(page));
        Ok(())
    }

    /// Takes a page of arrivals and the cursor behind it, in one commit.
    pub(super) fn take_arrivals(
        &mut self,
        index: usize,
        (other, sender): (usize, ReplicaId),
        page: &Arrived,
    ) -> Verdict {
        let Some(delta) = self.decode(index, &page.bytes, page.is_damaged)? else { return Ok(()) };
        let Some(mut contact) = self.contact(index, other)? else { return Ok(()) };
        // The page leaves out what was one's own when it was asked for.
        let is_answer = contact.cursor == page.after && self.nodes[index].id == Some(page.not_of);
        if !is_answer {
            return Ok(());
        }
        if contact.replica != sender {
            self.send(index, other, Message::Greet);
            return Ok(());
        }
        contact.seen = later(contact.seen, page.cursor);
        let expected = Expected::of(&self.nodes[index], &self.ledger, &delta);
        let mut changes = self.words_raised(index, sender, &delta, &expected)?;
        let has_hole = expected.has_hole(&self.nodes[index].memory);
        if !has_hole {
            contact.cursor = page.cursor;
        }
        changes.push(contact.change(other));
        let answer = self.merge(index, &delta, changes, false)?;
        self.say(format_args!("{index} takes arrivals of {other}: {answer:?}"));
        // What lies before a cursor is held, so what lies after it fits on. A store that failed may
        // remember more than it shows.
        let has_failed = matches!(answer, Err(WriteError::Store(_)));
        ensure(
            !has_hole || has_failed || self.ledger.has_doubts(),
            "arrivals have no hole",
            || format!("{index} asked {other} for what arrived after {}: {answer:?}", page.after),
        )?;
        self.outcome.pages_by_cursor += u64::from(answer.is_ok());
        self.check_words(index, other, sender)?;
        if let Ok(merged) = &answer {
            self.look_into(index, other, &merged.held_back);
        }
        if has_hole {
            self.send(index, other, Message::Greet);
        } else if answer.is_ok() && page.more {
            self.ask_since(index, other, &contact);
        } else if answer.is_ok() {
            self.push_lacking(index, other, sender)?;
        }
        self.heal(index)
    }

    /// Whoever has answered by cursor was not set back, so that its word still stands. Nothing is
    /// on its way when a device is set back, but where histories are to fork.
    fn check_words(&self, index: usize, other: usize, sender: ReplicaId) -> Verdict {
        let (node, peer) = (&self.nodes[index], &self.nodes[other]);
        if peer.id != Some(sender) || self.ledger.has_doubts() {
            return Ok(());
        }
        node.disk.suspend_faults(true);
        let verdict = cursor::check_words(node, peer, other, sender, &self.ledger);
        node.disk.suspend_faults(false);
        verdict
    }

    /// Remembers all that another one says to hold, and to go on from where its log ended then
    /// once that is held.
    pub(super) fn take_holding(
        &mut self,
        index: usize,
        (other, sender): (usize, ReplicaId),
        holding: Holding,
    ) -> Verdict {
        let Holding { held, cursor } = holding;
        let standing = self.stand(index, sender, &held, None)?;
        let mut changes: Vec<Change> =
            standing.iter().map(|standing| standing.word_change(sender)).collect();
        if let Some(mut contact) = self.contact(index, other)? {
            // Every word is of this moment now, so nothing else has to be vouched for.
            (contact.replica, contact.seen) = (sender, cursor);
            changes.push(contact.change(other));
        }
        self.remember(index, changes)?;
        self.follow_up(index, other, standing, true)?;
        let Some(generation) = self.generation(index) else { return Ok(()) };
        let awaited = Awaited { replica: sender, generation, cursor, seen: cursor, held };
        self.nodes[index].awaited.insert(other, awaited);
        self.meet(index, other)
    }

    /// Remembers where to go on, if everything that was awaited is held.
    pub(super) fn meet(&mut self, index: usize, other: usize) -> Verdict {
        let Some(reader) = self.nodes[index].reader() else { return Ok(()) };
        let Some(awaited) = self.nodes[index].awaited.get(&other) else { return Ok(()) };
        let Awaited { replica, generation, cursor, seen, held } = awaited.clone();
        let is_over = generation != reader.generation();
        // What is held back is to be had again when the generation changes.
        let is_awaited = |held: &HeldHead| {
            let HeadEntry { root, origin, seq, .. } = &held.head;
            let is_in_doubt = self.nodes[index].memory.fork(root, *origin).is_some();
            !is_in_doubt && reader.version_vector(root).get(origin) < *seq
        };
        if !is_over && held.iter().any(is_awaited) {
            return Ok(());
        }
        self.nodes[index].awaited.remove(&other);
        if is_over {
            return Ok(());
        }
        let known = self.contact(index, other)?.filter(|known| known.replica == replica);
        let seen = known.map_or(seen, |known| later(known.seen, seen));
        let contact = Contact { replica, generation, cursor, seen };
        self.say(format_args!("{index} will go on with {other} at {cursor}"));
        self.remember(index, vec![contact.change(other)])
    }

    /// Remembers what another one says to hold after a push, steps over what landed there, and
    /// pushes more.
    pub(super) fn take_held(
        &mut self,
        index: usize,
        (other, sender): (usize, ReplicaId),
        held: Held,
    ) -> Verdict {
        let Held { root, held, before, after, pushed_by } = held;
        if self.nodes[index].id != Some(pushed_by) {
            return Ok(());
        }
        let standing = self.stand(index, sender, &held, Some(&root))?;
        let mut changes: Vec<Change> =
            standing.iter().map(|standing| standing.word_change(sender)).collect();
        if let Some(mut contact) = self.contact(index, other)?
            && contact.replica == sender
        {
            if !follows(&contact.cursor, &contact.seen, &before) {
                self.ask_since(index, other, &contact);
                return Ok(());
            }
            if contact.cursor == before {
                contact.cursor = after;
            }
            contact.seen = after;
            changes.push(contact.change(other));
        }
        let awaited = self.nodes[index].awaited.get_mut(&other);
        if let Some(awaited) = awaited.filter(|awaited| awaited.replica == sender) {
            if !follows(&awaited.cursor, &awaited.seen, &before) {
                self.nodes[index].awaited.remove(&other);
                self.send(index, other, Message::Greet);
                return Ok(());
            }
            awaited.seen = after;
        }
        self.remember(index, changes)?;
        self.follow_up(index, other, standing, false)
    }

    /// Words that a page is itself: its sender holds what is on it.
    fn words_raised(
        &self,
        index: usize,
        sender: ReplicaId,
        delta: &Delta<'_>,
        expected: &Expected,
    ) -> Verdict<Vec<Change>> {
        let mut words: Vec<(RootName, VersionVector)> = Vec::new();
        for run in delta.runs.iter().filter(|run| !expected.holds_back(run)) {
            let at = match words.iter().position(|(root, _)| *root == run.root) {
                Some(at) => at,
                None => {
                    words.push((run.root.clone(), self.word(index, sender, &run.root)?));
                    words.len() - 1
                }
            };
            words[at].1.raise(run.origin, run.last_seq());
        }
        Ok(words.iter().map(|(root, vv)| word_change(sender, root, vv)).collect())
    }

    /// Commits what is to be remembered, unless it is so already.
    fn remember(&mut self, index: usize, mut changes: Vec<Change>) -> Verdict {
        let node = &mut self.nodes[index];
        let noted = node.memory.notes.current();
        changes.retain(|(key, value)| noted.get(key) != Some(value));
        let Some(replica) = node.replica.as_mut().filter(|_| !changes.is_empty()) else {
            return Ok(());
        };
        for (key, value) in &changes {
            replica.remember(key, value);
        }
        let committed = replica.commit();
        self.take_down(index, 0, changes, committed.as_ref().err());
        match committed {
            Err(WriteError::Store(error)) => self.expect_fault(index, "remembering", Some(&error)),
            Err(error) => Err(no_reason("no needless refusal", "remembering", &error)),
            Ok(()) => Ok(()),
        }
    }

    /// Takes down what a commit was to remember, and whether it did. `events` is how many came
    /// with it, or would have.
    pub(super) fn take_down(
        &mut self,
        index: usize,
        events: u64,
        changes: Vec<Change>,
        error: Option<&WriteError>,
    ) {
        let node = &mut self.nodes[index];
        let is_ok = error.is_none();
        // A store that goes on to take writes has nothing of what it refused, and one that takes
        // none has nothing of what came later.
        let in_doubt = (node.disk.is_poisoned() || node.disk.is_crashed())
            && !matches!(error, Some(WriteError::Store(StoreError::Poisoned)));
        if changes.is_empty() || (!is_ok && !in_doubt) {
            return;
        }
        let head = node.memory.arrivals.len() as u64;
        let before = if is_ok { head - events } else { head };
        node.memory.notes.commit(before, events, changes, is_ok);
    }

    fn contact(&self, index: usize, other: usize) -> Verdict<Option<Contact>> {
        self.recall(index, None, |reader| peers::contact(reader, other))
    }

    fn word(&self, index: usize, peer: ReplicaId, root: &RootName) -> Verdict<VersionVector> {
        self.recall(index, VersionVector::new(), |reader| peers::word(reader, peer, root))
    }

    pub(super) fn recall<T>(
        &self,
        index: usize,
        nothing: T,
        read: impl FnOnce(&laterbase_core::reader::Reader) -> Verdict<T>,
    ) -> Verdict<T> {
        let node = &self.nodes[index];
        let Some(reader) = node.reader() else { return Ok(nothing) };
        node.disk.suspend_faults(true);
        let found = read(&reader);
        node.disk.suspend_faults(false);
        found
    }

    fn generation(&self, index: usize) -> Option<u64> {
        self.nodes[index].reader().map(|reader| reader.generation())
    }

    /// Where a device's log ends; asks for nothing that could fail.
    pub(super) fn cursor(&self, index: usize) -> Option<Cursor> {
        self.nodes[index].reader().map(|reader| reader.cursor())
    }
}

/// Whether nothing is forgotten of a push at `seen` if a later one that landed behind `before`
/// takes its place: else the log may have been set back between the two, behind the first and not
/// behind the cursor.
fn follows(cursor: &Cursor, seen: &Cursor, before: &Cursor) -> bool {
    seen == before || seen == cursor
}

/// The one of two cursors that lies further on. Of two logs, either will do: one of them does
/// not fit, and whoever is asked says so.
const fn later(a: Cursor, b: Cursor) -> Cursor {
    if b.position() >= a.position() { b } else { a }
}
