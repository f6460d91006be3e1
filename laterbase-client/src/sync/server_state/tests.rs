#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use laterbase_core::memory_store::MemoryStore;

use super::*;
use crate::device::{Device, DeviceOptions};
use crate::local::Local;

fn device() -> Device {
    Device::over(Arc::new(MemoryStore::new()), DeviceOptions::default()).unwrap()
}

fn url() -> ServerUrl {
    "http://depot:4920".parse().unwrap()
}

/// A cursor into some log.
fn cursor(position: u8) -> String {
    format!("behind-{position}")
}

fn state(position: u8) -> ServerState {
    let mut state = ServerState::unknown(device().reader(), &RootSelection::all());
    state.met(ReplicaId::from_bytes([7; 16]), cursor(position));
    state
}

fn pushed(before: u8, after: u8) -> Pushed {
    let (before, after) = (cursor(before), cursor(after));
    Pushed { replica: None, stored: 1, known: 0, before, after }
}

#[test]
fn what_is_remembered_comes_back_as_it_was() {
    let device = device();
    let mut remembered = state(3);
    remembered.phase = Phase::Fetching {
        after: Some(After::new("x".to_owned(), &("pallet".parse().unwrap(), device.id()))),
    };
    remembered.pushed(&pushed(4, 5));
    device.remember(vec![remembered.entry(&url())]).unwrap();
    let recalled = ServerState::recall(device.reader(), &url()).unwrap().unwrap();
    assert_eq!(recalled, remembered);
    assert!(recalled.fits(device.reader(), &RootSelection::all()));
    assert!(!recalled.fits(device.reader(), &"pallet".parse().unwrap()));
    let other = "http://depot:4920/west".parse().unwrap();
    assert_eq!(ServerState::recall(device.reader(), &other).unwrap(), None);
}

#[test]
fn what_cannot_be_read_is_as_good_as_forgotten() {
    let device = device();
    let (key, _value) = state(1).entry(&url());
    for value in ["", "{}", "null"] {
        device.remember(vec![(key.clone(), value.as_bytes().to_vec())]).unwrap();
        assert_eq!(ServerState::recall(device.reader(), &url()).unwrap(), None);
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
