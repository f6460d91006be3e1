//! Requests that are recognised as a whole, and requests with a condition.

use laterbase_core::id::RootName;
use laterbase_core::replica::{Appended, WriteError};
use laterbase_core::{Precondition, PreparedBatch};

use super::checkers::{clock, etag};
use super::outcome::{Verdict, ensure, no_reason};
use super::workload::{Draft, Plan, aggregate_id, plan};
use super::world::World;

/// Events of one aggregate, written together under one key, under a condition, or both.
#[derive(Clone, Debug)]
pub(super) struct WholeRequest {
    root: RootName,
    drafts: Vec<Draft>,
    key: Option<String>,
    condition: Option<Precondition>,
}

/// What such a request must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answered,
    Future,
    KeyTaken,
    ConditionBroken,
}

impl World {
    /// A writer sends such a request to a device, maybe for the second time.
    pub(super) fn request_somewhere(&mut self, index: usize, wall: i64) -> Verdict {
        let mut request = self.next_request(index, wall)?;
        if self.ledger.has_doubts() && matches!(request.condition, Some(Precondition::Etag(_))) {
            // Behind a fork, nobody can say from outside what an etag stands for.
            request.condition = None;
        }
        let batch = self.prepare_whole(index, &request)?;
        let WholeRequest { root, drafts, key, .. } = &request;
        let node = &self.nodes[index];
        let keyed: Vec<Draft> = (0..).zip(drafts).map(|(at, draft)| draft.keyed(key, at)).collect();
        let plans: Vec<Plan> =
            keyed.iter().map(|draft| plan(node, &self.ledger, root, draft, wall)).collect();
        let fate = self.fate(index, &request, &plans);
        let seq_before = node.id.map_or(0, |id| node.memory.seq(root, id));
        clock::will_write(&mut self.nodes[index], wall, drafts.len());
        let node = &mut self.nodes[index];
        let Some(replica) = &mut node.replica else { return Ok(()) };
        let answer = replica.append(&batch, wall);
        let arrived = node.observe(&mut self.ledger)?;
        self.say(format_args!("{index} gets {request:?}: {answer:?}"));
        match (answer, fate) {
            (Ok(appended), Fate::Answered) => {
                self.outcome.events += arrived as u64;
                self.outcome.requests_replayed += u64::from(appended.replayed);
                self.check_answer(index, root, &keyed, &plans, &appended, seq_before)?;
            }
            (answer, fate) => self.check_fate(index, &request, fate, &answer, arrived)?,
        }
        self.after_use(index)
    }

    fn next_request(&mut self, index: usize, wall: i64) -> Verdict<WholeRequest> {
        if !self.whole_requests.is_empty() && self.dice.chance(350) {
            let mut request = self.dice.pick(&self.whole_requests).clone();
            match self.dice.below(8) {
                // Its writer sends less, or more, under the same key.
                0 => request.drafts.truncate(1),
                1 => request.drafts.push(request.drafts[0].clone()),
                _ => {}
            }
            return Ok(request);
        }
        let root = self.dice.pick(&self.roots).clone();
        let id = aggregate_id(self.options.aggregates, &mut self.dice);
        let mut drafts = self.drafts(wall, 3);
        drafts.iter_mut().for_each(|draft| draft.make_part_of(&id));
        let key = self.dice.chance(600).then(|| format!("request {}", self.dice.below(10)));
        let condition = self.random_condition(index, &root, &id)?;
        let request = WholeRequest { root, drafts, key, condition };
        if request.key.is_some() {
            self.whole_requests.push(request.clone());
        }
        Ok(request)
    }

    fn random_condition(
        &mut self,
        index: usize,
        root: &RootName,
        id: &str,
    ) -> Verdict<Option<Precondition>> {
        let current = self.etag(index, root, id)?;
        Ok(match self.dice.below(6) {
            0 => Some(Precondition::Absent),
            1 => Some(Precondition::Present),
            2 | 3 => {
                let mut etags: Vec<String> = Vec::new();
                let count = self.etags.count();
                if count > 0 {
                    etags.extend(self.etags.nth(self.dice.index(count)).cloned());
                }
                if self.dice.chance(600) {
                    etags.extend(current);
                }
                Some(Precondition::Etag(etags))
            }
            _ => None,
        })
    }

    /// A device's etag of an aggregate, compared with those of all others.
    fn etag(&mut self, index: usize, root: &RootName, id: &str) -> Verdict<Option<String>> {
        let node = &self.nodes[index];
        let Some(reader) = node.reader() else { return Ok(None) };
        node.disk.suspend_faults(true);
        let given = reader.etag(root, id);
        node.disk.suspend_faults(false);
        let given = given.map_err(|error| no_reason("etags", "asking for an etag", &error))?;
        let content = etag::content(&node.memory, &self.ledger, root, id);
        self.etags.learn(given.as_deref(), content, &self.ledger)?;
        Ok(given)
    }

    fn prepare_whole(&self, index: usize, request: &WholeRequest) -> Verdict<PreparedBatch> {
        let (root, folds) = (request.root.clone(), self.nodes[index].folds());
        let wall = self.nodes[index].wall(self.now);
        let mut batch = match &request.key {
            Some(key) => PreparedBatch::with_key(root, folds, wall, key),
            None => PreparedBatch::new(root, folds, wall),
        };
        let refused = |error| no_reason("no needless refusal", "preparing a request", &error);
        for draft in &request.drafts {
            batch.push(&draft.record()).map_err(refused)?;
        }
        if let Some(condition) = &request.condition {
            batch.require(condition.clone()).map_err(refused)?;
        }
        Ok(batch)
    }

    /// What must come of a request, from what the device is known to hold.
    fn fate(&self, index: usize, request: &WholeRequest, plans: &[Plan]) -> Fate {
        let node = &self.nodes[index];
        // None of these events takes others back.
        let first = plans.iter().find(|plan| matches!(plan, Plan::Conflict | Plan::Future));
        match first {
            Some(Plan::Future) => return Fate::Future,
            Some(_) => return Fate::KeyTaken,
            None => {}
        }
        let replays = plans.iter().filter(|plan| **plan == Plan::Replay).count();
        if replays > 0 {
            // A replay is of as many events as the first request, and asks for nothing else.
            let beyond = request.drafts[0].keyed(&request.key, plans.len());
            let is_longer =
                plan(node, &self.ledger, &request.root, &beyond, i64::MAX) != Plan::Store;
            let is_whole = replays == plans.len() && !is_longer;
            return if is_whole { Fate::Answered } else { Fate::KeyTaken };
        }
        let (root, id) = (&request.root, request.drafts[0].aggregate_id());
        let held = etag::content(&node.memory, &self.ledger, root, id);
        let holds = match &request.condition {
            None => true,
            Some(Precondition::Absent) => held.is_empty(),
            Some(Precondition::Present) => !held.is_empty(),
            Some(Precondition::Etag(etags)) => {
                etags.iter().any(|etag| self.etags.given_for(etag) == Some(&held))
            }
        };
        if holds { Fate::Answered } else { Fate::ConditionBroken }
    }

    /// What was refused had its reason, and left nothing behind.
    fn check_fate(
        &mut self,
        index: usize,
        request: &WholeRequest,
        fate: Fate,
        answer: &Result<Appended, WriteError>,
        arrived: usize,
    ) -> Verdict {
        ensure(arrived == 0, "a refused write leaves no trace", || {
            format!("{arrived} events are there after {answer:?}, which was to be {fate:?}")
        })?;
        if let Err(WriteError::Store(error)) = answer {
            return self.expect_fault(index, "a request", Some(error));
        }
        let is_right = match (fate, answer) {
            (Fate::Future, Err(WriteError::Future { .. }))
            | (Fate::KeyTaken, Err(WriteError::KeyConflict { .. })) => true,
            (Fate::ConditionBroken, Err(WriteError::Precondition { etag })) => {
                let id = request.drafts[0].aggregate_id();
                self.etag(index, &request.root, id)? == *etag
            }
            _ => false,
        };
        self.outcome.conditions_refused += u64::from(fate != Fate::Future);
        ensure(is_right, "conditions and keys", || {
            format!("{request:?} was answered with {answer:?}, and is {fate:?}")
        })
    }

    /// While events of an aggregate are staged, nobody can judge a condition about it.
    pub(super) fn check_uncommitted(
        &mut self,
        index: usize,
        root: &RootName,
        draft: &Draft,
        wall: i64,
    ) -> Verdict {
        let request = WholeRequest {
            root: root.clone(),
            drafts: vec![draft.clone()],
            key: None,
            condition: Some(Precondition::Present),
        };
        let batch = self.prepare_whole(index, &request)?;
        let Some(replica) = &mut self.nodes[index].replica else { return Ok(()) };
        let answer = replica.stage_append(&batch, wall);
        ensure(matches!(answer, Err(WriteError::Uncommitted)), "conditions and keys", || {
            format!("{request:?} was answered with {answer:?} while its aggregate was staged")
        })
    }
}
