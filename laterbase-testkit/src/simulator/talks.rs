//! Sessions between devices: the ones that ship ([`laterbase_core::sync::Session`]), carried by a
//! network that loses, doubles and delays what they say.

use std::collections::BTreeMap;
use std::time::Duration;

use laterbase_core::fork::{Fork, Keep};
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::reader::ReadError;
use laterbase_core::replica::{Resolved, WriteError};
use laterbase_core::selection::RootSelection;
use laterbase_core::store::StoreError;
use laterbase_core::sync::answer::Answering;
use laterbase_core::sync::message::{Answer, Pushed, Question, Refusal};
use laterbase_core::sync::{
    BackoffOptions, Incoming, PageOptions, Session, SessionError, SessionOptions, Step, Taken,
};

use super::checkers::cursor;
use super::exchange::Landing;
use super::expected::Expected;
use super::network::Message;
use super::node::START;
use super::outcome::{Verdict, ensure, no_reason};
use super::peers::{Change, safe};
use super::world::World;

/// How many of the world's steps an answer is waited for, beside what the network may take; how many
/// a session rests after a first failure, and at most; and how many it may take where it is cut
/// short. A world whose time goes by in milliseconds has sessions that live in milliseconds.
const ANSWER_STEPS_MAX: u32 = 40;
const REST_STEPS: u32 = 4;
const REST_STEPS_MAX: u32 = 60;
const PAUSE_STEPS_MAX: u64 = 60;

/// A session of a device with another one.
#[derive(Debug)]
pub(super) struct Talk {
    session: Session,
    awaits: Awaits,
    ahead: Option<Ahead>,
    /// Whether the last question was for what arrived.
    is_of_log: bool,
    /// What the two held as it began: who asks, and the other one.
    begun: [Holding; 2],
}

/// How much a device holds of each origin.
type Holding = BTreeMap<(RootName, ReplicaId), u64>;

/// What a session waits for.
#[derive(Clone, Copy, Debug)]
enum Awaits {
    /// The answer to a question with this number, until a time.
    Answer { number: u64, until: i64 },
    /// A time.
    Time(i64),
}

/// A question that was put ahead.
#[derive(Debug)]
struct Ahead {
    number: u64,
    question: Question,
    /// What came of it, if something did already.
    answer: Option<Result<Answer, Refusal>>,
}

/// What is handed to a session.
#[derive(Debug)]
enum Handed {
    Nothing,
    Answer(Result<Answer, Refusal>),
    Waited,
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
        let anew = self.dice.chance(100);
        self.begin(from, to, anew)
    }

    /// Begins a session, unless there is one; `anew` compares everything, whatever is remembered.
    pub(super) fn begin(&mut self, index: usize, other: usize, anew: bool) -> Verdict {
        let Some(reader) = self.nodes[index].reader() else { return Ok(()) };
        if self.nodes[index].talks.contains_key(&other) {
            return Ok(());
        }
        // Another selection is another thing to remember, though it takes the same roots.
        let named = self.roots.iter().map(RootName::as_str);
        let named = RootSelection::from_entries(named).expect("they are names of roots");
        let roots = if anew { named } else { RootSelection::all() };
        let (events, bytes) = (self.options.page_events, self.options.page_bytes);
        let pages = PageOptions {
            events_start: events,
            events_max: events,
            bytes_start: bytes,
            heads_max: events,
        };
        let is_cut_short = !self.is_calm && self.dice.chance(100);
        let step = self.step_time();
        let steps = u32::try_from(self.dice.below(PAUSE_STEPS_MAX)).unwrap_or(0);
        let pause = is_cut_short.then(|| step * steps);
        let backoff = BackoffOptions {
            first: step * REST_STEPS,
            longest: step * REST_STEPS_MAX,
            ..BackoffOptions::default()
        };
        let is_private = self.options.heals;
        let options =
            SessionOptions { roots, pages, backoff, pause, is_private, ..Default::default() };
        let session = Session::new(reader, other.to_string(), options);
        let begun = [index, other].map(|index| self.holding(index));
        let talk = Talk { session, awaits: Awaits::Time(0), ahead: None, is_of_log: false, begun };
        self.say(format_args!("{index} begins with {other}, anew: {anew}"));
        self.run_talk(index, other, talk, Handed::Nothing)?;
        self.after_use(index)
    }

    /// When the next session has waited long enough.
    pub(super) fn next_timer(&self) -> Option<i64> {
        let up = self.nodes.iter().filter(|node| node.is_up());
        let due = up.flat_map(|node| {
            node.talks.values().map(|talk| talk.awaits.until().max(node.busy_until))
        });
        due.min()
    }

    /// Goes on with every session that has waited long enough.
    pub(super) fn fire_timers(&mut self) -> Verdict {
        for index in 0..self.nodes.len() {
            let others: Vec<usize> = self.nodes[index].talks.keys().copied().collect();
            for other in others {
                let node = &mut self.nodes[index];
                let is_due = node.is_up() && node.busy_until <= self.now;
                let has_waited = |talk: &Talk| is_due && talk.awaits.until() <= self.now;
                if !node.talks.get(&other).is_some_and(has_waited) {
                    continue;
                }
                let Some(talk) = node.talks.remove(&other) else { continue };
                let handed = match talk.awaits {
                    Awaits::Time(_) => Handed::Waited,
                    Awaits::Answer { .. } => Handed::Answer(Err(Refusal::Silent)),
                };
                self.run_talk(index, other, talk, handed)?;
                self.after_use(index)?;
            }
        }
        Ok(())
    }

    /// Takes an answer, if it is still waited for.
    pub(super) fn take_answer(
        &mut self,
        index: usize,
        other: usize,
        number: u64,
        answer: Result<Answer, Refusal>,
    ) -> Verdict {
        let Some(mut talk) = self.nodes[index].talks.remove(&other) else { return Ok(()) };
        let is_awaited = matches!(talk.awaits, Awaits::Answer { number: of, .. } if of == number);
        if is_awaited {
            return self.run_talk(index, other, talk, Handed::Answer(answer));
        }
        if let Some(ahead) = talk.ahead.as_mut().filter(|ahead| ahead.number == number) {
            ahead.answer.get_or_insert(answer);
        }
        self.nodes[index].talks.insert(other, talk);
        Ok(())
    }

    /// Hands something to a session, and does what it says until it has to wait.
    fn run_talk(&mut self, index: usize, other: usize, mut talk: Talk, handed: Handed) -> Verdict {
        match handed {
            Handed::Nothing => {}
            Handed::Waited => talk.session.handle_waited(),
            Handed::Answer(Ok(answer)) => talk.session.handle_answer(answer),
            Handed::Answer(Err(refusal)) => talk.session.handle_refusal(refusal),
        }
        // A process that has ended takes its sessions with it.
        while self.nodes[index].is_up() && !self.nodes[index].disk.is_crashed() {
            match talk.session.poll(Duration::from_nanos(self.now.abs_diff(START))) {
                Step::Begin(question) => {
                    let number = self.ask(index, other, question.clone());
                    talk.ahead = Some(Ahead { number, question, answer: None });
                    talk.session.handle_begun();
                }
                Step::Ask(question) => {
                    talk.is_of_log = matches!(question, Question::Arrivals { .. });
                    let ahead = talk.ahead.take();
                    let ahead = ahead.filter(|it| question.is_answered_with(&it.question));
                    let number = match ahead {
                        Some(Ahead { answer: Some(Ok(answer)), .. }) => {
                            talk.session.handle_answer(answer);
                            continue;
                        }
                        Some(Ahead { answer: Some(Err(refusal)), .. }) => {
                            talk.session.handle_refusal(refusal);
                            continue;
                        }
                        Some(Ahead { number, answer: None, .. }) => number,
                        None => self.ask(index, other, question),
                    };
                    let until = self.now.saturating_add(self.patience());
                    talk.awaits = Awaits::Answer { number, until };
                    self.nodes[index].talks.insert(other, talk);
                    return Ok(());
                }
                Step::Store(page) => {
                    let stored = self.store(index, other, &page, talk.is_of_log)?;
                    talk.session.handle_stored(stored);
                }
                Step::Remember(entries) => {
                    let remembered = self.remember(index, entries)?;
                    talk.session.handle_remembered(remembered);
                }
                Step::Resolve { root, origin, keep } => {
                    let resolved = self.give_way(index, &root, origin, keep)?;
                    talk.session.handle_resolved(resolved);
                }
                Step::Wait(pause) => {
                    let random = u8::try_from(self.dice.below(256)).unwrap_or(u8::MAX);
                    talk.awaits = Awaits::Time(self.now.saturating_add(nanos(pause.at(random))));
                    self.nodes[index].talks.insert(other, talk);
                    return Ok(());
                }
                Step::Done(done) => {
                    self.say(format_args!("{index} is done with {other}: {done:?}"));
                    let is_done = matches!(&done, Ok(report) if !report.more);
                    self.check_done(index, done.err())?;
                    return if is_done { self.check_brought(index, other, &talk) } else { Ok(()) };
                }
            }
        }
        Ok(())
    }

    /// How long an answer is waited for. Where everything arrives, every answer does.
    fn patience(&self) -> i64 {
        if self.is_calm {
            return i64::MAX;
        }
        let (network, disk) = (self.options.network, self.options.disk);
        let slow = 4 * (network.delay_nanos_max + disk.commit_nanos_max);
        nanos(self.step_time() * ANSWER_STEPS_MAX) + slow
    }

    fn step_time(&self) -> Duration {
        Duration::from_nanos(self.options.step_nanos_max.unsigned_abs())
    }

    fn ask(&mut self, index: usize, other: usize, question: Question) -> u64 {
        self.asked += 1;
        let number = self.asked;
        self.send(index, other, Message::Question { number, question, is_damaged: false });
        number
    }

    fn holding(&self, index: usize) -> Holding {
        let tails = self.nodes[index].memory.tails.iter();
        tails.map(|(place, tail)| (place.clone(), tail.seq)).collect()
    }

    /// A session that is done has brought either side all that the other held as it began. While
    /// things go wrong, either may have been set back since; where histories fork, some stays where
    /// it is.
    fn check_brought(&self, index: usize, other: usize, talk: &Talk) -> Verdict {
        if !self.is_calm || self.ledger.has_doubts() {
            return Ok(());
        }
        let now = [index, other].map(|index| self.holding(index));
        for (from, to) in [(0, 1), (1, 0)] {
            let lacks = talk.begun[from].iter().find(|(place, seq)| {
                let held = now[to].get(place).copied().unwrap_or(0);
                held < **seq
            });
            ensure(lacks.is_none(), "a sync that is done has brought everything", || {
                let sides = [index, other];
                format!("{} lacks {lacks:?} of {}", sides[to], sides[from])
            })?;
        }
        Ok(())
    }

    /// A session ends early only for a reason.
    fn check_done(&self, index: usize, error: Option<SessionError>) -> Verdict {
        let store = match error {
            None => return Ok(()),
            // Where the network fails, and where a peer's disk does.
            Some(SessionError::Refused) if !self.is_calm => return Ok(()),
            Some(SessionError::Nonsense { .. }) if !self.is_calm => return Ok(()),
            // Devices come and go behind a number.
            Some(SessionError::Stuck { .. } | SessionError::SameReplica { .. })
                if !self.is_calm =>
            {
                return Ok(());
            }
            Some(
                SessionError::Store(error)
                | SessionError::Read(ReadError::Store(error))
                | SessionError::Write(WriteError::Store(error)),
            ) => error,
            Some(error) => return Err(no_reason("no needless error", "a session", &error)),
        };
        self.expect_fault(index, "a session", Some(&store))
    }

    /// Stores a page of a session, and what is to be remembered with it.
    fn store(
        &mut self,
        index: usize,
        other: usize,
        page: &Incoming,
        is_of_log: bool,
    ) -> Verdict<Result<Taken, WriteError>> {
        let node = &self.nodes[index];
        let has_hole =
            Expected::of(node, &self.ledger, page.delta()).has_hole(&node.memory) && is_of_log;
        let answer = self.merge(index, page.delta(), Landing::Session(page))?;
        // What lies before a cursor is held, so what lies after it fits on. A store that failed may
        // remember more than it shows.
        let has_failed = matches!(answer, Err(WriteError::Store(_)));
        ensure(
            !has_hole || has_failed || self.ledger.has_doubts(),
            "arrivals have no hole",
            || format!("{index} asked {other} for what arrived: {answer:?}"),
        )?;
        self.say(format_args!("{index} stores a page of {other}: {answer:?}"));
        let taken = answer.map(|landed| landed.taken.expect("a session's page was staged by it"));
        if is_of_log {
            self.outcome.pages_by_cursor += u64::from(taken.is_ok());
            self.check_words(index, other, page.peer())?;
        }
        Ok(taken)
    }

    /// Whoever has answered by cursor was not set back, so that its word still stands.
    fn check_words(&self, index: usize, other: usize, peer: ReplicaId) -> Verdict {
        let (node, answering) = (&self.nodes[index], &self.nodes[other]);
        if answering.id != Some(peer) || self.ledger.has_doubts() || !node.is_up() {
            return Ok(());
        }
        node.disk.suspend_faults(true);
        let verdict = cursor::check_words(node, answering, other, peer, &self.ledger);
        node.disk.suspend_faults(false);
        verdict
    }

    /// Commits what is to be remembered.
    fn remember(&mut self, index: usize, changes: Vec<Change>) -> Verdict<Result<(), WriteError>> {
        let Some(replica) = self.nodes[index].replica.as_mut() else { return Ok(Err(gone())) };
        for (key, value) in &changes {
            replica.remember(key, value);
        }
        let committed = replica.commit();
        self.take_down(index, 0, changes, committed.as_ref().err());
        match &committed {
            Err(WriteError::Store(error)) => {
                self.expect_fault(index, "remembering", Some(error))?;
            }
            Err(error) => return Err(no_reason("no needless refusal", "remembering", error)),
            Ok(()) => {}
        }
        Ok(committed)
    }

    /// Lets a device's own branch give way, which a session asks for only where it has heard of
    /// nobody who has seen it.
    fn give_way(
        &mut self,
        index: usize,
        root: &RootName,
        origin: ReplicaId,
        keep: Keep,
    ) -> Verdict<Result<Resolved, WriteError>> {
        let memory = &self.nodes[index].memory;
        let seen = safe(memory.notes.current());
        let seen = seen.get(root).map_or(0, |vv| vv.get(&origin));
        let Some(fork) = memory.fork(root, origin).cloned() else { return Ok(Err(gone())) };
        let is_private =
            |fork: &Fork| fork.is_located && memory.own_ids.contains(&origin) && seen < fork.seq;
        ensure(is_private(&fork) && keep == Keep::Theirs, "what was seen stays", || {
            format!("{index} gives up its branch of {fork:?}, of which others hold {seen}")
        })?;
        let resolved = self.resolve(index, &fork, keep)?;
        self.outcome.healed += u64::from(resolved.is_ok());
        Ok(resolved)
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

    /// What a device answers; nothing if its process has ended over it.
    pub(super) fn answer(
        &mut self,
        index: usize,
        question: &Question,
        is_damaged: bool,
    ) -> Verdict<Option<Result<Answer, Refusal>>> {
        if let Question::Push { page } = question {
            return self.take_push(index, page, is_damaged);
        }
        let Some(reader) = self.nodes[index].reader() else { return Ok(None) };
        let bytes_max = self.options.page_bytes;
        let answering = Answering { reader: &reader, gives: &|_| true };
        match answering.answer(question, bytes_max) {
            Ok(answer) => {
                let is_gone = matches!(answer, Err(Refusal::CursorGone));
                self.outcome.cursors_gone += u64::from(is_gone);
                Ok(Some(answer))
            }
            Err(ReadError::Store(error)) => {
                self.expect_fault(index, "answering", Some(&error))?;
                Ok(Some(Err(Refusal::Busy { retry_after: None })))
            }
            Err(error) => Err(no_reason("no needless error", "answering", &error)),
        }
    }

    /// Stores a page that was pushed, whole or not at all.
    fn take_push(
        &mut self,
        index: usize,
        page: &[u8],
        is_damaged: bool,
    ) -> Verdict<Option<Result<Answer, Refusal>>> {
        let Some(delta) = self.decode(index, page, is_damaged)? else {
            return Ok(Some(Err(Refusal::Garbled)));
        };
        let cursor = |world: &Self| world.nodes[index].reader().map(|reader| reader.cursor());
        let Some(before) = cursor(self) else { return Ok(None) };
        let answer = self.merge(index, &delta, Landing::Pushed)?;
        self.say(format_args!("{index} is pushed a page: {answer:?}"));
        let node = &self.nodes[index];
        let after = cursor(self).filter(|_| !node.disk.is_crashed());
        let Some(after) = after else { return Ok(None) };
        Ok(Some(match answer {
            Ok(landed) => Ok(Answer::Pushed(Pushed {
                replica: node.replica.as_ref().map(|replica| replica.id()),
                stored: landed.merged.merged.stored,
                known: landed.merged.merged.known,
                before: before.to_string(),
                after: after.to_string(),
            })),
            Err(WriteError::Hole { root, origin, held_seq, .. }) => {
                Err(Refusal::Hole { root, origin, held: Some(held_seq) })
            }
            Err(WriteError::Fork { root, origin, seq }) => {
                Err(Refusal::Fork { root, origin, seq: Some(seq) })
            }
            Err(_) => Err(Refusal::Busy { retry_after: None }),
        }))
    }
}

impl Awaits {
    const fn until(self) -> i64 {
        match self {
            Self::Answer { until, .. } | Self::Time(until) => until,
        }
    }
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// What a device says whose process has ended.
const fn gone() -> WriteError {
    WriteError::Store(StoreError::Poisoned)
}
