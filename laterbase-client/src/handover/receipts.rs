//! What became of requests, kept in the store: who got no answer asks again, and hears the same.
//!
//! Each request has random bytes of its own. What it is answered is remembered under one of a
//! fixed number of keys, in the commit that stores its events. The keys are used in turn: an
//! answer is there until so many others were given, which is far longer than anybody asks for it.

use laterbase_core::reader::{Reader, Remembered};
use laterbase_core::store::StoreError;
use laterbase_directory::environment::random_bytes_16;

/// Tells one request from all others.
pub type Token = [u8; 16];

/// A token for a new request.
pub fn new_token() -> Token {
    random_bytes_16()
}

/// Keys are this and the number of the slot.
const PREFIX: &[u8] = b"handover/";

/// Answers that are kept. Each takes about 45 bytes.
const SLOTS: u64 = 1_024;

/// A place for the answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    serial: u64,
    token: Token,
}

impl Receipt {
    /// What is to be remembered once the request has stored so many events.
    pub fn entry(&self, stored: u64) -> Remembered {
        let slot = u16::try_from(self.serial % SLOTS).expect("few slots");
        let key = [PREFIX, &slot.to_be_bytes()].concat();
        let parts = [&self.serial.to_be_bytes()[..], &self.token, &stored.to_be_bytes()];
        (key, parts.concat())
    }
}

/// The answers that a store has given.
#[derive(Debug, Default)]
pub struct Receipts {
    /// By token, with the serial number.
    given: std::collections::BTreeMap<Token, (u64, u64)>,
    next: u64,
}

impl Receipts {
    /// Reads the answers that a store has given.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails, or what it remembers makes no sense.
    pub fn load(reader: &Reader) -> Result<Self, StoreError> {
        let mut receipts = Self::default();
        for (_key, value) in reader.recall_all(PREFIX)? {
            let (serial, token, stored) =
                read(&value).ok_or_else(|| StoreError::corrupt("the receipt of a handover"))?;
            receipts.given.insert(token, (serial, stored));
            receipts.next = receipts.next.max(serial + 1);
        }
        Ok(receipts)
    }

    /// How many events a request has stored; `None` if it has not been done.
    pub fn find(&self, token: &Token) -> Option<u64> {
        self.given.get(token).map(|(_serial, stored)| *stored)
    }

    /// A place for the answer to a new request.
    pub const fn prepare(&self, token: Token) -> Receipt {
        Receipt { serial: self.next, token }
    }

    /// Takes note of an answer that is in the store now.
    pub fn keep(&mut self, receipt: Receipt, stored: u64) {
        self.next = receipt.serial + 1;
        self.given.insert(receipt.token, (receipt.serial, stored));
        if self.given.len() as u64 > SLOTS {
            let gone = receipt.serial.saturating_sub(SLOTS);
            self.given.retain(|_token, (serial, _stored)| *serial > gone);
        }
    }
}

fn read(value: &[u8]) -> Option<(u64, Token, u64)> {
    let (serial, rest) = value.split_first_chunk::<8>()?;
    let (token, stored) = rest.split_first_chunk::<16>()?;
    let stored: [u8; 8] = stored.try_into().ok()?;
    Some((u64::from_be_bytes(*serial), *token, u64::from_be_bytes(stored)))
}

#[cfg(test)]
mod tests;
