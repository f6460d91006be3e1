#![allow(clippy::unwrap_used, reason = "tests")]

use super::super::test_store::TestStore;
use super::*;

const DEPOT: &str = "http://depot:4920";

/// A cursor into some log.
fn cursor(position: u8) -> String {
    format!("behind-{position}")
}

fn state(position: u8) -> PeerState {
    let mut state = PeerState::unknown(TestStore::new().reader(), &RootSelection::all());
    state.met(ReplicaId::from_bytes([7; 16]), cursor(position));
    state
}

fn pushed(before: u8, after: u8) -> Pushed {
    let (before, after) = (cursor(before), cursor(after));
    Pushed { replica: None, stored: 1, known: 0, before, after }
}

#[test]
fn what_is_remembered_comes_back_as_it_was() {
    let mut store = TestStore::new();
    let mut remembered = state(3);
    remembered.phase = Phase::Fetching {
        after: Some(After::new("x".to_owned(), &("pallet".parse().unwrap(), store.id()))),
    };
    remembered.pushed(&pushed(4, 5));
    store.remember(vec![remembered.entry(DEPOT)]);
    let recalled = PeerState::recall(store.reader(), DEPOT).unwrap().unwrap();
    assert_eq!(recalled, remembered);
    assert!(recalled.fits(store.reader(), &RootSelection::all()));
    assert!(!recalled.fits(store.reader(), &"pallet".parse().unwrap()));
    assert_eq!(PeerState::recall(store.reader(), "http://depot:4920/west").unwrap(), None);
}

#[test]
fn what_cannot_be_read_is_as_good_as_forgotten() {
    let mut store = TestStore::new();
    let (key, _value) = state(1).entry(DEPOT);
    for value in ["", "{}", "null"] {
        store.remember(vec![(key.clone(), value.as_bytes().to_vec())]);
        assert_eq!(PeerState::recall(store.reader(), DEPOT).unwrap(), None);
    }
}

#[test]
fn a_push_that_lands_at_the_cursor_is_stepped_over_and_any_other_marks_the_log() {
    let mut state = state(3);
    state.pushed(&pushed(3, 5));
    assert_eq!((state.cursor.clone(), state.mark.clone()), (cursor(5), None));
    state.pushed(&pushed(6, 8));
    assert_eq!((state.cursor.clone(), state.mark.clone()), (cursor(5), Some(cursor(8))));
    state.pushed(&pushed(9, 9));
    assert_eq!(state.mark, Some(cursor(8)), "nothing was stored");
    state.advance(&cursor(7), false);
    assert_eq!((state.cursor.clone(), state.mark.clone()), (cursor(7), Some(cursor(8))));
    state.advance(&cursor(9), true);
    assert_eq!((state.cursor, state.mark), (cursor(9), None));
}

#[test]
fn the_level_moves_with_pages_that_follow_on_it() {
    let mut state = state(0);
    state.merged(Some(0), 4);
    state.merged(None, 4);
    state.merged(Some(9), 4);
    assert_eq!(state.level, 4);
}
