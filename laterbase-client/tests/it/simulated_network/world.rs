//! Hosts, the network between them, and what must hold in the end.

use std::sync::Arc;
use std::time::Duration;

use turmoil::Sim;

use super::office::{OFFICE, Office};
use super::screen::{SCREEN, Screen};
use super::site::{DEPOT, Site, WallClock};
use super::truck::{Habit, Truck};
use crate::depot::{contents, holdings, said_in};
use crate::sample;

/// 2026-09-21, in nanoseconds since 1970: behind all that the events speak of.
const START: i64 = 1_790_000_000_000_000_000;

const STEP: Duration = Duration::from_millis(10);

/// How long it may take at most until all hosts agree once nothing is broken any more. A link
/// that fell silent is found out after 45 s.
const PEACE_MAX: Duration = Duration::from_secs(400);

/// The root that the screen shows and the office writes to.
const SHOWN_ROOT: &str = "shipment";

/// Who there is beside the depot.
#[derive(Clone, Debug)]
pub(super) struct Cast {
    /// Per truck, how it stays in sync, and how many events it records.
    pub(super) trucks: Vec<(Habit, usize)>,
    /// How many batches are written over HTTP.
    pub(super) batches: usize,
    pub(super) has_screen: bool,
}

/// A depot and those that it deals with, on one simulated network.
pub(super) struct World {
    pub(super) sim: Sim<'static>,
    pub(super) depot: Arc<Site>,
    pub(super) trucks: Vec<Arc<Truck>>,
    pub(super) office: Arc<Office>,
    pub(super) screen: Option<Arc<Screen>>,
    clock: WallClock,
    trace: Vec<(Duration, Vec<u64>)>,
}

impl World {
    pub(super) fn new(seed: u64, cast: &Cast) -> Self {
        let mut sim = turmoil::Builder::new()
            .rng_seed(seed)
            .tick_duration(STEP)
            .min_message_latency(Duration::from_millis(2))
            .max_message_latency(Duration::from_millis(80))
            .repair_rate(0.2)
            .tcp_capacity(256)
            .build();
        let clock = WallClock::starting_at(START);
        let depot = Site::new(seed, clock.clone());
        let site = Arc::clone(&depot);
        sim.host(DEPOT, move || Arc::clone(&site).run());
        let trucks = cast.trucks.iter().enumerate().map(|(number, &(habit, events))| {
            let stock = sample::lines(seed ^ number as u64, events);
            let truck = Truck::new(number, seed, habit, stock, clock.clone());
            let driven = Arc::clone(&truck);
            sim.host(truck.name.as_str(), move || Arc::clone(&driven).run());
            truck
        });
        let trucks = trucks.collect();
        let office = Office::new(SHOWN_ROOT, cast.batches);
        let staffed = Arc::clone(&office);
        sim.host(OFFICE, move || Arc::clone(&staffed).run());
        let screen = cast.has_screen.then(|| Screen::new(SHOWN_ROOT));
        if let Some(screen) = screen.clone() {
            sim.host(SCREEN, move || Arc::clone(&screen).run());
        }
        Self { sim, depot, trucks, office, screen, clock, trace: vec![] }
    }

    /// Lets a moment pass.
    pub(super) fn step(&mut self) {
        self.sim.step().unwrap();
        let passed = i64::try_from(self.sim.elapsed().as_nanos()).unwrap();
        self.clock.set(START + passed);
        let heads = self.heads();
        if self.trace.last().is_none_or(|(_, last)| *last != heads) {
            self.trace.push((self.sim.elapsed(), heads));
        }
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.sim.elapsed() + time;
        while self.sim.elapsed() < end {
            self.step();
        }
    }

    /// Lets time pass until something is so.
    #[track_caller]
    pub(super) fn run_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let end = self.sim.elapsed() + PEACE_MAX;
        while !is_so(self) {
            assert!(self.sim.elapsed() < end, "it never comes to this: {what}; {:?}", self.heads());
            self.step();
        }
    }

    /// How many events each host has: the depot, then the trucks, then the screen. 0 for those
    /// that are down.
    pub(super) fn heads(&self) -> Vec<u64> {
        let depot = self.depot.reader().map_or(0, |reader| reader.head());
        let truck = |truck: &Arc<Truck>| truck.device().map_or(0, |device| device.reader().head());
        let screen = self.screen.iter().map(|screen| screen.count());
        std::iter::once(depot).chain(self.trucks.iter().map(truck)).chain(screen).collect()
    }

    /// When which host came to have how many events.
    pub(super) fn into_trace(self) -> Vec<(Duration, Vec<u64>)> {
        self.trace
    }

    /// The names of all hosts but the depot.
    pub(super) fn others(&self) -> Vec<String> {
        let trucks = self.trucks.iter().map(|truck| truck.name.clone());
        let screen = self.screen.iter().map(|_| SCREEN.to_owned());
        trucks.chain([OFFICE.to_owned()]).chain(screen).collect()
    }

    /// Cuts the power of the depot. What it stored durably is there when it is started again.
    pub(super) fn crash_depot(&mut self) {
        self.depot.lose_power();
        self.sim.crash(DEPOT);
    }

    /// Cuts the power of a truck's device.
    pub(super) fn crash_truck(&mut self, number: usize) {
        let truck = Arc::clone(&self.trucks[number]);
        truck.lose_power();
        self.sim.crash(truck.name.as_str());
    }

    pub(super) fn start(&mut self, host: &str) {
        self.sim.bounce(host);
    }

    /// What all hosts were told is safe.
    fn acknowledged(&self) -> Vec<String> {
        let mut lines = self.office.acknowledged();
        lines.extend(self.trucks.iter().flat_map(|truck| truck.recorded()));
        lines
    }

    /// Lets time pass, in peace, until everybody has everything, and checks that it is so:
    /// nothing that was acknowledged is missing, nothing is there twice, nobody believes
    /// otherwise.
    #[track_caller]
    pub(super) fn check_agreement(&mut self) {
        self.run_until("everything is written", |world| {
            world.office.is_done() && world.trucks.iter().all(|truck| truck.is_done())
        });
        let lines = self.acknowledged();
        let count = lines.len() as u64;
        self.run_until("everybody has everything", |world| {
            let heads = world.heads();
            let devices = || world.trucks.iter().filter_map(|truck| truck.device());
            heads[..=world.trucks.len()].iter().all(|&head| head == count)
                && devices().all(|device| device.pending().unwrap().values().all(|&n| n == 0))
        });
        let depot = self.depot.reader().unwrap();
        let (expected, said) = (holdings(&depot), said_in(&lines));
        assert_eq!(contents(&depot), said);
        for truck in &self.trucks {
            let device = truck.device().unwrap();
            assert_eq!(holdings(device.reader()), expected, "{}", truck.name);
            assert_eq!(contents(device.reader()), said, "{}", truck.name);
        }
        let shown = expected.get(SHOWN_ROOT).map_or(0, |(events, ..)| *events);
        self.run_until("the screen shows everything", |world| {
            world.screen.as_ref().is_none_or(|screen| screen.count() == shown)
        });
    }
}
