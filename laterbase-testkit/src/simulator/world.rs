//! The simulated world, and the two phases of a run.

use std::collections::BTreeSet;

use laterbase_core::id::RootName;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::store::Durability;

use super::checkers::{convergence, cursor, etag, feed, fold, fork, pending, status, stored};
use super::clock::WallClock;
use super::dice::Dice;
use super::disk::SimDisk;
use super::ledger::Ledger;
use super::network::Network;
use super::node::{Node, START};
use super::options::Options;
use super::outcome::{Outcome, Verdict};
use super::requests::WholeRequest;
use super::scenario::Scenario;
use super::trace::Trace;
use super::workload::Request;

const ROOTS: [&str; 3] = ["shipment", "order", "shipment@depot-7"];

/// Messages that are delivered in a step, if so many are due.
const DELIVERIES: usize = 4;

/// Steps between looks at a whole device.
const LOOK_STEPS: u64 = 16;

pub(super) struct World {
    pub options: Options,
    pub dice: Dice,
    /// The true time, in nanoseconds since 1970.
    pub now: i64,
    pub step: u64,
    pub nodes: Vec<Node>,
    pub network: Network,
    pub ledger: Ledger,
    pub roots: Vec<RootName>,
    /// Requests with keys that writers may send again.
    pub requests: Vec<Request>,
    /// Requests with a key for all their events.
    pub whole_requests: Vec<WholeRequest>,
    /// Etags that devices gave.
    pub etags: etag::Etags,
    /// What all devices together held when the faults ended, by number.
    pub held_before: BTreeSet<usize>,
    /// Homes that were given out.
    pub homes: u8,
    /// Questions that were put.
    pub asked: u64,
    /// Faults are off: everything that is sent arrives, in order.
    pub is_calm: bool,
    pub trace: Trace,
    pub outcome: Outcome,
}

impl World {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let mut dice = Dice::new(scenario.seed);
        let mut options = Options::draw(&mut dice);
        scenario.apply(&mut options);
        let roots = &ROOTS[..options.roots];
        let roots = roots.iter().map(|name| RootName::new(name).expect("a good name")).collect();
        let mut world = Self {
            dice,
            now: START,
            step: 0,
            nodes: Vec::new(),
            network: Network::default(),
            ledger: Ledger::default(),
            roots,
            requests: Vec::new(),
            whole_requests: Vec::new(),
            etags: etag::Etags::default(),
            held_before: BTreeSet::new(),
            homes: 0,
            asked: 0,
            is_calm: false,
            trace: Trace::new(),
            outcome: Outcome::default(),
            options,
        };
        for index in 0..world.options.replicas {
            let store = world.empty_store(index);
            world.add_node(store);
        }
        world
    }

    /// Plays both phases.
    pub(super) fn run(&mut self) -> Verdict {
        for index in 0..self.nodes.len() {
            self.start(index)?;
        }
        for _ in 0..self.options.steps {
            self.safety_step()?;
        }
        self.settle()?;
        self.check_everything()
    }

    pub(super) fn outcome(&self) -> Outcome {
        Outcome {
            trace_hash: self.trace.hash(),
            steps: self.step,
            messages: self.network.sent(),
            lost: self.network.lost,
            simulated_nanos: self.now.abs_diff(START),
            ..self.outcome
        }
    }

    fn safety_step(&mut self) -> Verdict {
        self.step += 1;
        self.now += self.dice.around(self.options.step_nanos_max).abs();
        self.bring_faults()?;
        match self.dice.below(10) {
            0..=2 => self.write_somewhere()?,
            3 => self.sync_somebody()?,
            4 => self.maintain_somewhere()?,
            5 => self.read_somewhere()?,
            _ => {
                // A session takes several questions to get anywhere.
                for _ in 0..DELIVERIES {
                    self.deliver_next()?;
                }
            }
        }
        if self.step.is_multiple_of(LOOK_STEPS) {
            self.look_around()?;
        }
        Ok(())
    }

    /// Writes down what happened.
    pub(super) fn say(&mut self, text: std::fmt::Arguments<'_>) {
        self.trace.line(self.step, text);
    }

    pub(super) fn empty_store(&self, index: usize) -> MemoryStore {
        let relaxed = self.options.relaxed[index % self.options.relaxed.len()];
        let durability = if relaxed { Durability::Relaxed } else { Durability::Durable };
        MemoryStore::with_durability(durability)
    }

    /// A device with a store, whose process does not run yet.
    pub(super) fn add_node(&mut self, store: MemoryStore) -> usize {
        let disk = SimDisk::new(store, self.options.disk.commit_nanos_max, self.dice.split());
        let clock = WallClock::draw(&self.options.clock, &mut self.dice);
        let home = self.next_home();
        let flush = self.options.front_events_flush;
        self.nodes.push(Node::new(disk, clock, home, flush, self.dice.split()));
        self.nodes.len() - 1
    }

    /// A place where no store has lived yet.
    pub(super) const fn next_home(&mut self) -> u8 {
        self.homes = self.homes.wrapping_add(1);
        self.homes
    }

    /// Starts a device's process.
    pub(super) fn start(&mut self, index: usize) -> Verdict {
        let started = self.nodes[index].start(&mut self.ledger)?;
        let id = self.nodes[index].id;
        self.say(format_args!("{index} starts: {started}, {id:?}"));
        Ok(())
    }

    /// After a process has used its disk: it may have ended on the way, and it has to wait.
    pub(super) fn after_use(&mut self, index: usize) -> Verdict {
        let now = self.now;
        let node = &mut self.nodes[index];
        node.wait_for_disk(now);
        self.outcome.disk_faults += node.disk.take_faults();
        if node.disk.is_crashed() && node.replica.take().is_some() {
            self.outcome.crashes += 1;
            self.say(format_args!("{index} ended in a commit"));
        }
        pending::check(&self.nodes, index, &self.ledger)
    }

    /// Devices whose process runs, and has nothing to wait for.
    pub(super) fn ready(&self) -> Vec<usize> {
        let is_ready = |node: &Node| node.is_up() && node.busy_until <= self.now;
        (0..self.nodes.len()).filter(|index| is_ready(&self.nodes[*index])).collect()
    }

    fn maintain_somewhere(&mut self) -> Verdict {
        let ready = self.ready();
        if ready.is_empty() {
            return Ok(());
        }
        let index = *self.dice.pick(&ready);
        let flush = self.dice.chance(500);
        let Some(replica) = &self.nodes[index].replica else { return Ok(()) };
        let mut maintenance = replica.maintenance();
        let done = if flush { maintenance.flush().map(|()| true) } else { maintenance.step() };
        self.expect_fault(index, "maintenance", done.as_ref().err())?;
        self.say(format_args!("{index} flushes: {done:?}"));
        self.after_use(index)
    }

    /// Reads an aggregate, which may leave snapshots for the next flush to keep.
    fn read_somewhere(&mut self) -> Verdict {
        let ready = self.ready();
        if ready.is_empty() {
            return Ok(());
        }
        let index = *self.dice.pick(&ready);
        let root = self.dice.pick(&self.roots).clone();
        let aggregate = super::workload::aggregate_id(self.options.aggregates, &mut self.dice);
        let node = &self.nodes[index];
        node.disk.suspend_faults(true);
        let verdict = fold::check(node, &self.ledger, &root, &aggregate, &mut self.dice);
        node.disk.suspend_faults(false);
        self.outcome.reads += 1;
        verdict
    }

    /// Objects to an error of a store to which nothing was done.
    pub(super) fn expect_fault(
        &self,
        index: usize,
        doing: &'static str,
        error: Option<&laterbase_core::store::StoreError>,
    ) -> Verdict {
        match error {
            Some(error) if !self.nodes[index].disk.has_faulted() => {
                Err(super::outcome::no_reason("no needless error", doing, error))
            }
            _ => Ok(()),
        }
    }

    /// Looks at a random device in every way there is.
    fn look_around(&mut self) -> Verdict {
        let up: Vec<usize> = (0..self.nodes.len()).filter(|i| self.nodes[*i].is_up()).collect();
        if up.is_empty() {
            return Ok(());
        }
        let (index, other) = (*self.dice.pick(&up), *self.dice.pick(&up));
        self.look_at(index)?;
        self.nodes[other].disk.suspend_faults(true);
        self.nodes[index].disk.suspend_faults(true);
        let (one, two) = (&self.nodes[index], &self.nodes[other]);
        let verdict = convergence::check_pair(one, two, &self.ledger)
            .and_then(|()| cursor::check(one, two, other, &self.ledger));
        self.nodes[index].disk.suspend_faults(false);
        self.nodes[other].disk.suspend_faults(false);
        verdict
    }

    fn look_at(&mut self, index: usize) -> Verdict {
        self.nodes[index].disk.suspend_faults(true);
        let (node, dice) = (&self.nodes[index], &mut self.dice);
        for root in &self.roots {
            feed::check(node, &self.ledger, root, dice)?;
            for _ in 0..3 {
                let aggregate = super::workload::aggregate_id(self.options.aggregates, dice);
                fold::check(node, &self.ledger, root, &aggregate, dice)?;
                self.outcome.reads += 1;
            }
        }
        status::check(node, &self.ledger, dice)?;
        fork::check(node, &self.ledger)?;
        stored::check(node)?;
        self.nodes[index].disk.suspend_faults(false);
        Ok(())
    }

    /// The end of a run: everything must hold everywhere.
    fn check_everything(&mut self) -> Verdict {
        let living = self.living();
        for index in &living {
            self.look_at(*index)?;
        }
        let nodes: Vec<&Node> = living.iter().map(|index| &self.nodes[*index]).collect();
        convergence::check_all(&nodes, &self.ledger)?;
        fork::check_content(&nodes, &self.held_before, &self.ledger)?;
        for (a, b) in living.iter().flat_map(|a| living.iter().map(move |b| (*a, *b))) {
            cursor::check(&self.nodes[a], &self.nodes[b], b, &self.ledger)?;
        }
        if nodes.len() > 1 {
            nodes.into_iter().try_for_each(pending::check_nothing)
        } else {
            Ok(())
        }
    }

    /// Devices that will be heard of again.
    pub(super) fn living(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|index| !self.nodes[*index].is_retired).collect()
    }
}
