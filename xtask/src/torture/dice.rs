//! Numbers that look random, and are the same for the same seed.

use std::ops::Range;

/// What texts are made of: 64 characters that JSON does not escape.
const CHARACTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub(super) struct Dice {
    state: u64,
}

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Dice of their own for a part of the work, that do not depend on what others threw.
    pub(super) const fn split(&mut self) -> Self {
        Self::new(self.next())
    }

    /// A number in the range, which must not be empty.
    pub(super) const fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// A number from 1 to 2^`bits_max`, small ones as likely as large ones.
    pub(super) const fn any_size(&mut self, bits_max: u64) -> u64 {
        let bits = self.within(0..bits_max + 1);
        self.within(1..(1 << bits) + 1)
    }

    /// A text of so many bytes that hardly can be compressed.
    pub(super) fn text(&mut self, bytes: u64) -> String {
        let mut text = String::new();
        while (text.len() as u64) < bytes {
            let number = self.next();
            for place in 0..10 {
                let index = (number >> (6 * place)) % 64;
                text.push(char::from(CHARACTERS[usize::try_from(index).unwrap_or(0)]));
            }
        }
        text.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
        text
    }
}
