//! The second phase: faults end, everybody starts, and everybody must come to hold everything
//! within a bounded number of steps.

use super::network::Message;
use super::outcome::{Verdict, ensure};
use super::world::World;

/// Messages that a device may need for each event, each round, each peer.
const STEPS_PER_EVENT: u64 = 4;

impl World {
    /// Ends all faults and lets everybody sync until nothing is new.
    pub(super) fn settle(&mut self) -> Verdict {
        self.calm_down()?;
        let living = self.living();
        let (nodes, events) = (living.len() as u64, self.outcome.events + 100);
        let budget = self.step + nodes * nodes * (STEPS_PER_EVENT * events + 100);
        // With everybody greeting everybody, two rounds spread everything. In a run with forks
        // the histories that differ never meet, and no round is the last.
        for round in 0..2 {
            for from in &living {
                for to in living.iter().filter(|to| *to != from) {
                    self.send(*from, *to, Message::Greet);
                    self.drain(budget)?;
                }
            }
            self.say(format_args!("round {round} is over"));
        }
        if self.ledger.has_doubts() {
            return Ok(());
        }
        self.check_nothing_is_new(&living, budget)
    }

    fn calm_down(&mut self) -> Verdict {
        self.is_calm = true;
        self.network.clear();
        self.network.heal();
        for index in self.living() {
            let node = &mut self.nodes[index];
            (node.offline_until, node.busy_until) = (0, 0);
            node.clock.go();
            node.disk.cancel_faults();
            if node.replica.is_none() || node.disk.is_poisoned() {
                self.start(index)?;
            }
            let is_up = self.nodes[index].is_up();
            ensure(is_up, "liveness", || format!("{index} does not start on a sound disk"))?;
        }
        self.say(format_args!("all faults end"));
        Ok(())
    }

    /// Delivers messages until there are no more.
    fn drain(&mut self, budget: u64) -> Verdict {
        while !self.network.is_quiet() {
            self.step += 1;
            ensure(self.step < budget, "liveness", || {
                format!("not settled after {} steps", self.step)
            })?;
            if let Some(time) = self.network.next_time() {
                self.now = self.now.max(time);
            }
            self.deliver_next()?;
        }
        Ok(())
    }

    /// A sync when nothing is new sends no events.
    fn check_nothing_is_new(&mut self, living: &[usize], budget: u64) -> Verdict {
        let merged = self.outcome.merged;
        let sent = self.network.sent();
        for from in living {
            for to in living.iter().filter(|to| *to != from) {
                self.send(*from, *to, Message::Greet);
            }
        }
        self.drain(budget)?;
        let greetings = (living.len() * (living.len() - 1)) as u64;
        let messages = self.network.sent() - sent;
        ensure(merged == self.outcome.merged, "liveness", || {
            format!("{} events were new after everybody synced", self.outcome.merged - merged)
        })?;
        // A greeting and its answer each, and those that a busy device put off.
        ensure(messages >= 2 * greetings, "liveness", || format!("{messages} for {greetings}"))
    }
}
