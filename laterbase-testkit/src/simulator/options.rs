//! What a run is made of, drawn from its seed.
//!
//! Each fault is on in about half of the runs (swarm testing: Groce et al., 2012): a run without
//! crashes finds what a run full of crashes hides, and the other way around.

use super::dice::Dice;

/// Chances are times in a thousand, rolled at each step unless it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub replicas: usize,
    pub roots: usize,
    /// Aggregates that events are spread over, in each root.
    pub aggregates: u64,
    /// Steps of the safety phase.
    pub steps: u64,
    /// The longest time that passes between two steps.
    pub step_nanos_max: i64,
    /// Most events and bytes on a page.
    pub page_events: usize,
    pub page_bytes: usize,
    pub front_events_flush: usize,
    /// Whether each store is in relaxed durability, by replica in turn.
    pub relaxed: [bool; 8],
    pub network: NetworkOptions,
    pub disk: DiskOptions,
    pub clock: ClockOptions,
    pub life: LifeOptions,
    /// Devices let their own branch give way if they have heard of nobody who has seen it.
    pub heals: bool,
}

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NetworkOptions {
    /// The longest that a message takes on a free link. Messages overtake each other.
    pub delay_nanos_max: i64,
    /// Per message.
    pub loss: u64,
    /// Per message.
    pub duplication: u64,
    /// Per message: the page in it arrives cut short, or with a bit turned.
    pub damage: u64,
    /// A link becomes slow for a while.
    pub clog: u64,
    /// Some links are cut, one way or both ways.
    pub partition: u64,
    /// All links are free again.
    pub heal: u64,
}

/// What disks do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DiskOptions {
    /// The next commits, up to a few dozen, find the disk full.
    pub full: u64,
    /// The next commit fails, before or after it was written, and poisons the store.
    pub commit_error: u64,
    /// The process ends in the next commit, before or after it was written.
    pub crash_in_commit: u64,
    /// One of the next reads fails.
    pub read_error: u64,
    /// The longest that a commit takes.
    pub commit_nanos_max: i64,
}

/// What wall clocks do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClockOptions {
    /// How far clocks are off at the start.
    pub skew_nanos_max: i64,
    /// How much faster or slower than time a clock runs, in parts of a million.
    pub drift_ppm_max: i64,
    /// A clock is set forward or back, by anything up to centuries.
    pub jump: u64,
    /// A clock stops, or goes on.
    pub stop: u64,
    /// Per device, at the start: the clock's battery is dead, so that it begins at 1970 whenever
    /// the power comes back.
    pub dead_battery: u64,
}

/// What happens to devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LifeOptions {
    /// The process ends; what the operating system was given stays.
    pub crash: u64,
    /// The machine ends; what was not synced may be gone.
    pub power_loss: u64,
    /// The process is stopped in an orderly way.
    pub stop: u64,
    /// A process that is not running starts.
    pub start: u64,
    /// The store is emptied.
    pub wipe: u64,
    /// A copy of the store is put away.
    pub backup: u64,
    /// The store is set back to a copy, at another place.
    pub restore_elsewhere: u64,
    /// The store is set back to a copy at its own place. The device hears the others before it
    /// writes.
    pub restore_in_place: u64,
    /// A copy of the store comes to life as another device.
    pub clone: u64,
    /// The device is out of reach for a while, and goes on recording.
    pub offline: u64,
    /// The device never comes back.
    pub retire: u64,
    /// The users' fold changes at the next start.
    pub fold_change: u64,
    /// The store is set back to a copy at its own place, and writes on at once: histories fork.
    pub fork: u64,
    /// An operator decides a fork at some device.
    pub resolve: u64,
}

/// A name, and what turns the fault off.
type Fault = (&'static str, fn(&mut Options));

/// Everything that can be turned off to make a run smaller.
pub(super) const FAULTS: [Fault; 30] = [
    ("delay", |options| options.network.delay_nanos_max = 1),
    ("loss", |options| options.network.loss = 0),
    ("duplication", |options| options.network.duplication = 0),
    ("damage", |options| options.network.damage = 0),
    ("clog", |options| options.network.clog = 0),
    ("partition", |options| options.network.partition = 0),
    ("full", |options| options.disk.full = 0),
    ("commit-error", |options| options.disk.commit_error = 0),
    ("crash-in-commit", |options| options.disk.crash_in_commit = 0),
    ("read-error", |options| options.disk.read_error = 0),
    ("slow-commits", |options| options.disk.commit_nanos_max = 1),
    ("relaxed", |options| options.relaxed = [false; 8]),
    ("skew", |options| options.clock.skew_nanos_max = 0),
    ("drift", |options| options.clock.drift_ppm_max = 0),
    ("jump", |options| options.clock.jump = 0),
    ("stopped-clock", |options| options.clock.stop = 0),
    ("dead-battery", |options| options.clock.dead_battery = 0),
    ("crash", |options| options.life.crash = 0),
    ("power-loss", |options| options.life.power_loss = 0),
    ("stop", |options| options.life.stop = 0),
    ("wipe", |options| options.life.wipe = 0),
    ("restore-elsewhere", |options| options.life.restore_elsewhere = 0),
    ("restore-in-place", |options| options.life.restore_in_place = 0),
    ("clone", |options| options.life.clone = 0),
    ("offline", |options| options.life.offline = 0),
    ("retire", |options| options.life.retire = 0),
    ("fold-change", |options| options.life.fold_change = 0),
    ("fork", |options| options.life.fork = 0),
    ("resolve", |options| options.life.resolve = 0),
    ("heal", |options| options.heals = false),
];

impl Options {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let replicas = dice.count(2, 5);
        let relaxed_share = *dice.pick(&[0, 0, 0, 300, 1_000]);
        Self {
            replicas,
            roots: dice.count(1, 3),
            aggregates: dice.between(1, 12),
            steps: dice.between(150, 700),
            step_nanos_max: *dice.pick(&[1_000, 1_000_000, 1_000_000_000, 60_000_000_000]),
            page_events: *dice.pick(&[1, 2, 5, 20, 200]),
            page_bytes: *dice.pick(&[1, 600, 16 << 20]),
            front_events_flush: *dice.pick(&[1, 4, 16, 64, 1_000]),
            relaxed: std::array::from_fn(|_| dice.chance(relaxed_share)),
            network: NetworkOptions::draw(dice),
            disk: DiskOptions::draw(dice),
            clock: ClockOptions::draw(dice),
            life: LifeOptions::draw(dice),
            heals: dice.chance(500),
        }
    }
}

/// 0 in half of the draws, else a chance up to `max`.
fn maybe(dice: &mut Dice, max: u64) -> u64 {
    if dice.chance(500) { dice.between(1, max) } else { 0 }
}

impl NetworkOptions {
    fn draw(dice: &mut Dice) -> Self {
        Self {
            delay_nanos_max: *dice.pick(&[1, 1_000_000, 1_000_000_000, 3_600_000_000_000]),
            loss: maybe(dice, 300),
            duplication: maybe(dice, 300),
            damage: maybe(dice, 200),
            clog: maybe(dice, 20),
            partition: maybe(dice, 30),
            heal: dice.between(5, 60),
        }
    }
}

impl DiskOptions {
    fn draw(dice: &mut Dice) -> Self {
        Self {
            full: maybe(dice, 20),
            commit_error: maybe(dice, 15),
            crash_in_commit: maybe(dice, 25),
            read_error: maybe(dice, 20),
            commit_nanos_max: *dice.pick(&[1, 1_000_000, 1_000_000_000]),
        }
    }
}

impl ClockOptions {
    fn draw(dice: &mut Dice) -> Self {
        Self {
            skew_nanos_max: *dice.pick(&[0, 1_000_000, 1_000_000_000, 86_400_000_000_000]),
            drift_ppm_max: *dice.pick(&[0, 0, 100, 100_000]),
            jump: maybe(dice, 20),
            stop: maybe(dice, 10),
            dead_battery: maybe(dice, 500),
        }
    }
}

impl LifeOptions {
    fn draw(dice: &mut Dice) -> Self {
        Self {
            crash: maybe(dice, 20),
            power_loss: maybe(dice, 20),
            stop: maybe(dice, 10),
            start: dice.between(20, 200),
            wipe: maybe(dice, 6),
            backup: dice.between(5, 20),
            restore_elsewhere: maybe(dice, 8),
            restore_in_place: maybe(dice, 15),
            clone: maybe(dice, 4),
            offline: maybe(dice, 10),
            retire: maybe(dice, 3),
            fold_change: maybe(dice, 10),
            // In a run with forks, less can be said of each id, so most runs have none.
            fork: if dice.chance(300) { dice.between(5, 40) } else { 0 },
            resolve: maybe(dice, 60),
        }
    }
}
