//! The second phase: faults end, everybody starts, and everybody must come to hold everything
//! within a bounded number of steps.

use super::checkers::convergence;
use super::node::Node;
use super::outcome::{Verdict, Violation, ensure};
use super::world::World;

/// Messages that a device may need for each event, each peer: pages may be so small that they hold
/// one event, and come in twice where two devices call each other at the same time.
const STEPS_PER_EVENT: u64 = 12;

/// Rounds of deciding and syncing after which no fork may be left.
const ROUNDS_MAX: u64 = 12;

/// How many of them are decided at random.
const DRAWN_ROUNDS: u64 = 2;

impl World {
    /// Ends all faults and lets everybody sync until nothing is new.
    pub(super) fn settle(&mut self) -> Verdict {
        self.calm_down()?;
        let living = self.living();
        let (nodes, events) = (living.len() as u64, self.outcome.events + 100);
        let budget = self.step + nodes * nodes * (STEPS_PER_EVENT * events + 100);
        // With everybody syncing with everybody, two rounds spread everything.
        for round in 0..2 {
            self.sync_all(&living, budget)?;
            self.say(format_args!("round {round} is over"));
        }
        if self.ledger.has_doubts() {
            self.settle_forks(&living, budget * ROUNDS_MAX)?;
        }
        self.check_nothing_is_new(&living, budget * ROUNDS_MAX)
    }

    /// Resolves what is in doubt, as long as there is something.
    fn settle_forks(&mut self, living: &[usize], budget: u64) -> Verdict {
        for round in 0..ROUNDS_MAX {
            self.greet_all(living, budget)?;
            self.sync_all(living, budget)?;
            self.say(format_args!("round {round} about forks is over"));
            let nodes: Vec<&Node> = living.iter().map(|index| &self.nodes[*index]).collect();
            let is_decided = nodes.iter().all(|node| node.memory.forks.is_empty());
            if is_decided && convergence::check_all(&nodes, &self.ledger).is_ok() {
                return Ok(());
            }
            self.decide(living, round >= DRAWN_ROUNDS)?;
        }
        let forks: Vec<_> = living.iter().map(|index| &self.nodes[*index].memory.forks).collect();
        Err(Violation {
            checker: "liveness",
            words: format!("not settled after {ROUNDS_MAX} rounds of decisions: {forks:?}"),
        })
    }

    /// Everybody syncs with everybody, and compares everything.
    fn greet_all(&mut self, living: &[usize], budget: u64) -> Verdict {
        for from in living {
            for to in living.iter().filter(|to| *to != from) {
                self.begin(*from, *to, true)?;
                self.drain(budget)?;
            }
        }
        Ok(())
    }

    /// Everybody goes on with everybody where they left off.
    fn sync_all(&mut self, living: &[usize], budget: u64) -> Verdict {
        for from in living {
            for to in living.iter().filter(|to| *to != from) {
                self.begin(*from, *to, false)?;
                self.drain(budget)?;
            }
        }
        Ok(())
    }

    fn calm_down(&mut self) -> Verdict {
        self.is_calm = true;
        // Conversations that cross each other ask for the same again and again, which would be
        // taken for a sync that does not end.
        self.network.end_conversations();
        self.network.heal();
        for index in self.living() {
            let node = &mut self.nodes[index];
            (node.offline_until, node.busy_until) = (0, 0);
            node.talks.clear();
            node.clock.go();
            node.disk.cancel_faults();
            if node.replica.is_none() || node.disk.is_poisoned() {
                self.start(index)?;
            }
            let is_up = self.nodes[index].is_up();
            ensure(is_up, "liveness", || format!("{index} does not start on a sound disk"))?;
        }
        let living = self.living().into_iter();
        let arrivals = living.flat_map(|index| &self.nodes[index].memory.arrivals);
        self.held_before = arrivals.map(|arrival| arrival.fact).collect();
        self.say(format_args!("all faults end"));
        Ok(())
    }

    /// Delivers messages until there are no more.
    fn drain(&mut self, budget: u64) -> Verdict {
        loop {
            let times = [self.network.next_time(), self.next_timer()];
            let Some(time) = times.into_iter().flatten().min() else { return Ok(()) };
            self.step += 1;
            ensure(self.step < budget, "liveness", || {
                format!("not settled after {} steps", self.step)
            })?;
            self.now = self.now.max(time);
            self.deliver_next()?;
        }
    }

    /// What was remembered led to everything, so that comparing everything brings
    /// nothing new; and a sync when nothing is new is one question and one answer.
    fn check_nothing_is_new(&mut self, living: &[usize], budget: u64) -> Verdict {
        let merged = self.outcome.merged;
        self.greet_all(living, budget)?;
        self.sync_all(living, budget)?;
        ensure(merged == self.outcome.merged, "liveness", || {
            format!("{} events were new after everybody synced", self.outcome.merged - merged)
        })?;
        let sent = self.network.sent();
        self.sync_all(living, budget)?;
        let pairs = (living.len() * (living.len() - 1)) as u64;
        let messages = self.network.sent() - sent;
        ensure(messages == 2 * pairs, "liveness", || {
            format!("{messages} messages between {pairs} pairs when nothing is new")
        })
    }
}
