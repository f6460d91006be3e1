#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use laterbase_core::memory_store::MemoryStore;

use super::*;
use crate::device::{Device, DeviceOptions, UpkeepMode};
use crate::local::Local as _;

fn device(store: &MemoryStore) -> Device {
    let options = DeviceOptions { upkeep: UpkeepMode::Writer, ..DeviceOptions::default() };
    Device::over(Arc::new(store.reopen()), options).unwrap()
}

fn token(number: u64) -> Token {
    let mut token = [0; 16];
    token[..8].copy_from_slice(&number.to_be_bytes());
    token
}

#[test]
fn an_answer_is_found_again_by_whoever_opens_the_store_next() {
    let store = MemoryStore::new();
    let first = device(&store);
    let receipts = Receipts::load(first.reader()).unwrap();
    assert_eq!(receipts.find(&token(1)), None);
    first.remember(vec![receipts.prepare(token(1)).entry(5)]).unwrap();
    first.close().unwrap();
    let next = device(&store);
    let receipts = Receipts::load(next.reader()).unwrap();
    assert_eq!((receipts.find(&token(1)), receipts.find(&token(2))), (Some(5), None));
}

#[test]
fn only_the_newest_answers_are_kept() {
    let store = MemoryStore::new();
    let device = device(&store);
    let mut receipts = Receipts::default();
    let most = SLOTS + 10;
    for number in 0..most {
        let receipt = receipts.prepare(token(number));
        device.remember(vec![receipt.entry(number)]).unwrap();
        receipts.keep(receipt, number);
    }
    let loaded = Receipts::load(device.reader()).unwrap();
    for receipts in [&receipts, &loaded] {
        assert_eq!(receipts.find(&token(9)), None);
        assert_eq!(receipts.find(&token(10)), Some(10));
        assert_eq!(receipts.find(&token(most - 1)), Some(most - 1));
        assert_eq!((receipts.given.len() as u64, receipts.next), (SLOTS, most));
    }
}
