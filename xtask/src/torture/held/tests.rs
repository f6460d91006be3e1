#![allow(clippy::unwrap_used, reason = "tests")]

use super::{Held, Ledger, check_alike};
use crate::torture::{
    dice::Dice,
    events::{Maker, NewEvent},
};

/// As a replica tells events that were acknowledged under seqs from 1 on.
fn told(events: &[NewEvent]) -> String {
    let line = |(index, event): (usize, &NewEvent)| {
        let NewEvent { root, aggregate, kind, data, .. } = event;
        format!(
            r#"{{"id":"{root}:aa-{}","root":"{root}","aggregate_id":"{aggregate}","type":"{kind}","occurred_at":"2024-03-01T08:00:00Z","recorded_at":"2024-03-01T08:00:00.000000000Z","hlc":"65e18a8000000000","data":{data}}}"#,
            index + 1
        ) + "\n"
    };
    events.iter().enumerate().map(line).collect()
}

fn ids(count: usize) -> Vec<String> {
    (1..=count).map(|seq| format!("shipment:aa-{seq}")).collect()
}

fn written(count: usize) -> (Vec<NewEvent>, Ledger) {
    let events = Maker::new("w", Dice::new(1)).events(count, 20);
    let mut ledger = Ledger::default();
    ledger.note(&ids(count), &events).unwrap();
    (events, ledger)
}

#[test]
fn a_replica_with_exactly_what_was_acknowledged_passes() {
    let (events, ledger) = written(5);
    ledger.check("depot", &Held::of(&told(&events)).unwrap()).unwrap();
}

#[test]
fn what_is_lacking_is_named() {
    let (events, ledger) = written(5);
    let error = ledger.check("depot", &Held::of(&told(&events[..1])).unwrap()).unwrap_err();
    let expected = "depot, which should hold 5 events, \
                    lacks 4 (shipment:aa-2 shipment:aa-3 shipment:aa-4 …)";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn as_many_events_are_not_the_same_events() {
    let (mut events, ledger) = written(5);
    let lines = told(&events).replace("aa-5", "aa-6");
    let error = ledger.check("depot", &Held::of(&lines).unwrap()).unwrap_err().to_string();
    assert!(error.contains("lacks 1 (shipment:aa-5)"), "{error}");
    assert!(error.contains("holds what no writer was told of: 1 (shipment:aa-6)"), "{error}");
    events.swap(1, 2);
    let error = ledger.check("depot", &Held::of(&told(&events)).unwrap()).unwrap_err().to_string();
    assert!(error.contains("another content: 2 (shipment:aa-2 shipment:aa-3)"), "{error}");
}

#[test]
fn an_event_that_comes_twice_is_an_error() {
    let (events, _) = written(2);
    let lines = told(&events).repeat(2);
    assert_eq!(Held::of(&lines).unwrap_err().to_string(), "shipment:aa-1 came twice");
}

#[test]
fn an_id_is_not_given_to_two_events() {
    let (events, mut ledger) = written(2);
    ledger.note(&ids(1), &events[..1]).unwrap();
    ledger.note(&ids(1), &events[1..]).unwrap_err();
}

#[test]
fn replicas_differ_where_they_tell_other_things_of_an_event() {
    let (events, _) = written(2);
    let one = Held::of(&told(&events)).unwrap();
    let later = told(&events).replacen("08:00:00Z", "08:00:01Z", 1);
    let voided = told(&events).replacen("\"data\"", "\"voided_by\":[\"x\"],\"data\"", 1);
    let alike =
        |other: &str| check_alike(&[("one", one.clone()), ("other", Held::of(other).unwrap())]);
    alike(&told(&events)).unwrap();
    alike(&voided).unwrap();
    let error = alike(&later).unwrap_err().to_string();
    assert_eq!(error, "one and other differ in 1 (shipment:aa-1)");
    alike(&told(&events[..1])).unwrap_err();
}
