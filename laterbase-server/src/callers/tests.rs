#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const START: &str = "AAAAAAAAAAEAAAAAAAAAAQAAAAAAAAAC";
const LATER: &str = "AAAAAAAAAAEAAAAAAAAAAgAAAAAAAAAD";

fn replica(number: u128) -> ReplicaId {
    ReplicaId::from_bytes(number.to_be_bytes())
}

fn at(last: u8) -> Asking {
    Asking {
        caller: Caller::at(Some(IpAddr::from([10, 0, 0, last]))),
        replica: None,
        said: Said::default(),
    }
}

fn holding(number: Option<u128>) -> Holding {
    let not_of = number.map(replica).into_iter().collect();
    Holding { cursor: START.parse().unwrap(), selection: RootSelection::all(), not_of }
}

fn names(callers: &Callers) -> Vec<Name> {
    callers.entries().0.into_iter().map(|(name, _)| name).collect()
}

fn traffic(callers: &Callers) -> Vec<Traffic> {
    callers.entries().0.into_iter().map(|(_, entry)| entry.traffic).collect()
}

/// A device that compares first says who it is only afterwards.
#[test]
fn what_came_before_the_name_on_a_connection_is_of_the_same_caller() {
    let (callers, device) = (Callers::default(), at(7));
    callers.compares(&device, 1);
    let deal = callers.deals(&device, 2).unwrap().taking();
    callers.settle(&deal, true, 100, 9);
    assert_eq!(names(&callers), [Name::Address([10, 0, 0, 7].into())]);
    let deal = callers.asks(&device, &holding(Some(7)), 3).unwrap();
    callers.settle(&deal.giving(None), true, 0, 50);
    assert_eq!(names(&callers), [Name::Replica(replica(7))]);
    // And what comes without the name is of it as well.
    let deal = callers.deals(&device, 4).unwrap().giving(None);
    callers.settle(&deal, true, 0, 5);
    let sum = Traffic { pages_given: 2, bytes_given: 55, pages_taken: 1, bytes_taken: 100 };
    assert_eq!(traffic(&callers), [sum]);
    // Of several at one address, nobody knows whose that was.
    callers.compares(&at(7), 5);
    callers.compares(&at(7), 6);
    callers.asks(&at(7), &holding(Some(8)), 7);
    assert_eq!(names(&callers).len(), 3);
}

#[test]
fn a_caller_has_what_was_sent_whole_and_nothing_that_broke_off() {
    let (callers, device) = (Callers::default(), at(7));
    let cursor = || callers.entries().0[0].1.place.as_ref().map(|place| place.cursor.to_string());
    let deal = callers.asks(&device, &holding(Some(7)), 1).unwrap();
    let deal = deal.giving(Some(LATER.parse().unwrap()));
    callers.settle(&deal, false, 0, 10);
    assert_eq!(cursor().as_deref(), Some(START));
    callers.settle(&deal, true, 0, 10);
    assert_eq!(cursor().as_deref(), Some(LATER));
    // It asks again from where it was: the answer was lost behind the server's back.
    callers.asks(&device, &holding(Some(7)), 2).unwrap();
    assert_eq!(cursor().as_deref(), Some(START));
    callers.compares(&device, 3);
    assert_eq!(cursor(), None);
}

/// Whoever makes up names must not be able to crowd out the others, nor to fill the memory.
#[test]
fn who_makes_up_names_loses_their_own() {
    let callers = Callers::default();
    for number in 0..100 {
        callers.asks(&at(u8::try_from(number).unwrap()), &holding(Some(number)), 1);
    }
    let hostile = Asking {
        caller: Caller::at(Some([192, 0, 2, 1].into())),
        replica: None,
        said: Said::default(),
    };
    for number in 1_000..20_000 {
        let deal = callers.asks(&hostile, &holding(Some(number)), 2).unwrap();
        callers.settle(&deal.giving(None), true, 0, 1);
    }
    let names = names(&callers);
    assert_eq!(names.len(), CALLERS_MAX);
    assert!((0..100).all(|number| names.contains(&Name::Replica(replica(number)))));
    // What went to those that are forgotten is counted all the same.
    let (entries, forgotten) = callers.entries();
    let given: u64 = entries.iter().map(|(_, entry)| entry.traffic.pages_given).sum();
    assert_eq!(given + forgotten.pages_given, 19_000);
}

#[test]
fn a_selection_that_is_too_long_is_not_kept() {
    let callers = Callers::default();
    let names: Vec<String> = (0..1_000).map(|number| format!("root-{number}")).collect();
    let selection = RootSelection::from_entries(names.iter().map(String::as_str)).unwrap();
    callers.asks(&at(1), &Holding { selection, ..holding(Some(1)) }, 1);
    let (entries, _) = callers.entries();
    assert_eq!(entries[0].1.place.as_ref().unwrap().selection, None);
}
