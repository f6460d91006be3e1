//! All kinds of faults at once, from a seed.

use std::time::Duration;

use super::faults::Fault;
use super::truck::Habit;
use super::world::{Cast, World};
use crate::dice::{Dice, announce, seeds};

/// How long things go wrong.
const TROUBLE: Duration = Duration::from_secs(60);

/// Most faults at a time.
const FAULTS_MAX: usize = 3;

/// A kind of fault: makes one, of a random host.
type Kind = fn(&mut Dice, &World) -> Fault;

const KINDS: [Kind; 11] = [
    |dice, world| Fault::Cut(host(dice, world)),
    |dice, world| Fault::Deaf(host(dice, world)),
    |dice, world| Fault::Mute(host(dice, world)),
    |dice, world| Fault::Held(host(dice, world)),
    |dice, world| Fault::HeldAnswers(host(dice, world)),
    |dice, world| Fault::Lossy(host(dice, world)),
    |_, _| Fault::DepotDies,
    |_, _| Fault::DepotVanishes,
    |_, _| Fault::DepotStops,
    |dice, world| Fault::TruckDies(dice.below(world.trucks.len())),
    |dice, world| Fault::TruckVanishes(dice.below(world.trucks.len())),
];

fn host(dice: &mut Dice, world: &World) -> String {
    let hosts = world.others();
    hosts[dice.below(hosts.len())].clone()
}

/// Those that are broken, and until when.
#[derive(Default)]
struct Trouble {
    active: Vec<(Fault, Duration)>,
    begun: usize,
}

impl Trouble {
    /// Ends what is over, and lets the rest go on.
    fn go_on(&mut self, world: &mut World) {
        let now = world.sim.elapsed();
        let over: Vec<_> = self.active.extract_if(.., |(_, end)| *end <= now).collect();
        over.iter().for_each(|(fault, _)| fault.end(world));
        self.active.iter().for_each(|(fault, _)| fault.go_on(world));
    }

    fn begin(&mut self, fault: Fault, time: Duration, world: &mut World) {
        if self.active.len() < FAULTS_MAX
            && !self.active.iter().any(|(other, _)| other.clashes(&fault))
        {
            fault.begin(world);
            self.active.push((fault, world.sim.elapsed() + time));
            self.begun += 1;
        }
    }

    fn end(&mut self, world: &mut World) {
        self.active.drain(..).for_each(|(fault, _)| fault.end(world));
    }
}

/// A world in trouble, and then in peace.
fn check_swarm(seed: u64) {
    announce(seed);
    let mut dice = Dice::new(seed);
    let habits = [Habit::Calls, Habit::Watches];
    let truck = |dice: &mut Dice| (habits[dice.below(2)], 200 + dice.below(400));
    let cast = Cast {
        trucks: vec![truck(&mut dice), truck(&mut dice), truck(&mut dice)],
        batches: 60,
        has_screen: dice.below(2) == 0,
    };
    let mut world = World::new(seed, &cast);
    // Each seed has its own choice of what goes wrong, so that no kind hides what another does.
    let mut kinds = KINDS.to_vec();
    dice.shuffle(&mut kinds);
    kinds.truncate(2 + dice.below(KINDS.len() - 1));
    let mut trouble = Trouble::default();
    while world.sim.elapsed() < TROUBLE {
        trouble.go_on(&mut world);
        if dice.below(60) == 0 {
            let fault = kinds[dice.below(kinds.len())](&mut dice, &world);
            let time = Duration::from_millis(10 << dice.below(11));
            trouble.begin(fault, time, &mut world);
        }
        world.step();
    }
    trouble.end(&mut world);
    assert!(trouble.begun > 5, "{} faults", trouble.begun);
    world.check_agreement();
}

#[test]
fn everybody_agrees_once_nothing_is_broken_any_more() {
    for seed in seeds(6) {
        check_swarm(seed);
    }
}
