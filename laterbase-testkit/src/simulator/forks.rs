//! What is done about forks: looking into them, healing them, deciding them.

use std::collections::BTreeSet;

use laterbase_core::fork::{Doubt, Fork, HeldBack, Keep, branch_id};
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::limits::SEQ_MAX;
use laterbase_core::reader::ReadError;
use laterbase_core::replica::{Replica, WriteError};
use laterbase_core::wants::{Want, Wants};

use super::checkers::fork;
use super::network::{Message, Shown};
use super::outcome::{Verdict, ensure, no_reason};
use super::peers::{recall_all, safe};
use super::world::World;

/// Most events of one origin that are shown at once.
const LOOK_EVENTS_MAX: usize = 64;

impl World {
    /// Asks whoever showed a fork for the whole history, where it is not known yet where the
    /// histories part.
    pub(super) fn look_into(&mut self, index: usize, other: usize, held_back: &[HeldBack]) {
        let forks = self.nodes[index].memory.forks.clone();
        for held in held_back.iter().filter(|held| matches!(held.reason, Doubt::Fork { .. })) {
            let is_located = forks.iter().any(|fork| {
                (&fork.root, fork.origin) == (&held.root, held.origin) && fork.is_located
            });
            if !is_located {
                let (root, origin) = (held.root.clone(), held.origin);
                self.send(index, other, Message::Look { root, origin, after: 0 });
            }
        }
    }

    /// Shows what is held of one origin.
    pub(super) fn show(
        &mut self,
        index: usize,
        other: usize,
        (root, origin, after): (RootName, ReplicaId, u64),
    ) -> Verdict {
        let Some(reader) = self.nodes[index].reader() else { return Ok(()) };
        let want = Want { root, origin, after, until: SEQ_MAX };
        let wants = Wants { entries: vec![want.clone()] };
        let page = match reader.wanted_delta(&wants, LOOK_EVENTS_MAX, usize::MAX) {
            Ok(page) => page,
            Err(ReadError::Store(error)) => {
                return self.expect_fault(index, "showing a history", Some(&error));
            }
            Err(error) => return Err(no_reason("no needless error", "showing", &error)),
        };
        if page.events > 0 {
            let (bytes, more) = (page.bytes, !page.complete);
            let shown = Shown { root: want.root, origin, bytes, more, is_damaged: false };
            self.send(index, other, Message::Shown(shown));
        }
        Ok(())
    }

    /// Takes what was shown, and asks for the rest while it is in doubt.
    pub(super) fn take_shown(&mut self, index: usize, other: usize, shown: Shown) -> Verdict {
        let Some(delta) = self.decode(index, &shown.bytes, shown.is_damaged)? else {
            return Ok(());
        };
        let answer = self.merge(index, &delta, Vec::new(), false)?;
        self.say(format_args!("{index} is shown a history by {other}: {answer:?}"));
        if answer.is_ok()
            && shown.more
            && let Some(run) = delta.runs.last()
        {
            let (root, origin, after) = (shown.root, shown.origin, run.last_seq());
            self.send(index, other, Message::Look { root, origin, after });
        }
        self.heal(index)
    }

    /// Lets a device's own branch give way where it has heard of nobody who has seen it.
    pub(super) fn heal(&mut self, index: usize) -> Verdict {
        let node = &self.nodes[index];
        let Some(reader) = node.reader().filter(|_| self.options.heals) else { return Ok(()) };
        let own = reader.own_ids();
        let remembered = self.recall(index, None, |reader| recall_all(reader).map(Some))?;
        let safe = safe(&remembered.unwrap_or_default());
        let is_private = |fork: &&Fork| {
            let seen = safe.get(&fork.root).map_or(0, |vv| vv.get(&fork.origin));
            fork.is_located && own.contains(&fork.origin) && seen < fork.seq
        };
        let Some(fork) = reader.forks().iter().find(is_private).cloned() else { return Ok(()) };
        self.outcome.healed += u64::from(self.resolve(index, &fork, Keep::Theirs)?);
        Ok(())
    }

    /// An operator looks at a device, and decides a fork there.
    pub(super) fn operate(&mut self) -> Verdict {
        let ready = self.ready();
        if !self.dice.chance(self.options.life.resolve) || ready.is_empty() {
            return Ok(());
        }
        let index = *self.dice.pick(&ready);
        let forks = self.nodes[index].memory.forks.clone();
        if forks.is_empty() {
            return Ok(());
        }
        let keep = if self.dice.chance(500) { Keep::Ours } else { Keep::Theirs };
        let fork = self.dice.pick(&forks).clone();
        self.resolve(index, &fork, keep)?;
        self.after_use(index)
    }

    /// Resolves a fork, and checks what came of it. False if that failed.
    pub(super) fn resolve(&mut self, index: usize, fork: &Fork, keep: Keep) -> Verdict<bool> {
        let node = &mut self.nodes[index];
        let wall = node.wall(self.now);
        let Some(replica) = &mut node.replica else { return Ok(false) };
        node.rewriting = (keep != Keep::Ours).then(|| fork.clone());
        let answer = replica.resolve(&fork.root, fork.origin, keep, wall);
        self.say(format_args!("{index} decides {fork:?}, {keep:?}: {answer:?}"));
        if let Err(WriteError::Store(error)) = &answer {
            self.expect_fault(index, "resolving a fork", Some(error))?;
            self.nodes[index].end_in_doubt();
            return Ok(false);
        }
        let node = &mut self.nodes[index];
        let is_rewritten = node.observe_rewriting(&mut self.ledger, fork)?;
        let arrived = node.observe(&mut self.ledger)?;
        match &answer {
            Ok(resolved) => {
                ensure(is_rewritten == (keep != Keep::Ours), "a branch moves", || {
                    format!("{keep:?} of {fork:?} wrote the log anew: {is_rewritten}")
                })?;
                if keep == Keep::Ours {
                    fork::check_kept(&node.memory, &self.ledger, fork, resolved, arrived)?;
                    node.memory.forks.retain(|other| other != fork);
                }
                let is_left = node.memory.fork(&fork.root, fork.origin).is_some();
                ensure(!is_left || fork.theirs > 1, "a branch moves", || {
                    format!("{fork:?} is listed after {resolved:?}")
                })?;
                self.outcome.resolved += 1;
            }
            Err(WriteError::ForkNotLocated { .. }) => {
                ensure(!fork.is_located && keep != Keep::Ours, "no needless refusal", || {
                    format!("{fork:?} is not resolved: {answer:?}")
                })?;
            }
            Err(error) => return Err(no_reason("no needless refusal", "resolving", error)),
        }
        let node = &mut self.nodes[index];
        let id = node.replica.as_ref().map(Replica::id);
        node.gave_up(is_rewritten.then_some(fork.origin), id)?;
        self.check_forks(index)?;
        Ok(answer.is_ok())
    }

    pub(super) fn check_forks(&self, index: usize) -> Verdict {
        let node = &self.nodes[index];
        if node.disk.is_poisoned() || node.disk.is_crashed() {
            return Ok(());
        }
        node.disk.suspend_faults(true);
        let verdict = fork::check(node, &self.ledger);
        node.disk.suspend_faults(false);
        verdict
    }

    /// How a device keeps the branch that the first one holds. Where it is not among those that it
    /// knows, it is known better once the first one has shown it.
    fn as_first(&self, index: usize, first: usize, fork: &Fork) -> Keep {
        let chain = |index: usize| {
            self.nodes[index].memory.chain(&self.ledger, &fork.root, fork.origin, fork.seq)
        };
        let wanted = chain(first);
        if chain(index) == wanted {
            return Keep::Ours;
        }
        let id = wanted.map(|chain| branch_id(&fork.root, fork.origin, chain));
        let takes = |root: &RootName| *root == fork.root;
        let reader = self.nodes[index].reader();
        let forks = reader.map(|reader| reader.forks_page(&takes, None, usize::MAX).forks);
        let details = forks.into_iter().flatten().filter(|detail| detail.fork == *fork);
        let mut branches = details.flat_map(|detail| detail.branches);
        let is_known = branches.any(|it| Some(it.into) == id && it.first_seq == fork.seq);
        id.filter(|_| is_known).map_or(Keep::Theirs, Keep::Branch)
    }

    /// Decides every fork that is known, at one device each. At first, as anybody might; later for
    /// the branches that the first device holds.
    pub(super) fn decide(&mut self, living: &[usize], is_late: bool) -> Verdict {
        let marks = living.iter().flat_map(|index| &self.nodes[*index].memory.forks);
        let places: BTreeSet<(RootName, ReplicaId)> =
            marks.map(|fork| (fork.root.clone(), fork.origin)).collect();
        for (root, origin) in places {
            let mut holders = living.to_vec();
            holders.retain(|index| self.nodes[*index].memory.fork(&root, origin).is_some());
            if !is_late {
                holders = vec![*self.dice.pick(&holders)];
            }
            for index in holders {
                let Some(fork) = self.nodes[index].memory.fork(&root, origin).cloned() else {
                    continue;
                };
                let drawn = self.dice.chance(500);
                let keep = match fork.is_located {
                    true if is_late => self.as_first(index, living[0], &fork),
                    true if !drawn => Keep::Theirs,
                    _ => Keep::Ours,
                };
                self.resolve(index, &fork, keep)?;
                self.after_use(index)?;
            }
        }
        Ok(())
    }
}
