//! Which events a fold has left out, in short.

use crate::keys::Place;

/// Names a set of events that were left out of a fold as they are taken back: how many, and a
/// running hash (BLAKE3) over their places in fold order. Two that are equal name the same set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct VoidedMark {
    pub count: u64,
    pub digest: [u8; 16],
}

impl VoidedMark {
    /// The set with one more, behind all others in fold order.
    #[must_use]
    pub(crate) fn and(self, place: &Place) -> Self {
        let mut input = [0; 48];
        input[..16].copy_from_slice(&self.digest);
        input[16..].copy_from_slice(place.as_bytes());
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::hash(&input).as_bytes()[..16]);
        Self { count: self.count + 1, digest }
    }
}
