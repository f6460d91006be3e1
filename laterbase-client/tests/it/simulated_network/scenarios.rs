//! One fault each, at the moment at which it hurts.

use std::time::Duration;

use super::faults::Fault;
use super::truck::Habit;
use super::world::{Cast, World};
use crate::dice::{announce, seeds};

const SECOND: Duration = Duration::from_secs(1);

/// Two trucks, of which the first one has much to tell the other.
fn fleet(habit: Habit) -> Cast {
    Cast { trucks: vec![(habit, 600), (habit, 20)], batches: 4, has_screen: false }
}

/// Two trucks that watch, a screen, and an office that goes on writing.
fn busy() -> Cast {
    let trucks = vec![(Habit::Watches, 300), (Habit::Watches, 100)];
    Cast { trucks, batches: 40, has_screen: true }
}

/// Goes wrong, for some time, at the moment that something is so; everybody agrees in the end.
fn check_fault(cast: &Cast, fault: &Fault, time: Duration, when: impl Fn(&World) -> bool) {
    for seed in seeds(3) {
        announce(seed);
        let mut world = World::new(seed, cast);
        world.run_until("the fault's moment comes", &when);
        fault.begin(&mut world);
        let end = world.sim.elapsed() + time;
        while world.sim.elapsed() < end {
            fault.go_on(&world);
            world.step();
        }
        fault.end(&mut world);
        world.check_agreement();
    }
}

/// The depot has some of what the first truck pushes.
fn is_pushing(world: &World) -> bool {
    world.heads()[0] > 100
}

/// The second truck has some of what the first one recorded.
fn is_pulling(world: &World) -> bool {
    world.heads()[2] > 150
}

/// The screen shows something, and more is to come.
fn is_live(world: &World) -> bool {
    world.screen.as_ref().is_some_and(|screen| screen.count() > 30)
}

fn truck(number: usize) -> String {
    format!("truck-{number}")
}

#[test]
fn a_link_cut_during_a_push_and_mended() {
    check_fault(&fleet(Habit::Calls), &Fault::Cut(truck(0)), 20 * SECOND, is_pushing);
}

#[test]
fn answers_lost_during_a_push() {
    check_fault(&fleet(Habit::Calls), &Fault::Mute(truck(0)), 50 * SECOND, is_pushing);
}

#[test]
fn requests_lost_during_a_pull() {
    check_fault(&fleet(Habit::Calls), &Fault::Deaf(truck(1)), 50 * SECOND, is_pulling);
}

#[test]
fn segments_held_during_a_pull_and_let_go_at_once() {
    check_fault(&fleet(Habit::Calls), &Fault::Held(truck(1)), 5 * SECOND, is_pulling);
}

/// Longer than the client waits, so that it has given up when the answers come.
#[test]
fn answers_held_until_nobody_waits_for_them() {
    check_fault(&fleet(Habit::Calls), &Fault::HeldAnswers(truck(0)), 70 * SECOND, is_pushing);
}

#[test]
fn loss_during_push_and_pull() {
    check_fault(&fleet(Habit::Calls), &Fault::Lossy(truck(0)), 60 * SECOND, is_pushing);
    check_fault(&fleet(Habit::Calls), &Fault::Lossy(truck(1)), 60 * SECOND, is_pulling);
}

#[test]
fn a_server_that_dies_during_a_push() {
    check_fault(&fleet(Habit::Calls), &Fault::DepotDies, SECOND, is_pushing);
    check_fault(&fleet(Habit::Calls), &Fault::DepotVanishes, 15 * SECOND, is_pushing);
}

#[test]
fn a_server_that_dies_during_a_pull() {
    check_fault(&fleet(Habit::Calls), &Fault::DepotDies, SECOND, is_pulling);
}

#[test]
fn a_device_that_dies_during_a_push() {
    check_fault(&fleet(Habit::Calls), &Fault::TruckDies(0), SECOND, is_pushing);
}

#[test]
fn a_device_that_dies_during_a_pull() {
    check_fault(&fleet(Habit::Calls), &Fault::TruckDies(1), SECOND, is_pulling);
    check_fault(&fleet(Habit::Calls), &Fault::TruckVanishes(1), 5 * SECOND, is_pulling);
}

/// Requests under way end well, others are turned away, and the next server goes on.
#[test]
fn a_server_that_is_stopped_during_push_and_pull() {
    check_fault(&fleet(Habit::Calls), &Fault::DepotStops, SECOND, is_pushing);
    check_fault(&fleet(Habit::Calls), &Fault::DepotStops, SECOND, is_pulling);
}

#[test]
fn a_server_that_is_stopped_while_its_news_is_followed() {
    check_fault(&busy(), &Fault::DepotStops, 2 * SECOND, is_live);
}

/// A link that is cut cannot say so: the server's end of it never comes to an end by itself.
#[test]
fn a_server_that_is_stopped_while_a_link_is_cut() {
    for seed in seeds(3) {
        announce(seed);
        let mut world = World::new(seed, &busy());
        world.run_until("the screen shows something", is_live);
        let cut = Fault::Cut("screen".to_owned());
        cut.begin(&mut world);
        world.run_for(SECOND);
        let asked = world.sim.elapsed();
        Fault::DepotStops.begin(&mut world);
        world.run_until("the depot stops", |world| world.depot.reader().is_none());
        assert!(world.sim.elapsed() - asked <= 11 * SECOND, "requests get ten seconds to end");
        Fault::DepotStops.end(&mut world);
        cut.end(&mut world);
        world.check_agreement();
    }
}

#[test]
fn a_server_that_dies_while_its_news_is_followed() {
    check_fault(&busy(), &Fault::DepotDies, SECOND, is_live);
    check_fault(&busy(), &Fault::DepotVanishes, 3 * SECOND, is_live);
}

#[test]
fn a_live_feed_that_is_cut_goes_on_where_it_was() {
    for seed in seeds(3) {
        announce(seed);
        let mut world = World::new(seed, &busy());
        world.run_until("the screen shows something", is_live);
        let before = world.screen.as_ref().unwrap().connections();
        // Silence is found out by those that listen, although nothing breaks.
        let fault = Fault::Mute("screen".to_owned());
        fault.begin(&mut world);
        world.run_for(50 * SECOND);
        fault.end(&mut world);
        world.check_agreement();
        assert!(world.screen.as_ref().unwrap().connections() > before);
    }
}

/// With one connection at a time nothing is left to the system, and a run is its seed's.
#[test]
fn a_run_with_one_connection_at_a_time_is_repeated_by_its_seed() {
    let trace = |seed| {
        let trucks = vec![(Habit::Calls, 400)];
        let mut world = World::new(seed, &Cast { trucks, batches: 0, has_screen: false });
        for fault in [Fault::Lossy(truck(0)), Fault::DepotDies, Fault::TruckDies(0)] {
            fault.begin(&mut world);
            world.run_for(2 * SECOND);
            fault.end(&mut world);
        }
        world.check_agreement();
        world.into_trace()
    };
    let first = trace(5);
    assert!(first.len() > 20, "{first:?}");
    assert_eq!(trace(5), first);
    assert_ne!(trace(6), first);
}
