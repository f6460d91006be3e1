#![allow(clippy::unwrap_used, reason = "tests")]

use serde::{Deserialize, Serialize};

use super::*;
use crate::prelude::*;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Tank {
    litres: u32,
    fills: u32,
    /// Is lost in a snapshot, and should matter to nothing.
    #[serde(skip)]
    leaks: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum TankEvent {
    Filled { litres: u32 },
    Emptied,
    Leaked,
}

impl Aggregate for Tank {
    type Event = TankEvent;
    const NAME: &'static str = "tank";

    fn validate(event: &TankEvent) -> Result<(), Refusal> {
        match event {
            TankEvent::Filled { litres: 0 } => Err("with nothing".into()),
            _ => Ok(()),
        }
    }

    fn apply(&mut self, event: TankEvent, _: &Event<'_>) -> Result<(), FoldError> {
        match event {
            TankEvent::Filled { litres } => {
                self.fills += 1;
                self.litres = litres;
            }
            TankEvent::Emptied => self.litres = 0,
            // What a snapshot forgets.
            TankEvent::Leaked => {
                self.leaks += 1;
                self.litres /= self.leaks;
            }
        }
        Ok(())
    }
}

const fn filled(litres: u32) -> TankEvent {
    TankEvent::Filled { litres }
}

const fn tank(litres: u32, fills: u32) -> Tank {
    Tank { litres, fills, leaks: 0 }
}

fn folds() -> Folds {
    Folds::new().aggregate::<Tank>("tank").unwrap()
}

fn root() -> RootName {
    RootName::new("tank").unwrap()
}

fn append(event: TankEvent) -> Append<Tank> {
    Append::to(&root(), "T1").event(event)
}

#[test]
fn events_happen_in_their_order_or_when_they_say() {
    given::<Tank, TankEvent>([]).then_state(&tank(0, 0));
    given::<Tank, _>([filled(7), TankEvent::Emptied, filled(9)]).then_state(&tank(9, 2));
    let at = |time| parse_time(time).unwrap();
    let first = Fact::of(filled(5)).occurred_at(at("2023-06-01T00:00:00Z"));
    given::<Tank, _>([filled(7)])
        .when([first])
        .then_state(&tank(7, 2))
        .then_state_at(At::now().occurred_until(at("2023-07-01T00:00:00Z")), &tank(5, 1))
        .clock("2024-05-01T00:00:00Z")
        .when([TankEvent::Emptied])
        .then_state_at(At::now().known_at(at("2024-04-01T00:00:00Z")), &tank(7, 2))
        .then(|tank| assert_eq!(tank.litres, 0));
}

#[test]
fn what_is_refused_leaves_everything_as_it_was() {
    given::<Tank, _>([filled(7)])
        .when([TankEvent::Emptied, filled(0)])
        .then_refused("with nothing")
        .then_state(&tank(7, 1))
        .when([filled(8)])
        .then_state(&tank(8, 2));
}

#[test]
#[should_panic(expected = "left == right")]
fn another_state_is_found() {
    given::<Tank, _>([filled(7)]).then_state(&tank(8, 1));
}

#[test]
#[should_panic(expected = "the events were refused")]
fn a_refusal_that_nobody_expects_is_found() {
    given::<Tank, _>([filled(7)]).when([filled(0)]).then_state(&tank(7, 1));
}

#[test]
#[should_panic(expected = "the events were taken")]
fn a_refusal_that_does_not_come_is_found() {
    given::<Tank, _>([filled(7)]).when([filled(8)]).then_refused("with nothing");
}

#[test]
#[should_panic(expected = "and not for \"too full\"")]
fn a_refusal_for_another_reason_is_found() {
    given::<Tank, _>([filled(7)]).when([filled(0)]).then_refused("too full");
}

#[test]
#[should_panic(expected = "what is given is refused")]
fn a_given_event_that_is_refused_is_found() {
    let _given = given::<Tank, _>([filled(0)]);
}

#[test]
#[should_panic(expected = "snapshot")]
fn a_state_that_a_snapshot_changes_is_found() {
    given::<Tank, _>([filled(8), TankEvent::Leaked, TankEvent::Leaked]).then(|_| ());
}

#[test]
fn replicas_that_sync_hold_the_same_and_know_when_it_came() {
    let (office, truck) =
        (TestReplica::new("office", &folds()), TestReplica::new("truck", &folds()));
    office.set_clock("2024-03-02T08:00:00Z");
    truck.set_clock("2024-03-03T08:00:00Z");
    office.append(&append(filled(5))).unwrap();
    truck.append(&append(filled(7))).unwrap();
    office.set_clock("2024-03-05T08:00:00Z");
    office.sync_with(&truck);
    office.sync_with(&truck);
    let read = |replica: &TestReplica, at| {
        replica.aggregate::<Tank>(&root(), "T1", at).unwrap().map(|tank| (tank.state, tank.etag))
    };
    let (state, etag) = read(&office, At::now()).unwrap();
    assert_eq!(state, tank(7, 2));
    assert_eq!(read(&truck, At::now()), Some((state, etag)));
    let monday = parse_time("2024-03-04T08:00:00Z").unwrap();
    assert_eq!(read(&office, At::now().known_at(monday)).unwrap().0, tank(5, 1));
    assert_eq!(office.reader().roots(), [root()]);
}

#[test]
fn conditions_and_keys_are_those_of_every_replica() {
    let replica = TestReplica::new("office", &folds());
    let first = append(filled(5)).key("k").if_absent();
    let recorded = replica.append(&first).unwrap();
    assert_eq!(replica.append(&first).unwrap().ids, recorded.ids);
    let refused = replica.append(&append(filled(6)).if_absent()).unwrap_err();
    assert!(refused.is_precondition_failed());
    let next = append(filled(6)).if_etag(recorded.etag.unwrap());
    assert!(!replica.append(&next).unwrap().is_repeat);
}

#[test]
#[should_panic(expected = "different names")]
fn two_replicas_of_one_name_do_not_sync() {
    let twins = [TestReplica::new("twin", &folds()), TestReplica::new("twin", &folds())];
    twins[0].sync_with(&twins[1]);
}
