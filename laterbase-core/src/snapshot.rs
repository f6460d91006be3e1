//! Snapshots: stored fold results, and the ladder of them that each aggregate keeps.
//!
//! A snapshot is of an aggregate, a fold and its version. It stands at a place in fold order and
//! says up to which arrival position it has seen the log. Invariant 10: it is exact as long as
//! no event that arrived after that position has its place at or before the snapshot's. The
//! flush that brings such an event into the fold index takes the snapshot away in the same
//! commit; until then, readers see the event in the front and pass the snapshot over.
//!
//! An event that takes others back makes no snapshot wrong: each says which of its events it leaves
//! out, and serves the reads that leave out the same. One that serves no more is taken away like
//! those that are wrong, from the place of what was taken back on.
//!
//! Reads leave snapshots in memory, where the next read finds them at once; the next flush stores
//! those that are still exact. The same rules hold there.

use std::sync::Arc;

use bincode::{BorrowDecode, Encode};

use crate::codec::{self, CodecError};
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId};
use crate::keys::{self, Place};

mod ladder;
mod overtaking;
mod policy;
mod unstored;
mod voided_mark;

pub(crate) use ladder::{Candidate, Ladder};
pub(crate) use overtaking::Overtaking;
pub use policy::{SNAPSHOT_EVENTS_DEFAULT, SnapshotContext, SnapshotPolicy};
pub(crate) use unstored::{Followed, Moment, Unstored, UnstoredLadder};
pub(crate) use voided_mark::VoidedMark;

/// Longest reason of a refusal that a read lists, in bytes.
pub(crate) const REASON_BYTES_MAX: usize = 512;

/// What a fold has come to behind some event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// The greatest stamp among the events that were folded.
    pub recorded_max: Hlc,
    /// The last arrival position among them: at any time since, these were the events up to the
    /// snapshot's place.
    pub arrived_max: u64,
    /// Running hash over the events, which the etag is of.
    pub digest: [u8; 32],
    pub event_count: u64,
    /// Which of them were left out, as another event takes them back.
    pub voided: VoidedMark,
    pub refused_count: u64,
    pub refused: Vec<(Dot, String)>,
    /// The state as JSON text.
    pub state: Arc<Vec<u8>>,
}

#[derive(Encode, BorrowDecode)]
struct Head {
    recorded_max: u64,
    arrived_max: u64,
    digest: [u8; 32],
    event_count: u64,
    voided_count: u64,
    voided_digest: [u8; 16],
    refused_count: u64,
    refused_listed: u32,
}

#[derive(Encode, BorrowDecode)]
struct Refused<'a> {
    origin: [u8; 16],
    seq: u64,
    reason: &'a str,
}

impl Snapshot {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        let head = Head {
            recorded_max: self.recorded_max.to_bits(),
            arrived_max: self.arrived_max,
            digest: self.digest,
            event_count: self.event_count,
            voided_count: self.voided.count,
            voided_digest: self.voided.digest,
            refused_count: self.refused_count,
            refused_listed: u32::try_from(self.refused.len()).expect("a short list"),
        };
        codec::encode(&head, out);
        for (dot, reason) in &self.refused {
            let refused = Refused { origin: *dot.origin.as_bytes(), seq: dot.seq, reason };
            codec::encode(&refused, out);
        }
        out.extend_from_slice(&self.state);
        let checksum = crc32fast::hash(&out[start + 4..]);
        out[start..start + 4].copy_from_slice(&checksum.to_be_bytes());
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut input = bytes;
        let checksum = u32::from_be_bytes(codec::take_array(&mut input)?);
        if crc32fast::hash(input) != checksum {
            return Err(CodecError::Mismatch { what: "checksum of the snapshot" });
        }
        let head: Head = codec::decode(&mut input)?;
        let mut refused = Vec::new();
        for _ in 0..head.refused_listed {
            let next: Refused<'_> = codec::decode(&mut input)?;
            let dot = Dot { origin: ReplicaId::from_bytes(next.origin), seq: next.seq };
            refused.push((dot, next.reason.to_owned()));
        }
        Ok(Self {
            recorded_max: Hlc::from_bits(head.recorded_max),
            arrived_max: head.arrived_max,
            digest: head.digest,
            event_count: head.event_count,
            voided: VoidedMark { count: head.voided_count, digest: head.voided_digest },
            refused_count: head.refused_count,
            refused,
            state: Arc::new(input.to_vec()),
        })
    }
}

/// Where a snapshot stands. It is part of its key, so that ladders are kept without their values
/// being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rung {
    /// The place of the last event that was folded.
    pub place: Place,
    /// How many events were folded.
    pub event_count: u64,
    /// The last arrival position that was looked at.
    pub position: u64,
}

impl Rung {
    const BYTES: usize = 48;

    /// The key of a snapshot. `prefix` is of [`ladder_prefix`].
    pub(crate) fn key(&self, prefix: &[u8]) -> Vec<u8> {
        let mut key = prefix.to_vec();
        key.extend_from_slice(self.place.as_bytes());
        key.extend_from_slice(&self.event_count.to_be_bytes());
        key.extend_from_slice(&self.position.to_be_bytes());
        key
    }

    /// Reads where a snapshot stands off its key.
    pub(crate) fn of_key(key: &[u8]) -> Option<Self> {
        let mut rest = key.get(key.len().checked_sub(Self::BYTES)?..)?;
        let place = Place::from_bytes(codec::take_array(&mut rest).ok()?);
        let event_count = keys::read_u64(rest.get(..8)?)?;
        let position = keys::read_u64(rest.get(8..)?)?;
        Some(Self { place, event_count, position })
    }
}

/// The start of the keys of an aggregate's snapshots by one version of a fold.
pub(crate) fn ladder_prefix(aggregate: &[u8], fold: &str, version: u32) -> Vec<u8> {
    let mut key = Vec::with_capacity(aggregate.len() + fold.len() + 2 + 4);
    key.extend_from_slice(aggregate);
    keys::push_text(&mut key, fold);
    key.extend_from_slice(&version.to_be_bytes());
    key
}

/// Which rungs of a ladder are worth keeping, given how many events each covers, rising.
///
/// The newest stays. Of the others one stays for each quarter of a doubling of the distance to
/// the newest, the farthest in it: so the number of rungs grows with the logarithm of the
/// aggregate's length, and from any event the next rung before it is not much farther from the
/// end than the event is.
pub(crate) fn kept_rungs(counts: &[u64]) -> Vec<bool> {
    let Some(&newest) = counts.last() else { return Vec::new() };
    let mut last_bucket = None;
    counts
        .iter()
        .map(|&count| {
            let bucket = bucket(newest.saturating_sub(count));
            last_bucket.replace(bucket) != Some(bucket)
        })
        .collect()
}

/// The quarter of a doubling that a distance falls in.
fn bucket(distance: u64) -> u64 {
    if distance < 4 {
        return distance;
    }
    let exponent = distance.ilog2();
    u64::from(exponent) * 4 + ((distance >> (exponent - 2)) & 3)
}

#[cfg(test)]
mod tests;
