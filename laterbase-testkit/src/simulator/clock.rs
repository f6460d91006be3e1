//! Wall clocks that are wrong.

use super::dice::Dice;
use super::options::ClockOptions;

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 24 * 3_600 * SECOND;

/// Readings that clocks of real devices have shown: nothing set, 1904, an unsigned second too
/// many, and the ends of the type.
const ODD_READINGS: [i64; 6] =
    [0, -2_082_844_800 * SECOND, 4_294_967_296 * SECOND, i64::MAX, i64::MIN, SECOND];

/// A device's wall clock, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct WallClock {
    offset: i64,
    drift_ppm: i64,
    /// What a clock that has stopped shows.
    stopped: Option<i64>,
    /// It forgets the time when the power goes.
    has_dead_battery: bool,
}

impl WallClock {
    pub(super) fn draw(options: &ClockOptions, dice: &mut Dice) -> Self {
        let offset = dice.around(options.skew_nanos_max);
        let drift_ppm = dice.around(options.drift_ppm_max);
        let has_dead_battery = dice.chance(options.dead_battery);
        Self { offset, drift_ppm, stopped: None, has_dead_battery }
    }

    /// What the clock shows when `now` is the true time and `age` has passed in the simulation.
    pub(super) const fn read(&self, now: i64, age: i64) -> i64 {
        match self.stopped {
            Some(reading) => reading,
            None => {
                let drift = age / 1_000_000 * self.drift_ppm;
                now.saturating_add(self.offset).saturating_add(drift)
            }
        }
    }

    /// Sets the clock forward or back.
    pub(super) fn jump(&mut self, now: i64, dice: &mut Dice) {
        self.stopped = None;
        match dice.below(8) {
            0 => self.offset = dice.pick(&ODD_READINGS).saturating_sub(now),
            1 => self.offset = 0,
            2 => self.offset = self.offset.saturating_add(dice.around(50 * 365 * DAY)),
            3 => self.offset = self.offset.saturating_add(dice.around(DAY)),
            _ => self.offset = self.offset.saturating_add(dice.around(2 * SECOND)),
        }
    }

    /// The power was off and comes back. Says whether the clock begins anew.
    pub(super) const fn lose_power(&mut self, now: i64) -> bool {
        if self.has_dead_battery {
            self.offset = -now;
        }
        self.has_dead_battery
    }

    /// Stops the clock, or lets it go on.
    pub(super) const fn stop_or_go(&mut self, now: i64, age: i64) {
        self.stopped = match self.stopped {
            None => Some(self.read(now, age)),
            Some(_) => None,
        };
    }

    /// Lets the clock run on as clocks should, from whatever it shows.
    pub(super) const fn go(&mut self) {
        self.stopped = None;
        self.drift_ppm = 0;
    }
}
