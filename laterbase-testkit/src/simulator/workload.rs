//! Writers: what they record, what they repeat, and what they are told.

use laterbase_core::event::{Record, VoidsBuf};
use laterbase_core::id::{Dot, RootName};
use laterbase_core::limits::FUTURE_NANOS_MAX_DEFAULT;
use laterbase_core::replica::{Appended, WriteError};
use laterbase_core::{EventError, PreparedBatch};

use super::checkers::clock;
use super::dice::Dice;
use super::ledger::Fact;
use super::node::Node;
use super::order_fold::HEAVY;
use super::outcome::{Verdict, ensure, no_reason};
use super::world::World;
use crate::payloads;

const MINUTE: i64 = 60_000_000_000;
const YEAR: i64 = 365 * 24 * 60 * MINUTE;

/// An event that a writer wants to have recorded.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    aggregate_id: String,
    event_type: &'static str,
    data: String,
    occurred: Option<i64>,
    key: Option<String>,
    voids: VoidsBuf,
}

/// A request with a key, which its writer repeats for want of an answer.
#[derive(Clone, Debug)]
pub(super) struct Request {
    root: RootName,
    draft: Draft,
}

/// What a write must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    Store,
    Replay,
    Conflict,
    Future,
    /// It takes back what it cannot take back.
    Void,
}

pub(super) fn aggregate_id(aggregates: u64, dice: &mut Dice) -> String {
    // Ids that are the beginning of each other, or hold a zero byte, must stay apart.
    match dice.below(aggregates) {
        0 => "a".to_owned(),
        1 => "a\0".to_owned(),
        2 => "urn:epc:id:sgtin:0614141.107346.2017".to_owned(),
        other => format!("a{other}"),
    }
}

impl Draft {
    fn random(aggregates: u64, wall: i64, dice: &mut Dice) -> Self {
        let occurred = match dice.below(8) {
            0 | 1 => Some(wall.saturating_sub(dice.around(YEAR).abs())),
            2 => Some(dice.around(100 * YEAR).min(wall)),
            3 => Some(wall.saturating_add(dice.around(2 * MINUTE))),
            _ => None,
        };
        Self {
            aggregate_id: aggregate_id(aggregates, dice),
            event_type: if dice.chance(100) { HEAVY } else { "Moved" },
            data: data(dice.split()),
            occurred,
            // Few keys, so that writers who are apart take the same one.
            key: dice.chance(150).then(|| format!("key {}", dice.below(12))),
            voids: VoidsBuf::default(),
        }
    }

    pub(super) fn record(&self) -> Record<'_> {
        Record {
            occurred: self.occurred,
            idempotency_key: self.key.as_deref(),
            voids: self.voids.as_voids(),
            ..Record::json(&self.aggregate_id, self.event_type, &self.data)
        }
    }

    pub(super) fn aggregate_id(&self) -> &str {
        &self.aggregate_id
    }

    /// Makes it an event of a request about one aggregate, with no key of its own.
    pub(super) fn make_part_of(&mut self, aggregate_id: &str) {
        (self.aggregate_id, self.key) = (aggregate_id.to_owned(), None);
        self.event_type = "Moved";
    }

    /// The event with the key that its number in a request with a key gives it.
    pub(super) fn keyed(&self, key: &Option<String>, number: usize) -> Self {
        let key = key.as_ref().map(|key| match number {
            0 => key.clone(),
            _ => format!("{key}#{number}"),
        });
        Self { key, ..self.clone() }
    }

    /// Whether an event is what came of this, if it was written when the wall clock said so; at any
    /// time, if that does not matter.
    fn became(&self, fact: &Fact, wall: Option<i64>) -> bool {
        let Ok(kept) = Record::decode(&fact.record) else { return false };
        let voids: VoidsBuf = kept.voids.iter().map(|void| void.dot).collect();
        let said = Record {
            voids: voids.as_voids(),
            occurred: kept.occurred.filter(|_| !kept.is_occurred_defaulted),
            is_occurred_defaulted: false,
            ..kept
        };
        // What takes others back happened with the earliest of them, which the laws look at.
        let filled_in = wall.filter(|_| self.occurred.is_none() && kept.voids.is_empty());
        said == self.record() && filled_in.is_none_or(|wall| kept.occurred == Some(wall))
    }
}

/// What an event holds, from dice of its own: what happens does not depend on it.
fn data(mut dice: Dice) -> String {
    match dice.below(3) {
        0 => format!("{{\"n\":{}}}", dice.below(4)),
        _ => payloads::readable(&mut |bound| dice.below(bound)),
    }
}

impl World {
    /// One or more writers record something at a random device, and share a commit.
    pub(super) fn write_somewhere(&mut self) -> Verdict {
        let ready = self.ready();
        if ready.is_empty() {
            return Ok(());
        }
        let index = *self.dice.pick(&ready);
        self.write_at(index)
    }

    /// A writer writes at a device.
    pub(super) fn write_at(&mut self, index: usize) -> Verdict {
        let wall = self.nodes[index].wall(self.now);
        match self.dice.below(10) {
            0 | 1 => return self.write_group(index, wall),
            2 | 3 => return self.request_somewhere(index, wall),
            _ => {}
        }
        let root = self.dice.pick(&self.roots).clone();
        if !self.requests.is_empty() && self.dice.chance(150) {
            let Request { root, draft } = self.dice.pick(&self.requests).clone();
            return self.write(index, wall, &root, vec![draft]);
        }
        let mut drafts = self.drafts(wall, 8);
        if self.dice.chance(200) {
            self.take_back(&root, &mut drafts[0]);
        }
        // Keys are unique within a batch here; the laws try the others.
        let mut keys = std::collections::BTreeSet::new();
        drafts.retain(|draft| draft.key.clone().is_none_or(|key| keys.insert(key)));
        let keyed = drafts.iter().filter(|draft| draft.key.is_some());
        let requests = keyed.map(|draft| Request { root: root.clone(), draft: draft.clone() });
        self.requests.extend(requests);
        self.write(index, wall, &root, drafts)
    }

    /// Makes an event take others back that were written anywhere: known here, or coming later.
    fn take_back(&mut self, root: &RootName, draft: &mut Draft) {
        if self.ledger.len() == 0 {
            return;
        }
        let mut dots = Vec::new();
        for _ in 0..self.dice.count(1, 3) {
            let fact = self.ledger.fact(self.dice.index(self.ledger.len()));
            if fact.root != *root {
                continue;
            }
            if dots.is_empty() && self.dice.chance(900) {
                draft.aggregate_id.clone_from(&fact.aggregate_id);
            }
            dots.push(fact.dot);
        }
        draft.voids = dots.into_iter().collect();
    }

    pub(super) fn drafts(&mut self, wall: i64, max: usize) -> Vec<Draft> {
        let aggregates = self.options.aggregates;
        let count = self.dice.count(1, max);
        (0..count).map(|_| Draft::random(aggregates, wall, &mut self.dice)).collect()
    }

    /// One request: one batch, one commit.
    fn write(&mut self, index: usize, wall: i64, root: &RootName, drafts: Vec<Draft>) -> Verdict {
        let node = &mut self.nodes[index];
        let (batch, taken) = prepare(node, root, drafts, wall)?;
        let plans: Vec<Plan> =
            taken.iter().map(|draft| plan(node, &self.ledger, root, draft, wall)).collect();
        clock::will_write(node, wall, taken.len());
        let id_before = node.id;
        let seq_before = id_before.map_or(0, |id| node.memory.seq(root, id));
        let Some(replica) = &mut node.replica else { return Ok(()) };
        let answer = replica.append(&batch, wall);
        let arrived = node.observe(&mut self.ledger)?;
        self.say(format_args!("{index} writes {} to {root}: {}", taken.len(), told(&answer)));
        match answer {
            Ok(appended) => {
                self.outcome.events += arrived as u64;
                self.check_answer(index, root, &taken, &plans, &appended, seq_before)?;
            }
            Err(error) => self.check_refusal(index, &plans, &error, arrived)?,
        }
        self.after_use(index)
    }

    /// What a writer was told is so.
    pub(super) fn check_answer(
        &self,
        index: usize,
        root: &RootName,
        drafts: &[Draft],
        plans: &[Plan],
        appended: &Appended,
        seq_before: u64,
    ) -> Verdict {
        let node = &self.nodes[index];
        ensure(appended.dots.len() == drafts.len(), "an answer for each event", || {
            format!("{appended:?} for {drafts:?}")
        })?;
        let mut seq = seq_before;
        for ((draft, plan), dot) in drafts.iter().zip(plans).zip(&appended.dots) {
            if *plan == Plan::Store {
                seq += 1;
                let next = node.id.map(|origin| Dot { origin, seq });
                ensure(next == Some(*dot), "seqs go on", || format!("{dot} where {next:?}"))?;
            }
            let held = node.memory.facts(&self.ledger, root).find(|(fact, _)| fact.dot == *dot);
            let wall = (*plan == Plan::Store).then(|| node.wall(self.now));
            let right = held.is_some_and(|(fact, _)| draft.became(fact, wall));
            let expected = matches!(plan, Plan::Store | Plan::Replay);
            ensure(right && expected, "what was acknowledged is held", || {
                format!("{draft:?}, planned as {plan:?}, is said to be {dot}, which is {held:?}")
            })?;
            if let (Plan::Store, Some((fact, _))) = (plan, held) {
                clock::check(node, fact.recorded)?;
            }
        }
        let replayed = !plans.is_empty() && plans.iter().all(|plan| *plan == Plan::Replay);
        ensure(appended.replayed == replayed, "a replay is called one", || format!("{appended:?}"))
    }

    /// What was refused had a reason, and left nothing behind.
    fn check_refusal(
        &self,
        index: usize,
        plans: &[Plan],
        error: &WriteError,
        arrived: usize,
    ) -> Verdict {
        ensure(arrived == 0, "a refused write leaves no trace", || {
            format!("{arrived} events are there after {error}")
        })?;
        let first = plans
            .iter()
            .position(|plan| matches!(plan, Plan::Conflict | Plan::Future | Plan::Void));
        let expected = first.map(|at| (at, plans[at]));
        match error {
            WriteError::Store(error) => self.expect_fault(index, "a write", Some(error)),
            WriteError::Future { index: at } if expected == Some((*at, Plan::Future)) => Ok(()),
            WriteError::Void { index: at, .. } if expected == Some((*at, Plan::Void)) => Ok(()),
            WriteError::KeyConflict { index: at, .. }
                if expected == Some((*at, Plan::Conflict)) =>
            {
                Ok(())
            }
            error => Err(no_reason("no needless refusal", "a write", error)),
        }
    }

    /// Several requests that share a commit, one of which may be given up before it.
    fn write_group(&mut self, index: usize, wall: i64) -> Verdict {
        let mut expected = Vec::new();
        let abandon = self.dice.chance(100);
        for _ in 0..self.dice.count(2, 4) {
            let root = self.dice.pick(&self.roots).clone();
            let mut drafts = self.drafts(wall, 4);
            for draft in &mut drafts {
                draft.key = None;
                draft.occurred = draft.occurred.map(|occurred| occurred.min(wall));
            }
            let node = &mut self.nodes[index];
            let (batch, taken) = prepare(node, &root, drafts, wall)?;
            clock::will_write(node, wall, taken.len());
            let Some(replica) = &mut node.replica else { return Ok(()) };
            match replica.stage_append(&batch, wall) {
                Ok(appended) => {
                    expected.extend(appended.dots.into_iter().map(|dot| (root.clone(), dot)));
                }
                Err(error) => return Err(no_reason("no needless refusal", "staging", &error)),
            }
            if let Some(draft) = taken.first().filter(|_| self.dice.chance(200)) {
                self.check_uncommitted(index, &root, draft, wall)?;
            }
        }
        let node = &mut self.nodes[index];
        let Some(replica) = &mut node.replica else { return Ok(()) };
        if abandon {
            replica.abandon();
        }
        let committed = replica.commit();
        let arrived = node.observe(&mut self.ledger)?;
        self.say(format_args!("{index} commits a group of {}: {committed:?}", expected.len()));
        match committed {
            Ok(()) if abandon => {
                ensure(arrived == 0, "what is given up leaves no trace", || format!("{arrived}"))?;
            }
            Ok(()) => {
                self.outcome.events += arrived as u64;
                let new = &self.nodes[index].memory.arrivals;
                let new = new[new.len() - arrived..].iter().map(|new| self.ledger.fact(new.fact));
                let new: Vec<_> = new.map(|fact| (fact.root.clone(), fact.dot)).collect();
                ensure(new == expected, "a group is written in order", || {
                    format!("{new:?} where {expected:?} was staged")
                })?;
            }
            Err(error) => self.check_refusal(index, &[], &error, arrived)?,
        }
        self.after_use(index)
    }
}

/// Makes the batch, of those events that the device's validation hook takes.
fn prepare(
    node: &Node,
    root: &RootName,
    drafts: Vec<Draft>,
    wall: i64,
) -> Verdict<(PreparedBatch, Vec<Draft>)> {
    let mut batch = PreparedBatch::new(root.clone(), node.folds(), wall);
    let mut taken = Vec::new();
    for draft in drafts {
        let answer = batch.push(&draft.record());
        let refused = matches!(answer, Err(EventError::Refused { .. }));
        ensure(refused == node.fold.refuses(draft.event_type), "the validation hook", || {
            format!("{draft:?} was answered with {answer:?}")
        })?;
        if !refused {
            taken.push(draft);
        }
    }
    Ok((batch, taken))
}

/// What must come of an event, from what the device is known to hold.
pub(super) fn plan(
    node: &Node,
    ledger: &super::ledger::Ledger,
    root: &RootName,
    draft: &Draft,
    wall: i64,
) -> Plan {
    if draft.key.is_some() {
        let facts = node.memory.facts(ledger, root);
        let mut holders =
            facts.map(|(fact, _)| fact).filter(|fact| fact.key == draft.key).peekable();
        if holders.peek().is_some() {
            let same = holders.any(|fact| draft.became(fact, None));
            return if same { Plan::Replay } else { Plan::Conflict };
        }
    }
    let latest = wall.saturating_add(FUTURE_NANOS_MAX_DEFAULT);
    let is_future = draft.occurred.is_some_and(|occurred| occurred > latest);
    if is_future {
        return Plan::Future;
    }
    let is_held = |fact: &Fact| draft.voids.as_voids().iter().any(|void| void.dot == fact.dot);
    let held = node.memory.facts(ledger, root).map(|(fact, _)| fact).filter(|fact| is_held(fact));
    let is_other = |fact: &Fact| fact.aggregate_id != draft.aggregate_id || fact.is_voiding();
    let is_void = !draft.voids.as_voids().is_empty() && { held }.any(is_other);
    if is_void { Plan::Void } else { Plan::Store }
}

/// An answer in one line.
fn told(answer: &Result<Appended, WriteError>) -> String {
    match answer {
        Ok(appended) => format!("{:?}", appended.dots),
        Err(error) => error.to_string(),
    }
}
