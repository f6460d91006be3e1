//! What is done about forks: deciding them.

use std::collections::BTreeSet;

use laterbase_core::fork::{Fork, Keep, branch_id};
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::replica::{Replica, Resolved, WriteError};
use laterbase_core::store::StoreError;

use super::checkers::fork;
use super::outcome::{Verdict, ensure, no_reason};
use super::world::World;

impl World {
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
        let _decided = self.resolve(index, &fork, keep)?;
        self.after_use(index)
    }

    /// Resolves a fork, and checks what came of it.
    pub(super) fn resolve(
        &mut self,
        index: usize,
        fork: &Fork,
        keep: Keep,
    ) -> Verdict<Result<Resolved, WriteError>> {
        let node = &mut self.nodes[index];
        let wall = node.wall(self.now);
        let Some(replica) = &mut node.replica else {
            return Ok(Err(WriteError::Store(StoreError::Poisoned)));
        };
        node.rewriting = (keep != Keep::Ours).then(|| fork.clone());
        let answer = replica.resolve(&fork.root, fork.origin, keep, wall);
        self.say(format_args!("{index} decides {fork:?}, {keep:?}: {answer:?}"));
        if let Err(WriteError::Store(error)) = &answer {
            self.expect_fault(index, "resolving a fork", Some(error))?;
            self.nodes[index].end_in_doubt();
            return Ok(answer);
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
        Ok(answer)
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
                let _decided = self.resolve(index, &fork, keep)?;
                self.after_use(index)?;
            }
        }
        Ok(())
    }
}
