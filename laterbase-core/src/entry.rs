//! Log entries: what the truth keeps under each arrival position.

use crate::chain::{ChainHash, RecordHash};
use crate::codec::{self, CodecError};
use crate::event::{Event, Record};
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId};
use crate::store::StoreError;
use crate::view::damaged;

const HEAD_BYTES: usize = 4 + 4 + 4 + 8 + 8 + 8 + 8 + 32;

/// One entry of the arrival log, as `docs/format.md` draws it.
///
/// Roots and origins stand in it by the numbers that the store gave them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// The root's number in this store.
    pub root: u32,
    /// The origin's number in this store.
    pub origin: u32,
    /// The event's seq.
    pub seq: u64,
    /// When its origin recorded it.
    pub recorded: Hlc,
    /// When it was stored here, in nanoseconds since 1970, as the wall clock said. Where it falls
    /// along the log, there is a [turn](crate::turns).
    pub arrived: i64,
    /// Digest of the whole log up to and with this entry.
    pub history: u64,
    /// The origin's chain behind this event.
    pub chain: ChainHash,
    /// The event's record.
    pub record: &'a [u8],
}

impl<'a> Entry<'a> {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.root.to_be_bytes());
        out.extend_from_slice(&self.origin.to_be_bytes());
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&self.recorded.to_bits().to_be_bytes());
        out.extend_from_slice(&self.arrived.to_be_bytes());
        out.extend_from_slice(&self.history.to_be_bytes());
        out.extend_from_slice(self.chain.as_bytes());
        out.extend_from_slice(self.record);
        let checksum = crc32fast::hash(&out[start + 4..]);
        out[start..start + 4].copy_from_slice(&checksum.to_be_bytes());
    }

    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, CodecError> {
        if bytes.len() < HEAD_BYTES {
            return Err(CodecError::Malformed);
        }
        let mut input = bytes;
        let checksum = u32::from_be_bytes(codec::take_array(&mut input)?);
        if crc32fast::hash(input) != checksum {
            return Err(CodecError::Mismatch { what: "checksum of the log entry" });
        }
        Ok(Self {
            root: u32::from_be_bytes(codec::take_array(&mut input)?),
            origin: u32::from_be_bytes(codec::take_array(&mut input)?),
            seq: u64::from_be_bytes(codec::take_array(&mut input)?),
            recorded: Hlc::from_bits(u64::from_be_bytes(codec::take_array(&mut input)?)),
            arrived: i64::from_be_bytes(codec::take_array(&mut input)?),
            history: u64::from_be_bytes(codec::take_array(&mut input)?),
            chain: ChainHash::from_bytes(codec::take_array(&mut input)?),
            record: input,
        })
    }

    /// The event that is kept at a position, of an origin with this id.
    pub(crate) fn event(&self, position: u64, origin: ReplicaId) -> Result<Event<'a>, StoreError> {
        let record = Record::decode(self.record).map_err(|error| damaged(position, error))?;
        Ok(Event {
            dot: Dot { origin, seq: self.seq },
            recorded: self.recorded,
            arrived: self.arrived,
            position,
            record,
            voided_by: &[],
        })
    }
}

/// The chain behind a damaged entry, if its bytes still hold it: the undamaged entry that follows
/// it in its origin proves that.
pub(crate) fn chain_of_damaged(bytes: &[u8], next: &Entry<'_>) -> Option<ChainHash> {
    let chain = bytes.get(HEAD_BYTES - 32..HEAD_BYTES)?;
    let chain = ChainHash::from_bytes(chain.try_into().ok()?);
    (chain.next(next.recorded, RecordHash::of(next.record)) == next.chain).then_some(chain)
}

/// The digest of the log behind an entry, from the digest before it and the entry's chain.
///
/// The chain is a cryptographic hash, so mixing (the finalizer of SplitMix64, Steele et al.,
/// 2014) is enough to make two histories that differ anywhere before differ here.
pub(crate) fn next_history(before: u64, chain: ChainHash) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *chain.as_bytes();
    let mut mixed = before.rotate_left(23) ^ u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
