//! Making a failing run smaller: fewer steps, replicas, roots and faults, as long as the same
//! checker still objects.

use super::options::{FAULTS, Options};
use super::outcome::Failure;
use super::scenario::Scenario;
use super::{dice::Dice, play};

/// Gives the smallest failing run that was found by playing at most `runs_max` others. It may be
/// the one it was given.
pub fn shrink(failure: Box<Failure>, runs_max: usize) -> Box<Failure> {
    let mut search = Search { smallest: failure, runs_left: runs_max };
    // What comes after the step that failed has no part in it.
    search.cut_steps();
    loop {
        let before = search.smallest.scenario.clone();
        search.fewer_replicas();
        search.fewer_roots();
        search.fewer_faults();
        search.fewer_steps();
        if search.smallest.scenario == before || search.runs_left == 0 {
            return search.smallest;
        }
    }
}

struct Search {
    smallest: Box<Failure>,
    runs_left: usize,
}

impl Search {
    /// Plays a smaller run, and keeps it if it fails the same way.
    fn try_smaller(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut scenario = self.smallest.scenario.clone();
        change(&mut scenario);
        if self.runs_left == 0 {
            return false;
        }
        self.runs_left -= 1;
        match play(&scenario) {
            Err(failure) if failure.checker == self.smallest.checker => {
                self.smallest = failure;
                true
            }
            _ => false,
        }
    }

    /// What the smallest run is made of.
    fn options(&self) -> Options {
        let scenario = &self.smallest.scenario;
        let mut options = Options::draw(&mut Dice::new(scenario.seed));
        scenario.apply(&mut options);
        options
    }

    fn cut_steps(&mut self) {
        let step = self.smallest.step;
        if step < self.options().steps {
            self.try_smaller(|scenario| scenario.steps = Some(step));
        }
    }

    fn fewer_replicas(&mut self) {
        while let Some(fewer @ 1..) = self.options().replicas.checked_sub(1)
            && self.try_smaller(|scenario| scenario.replicas = Some(fewer))
        {
            self.cut_steps();
        }
    }

    fn fewer_roots(&mut self) {
        while let Some(fewer @ 1..) = self.options().roots.checked_sub(1)
            && self.try_smaller(|scenario| scenario.roots = Some(fewer))
        {
            self.cut_steps();
        }
    }

    fn fewer_faults(&mut self) {
        for (name, turn_off) in FAULTS {
            let options = self.options();
            let mut without = options.clone();
            turn_off(&mut without);
            if without != options
                && self.try_smaller(|scenario| {
                    scenario.without.insert(name.to_owned());
                })
            {
                self.cut_steps();
            }
        }
    }

    /// Takes away a half of the steps while that goes, then a quarter, and so on.
    fn fewer_steps(&mut self) {
        let mut share = 2;
        while share <= 64 {
            let steps = self.options().steps;
            let fewer = steps - steps / share;
            if fewer == steps || !self.try_smaller(|scenario| scenario.steps = Some(fewer)) {
                share *= 2;
            }
        }
    }
}
