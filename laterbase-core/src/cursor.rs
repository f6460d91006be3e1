//! Cursors: where a caller left off in a replica's arrival log, or in a root's feed.
//!
//! A cursor into the log is one integer, and what it takes to recognise that it is of another log: the log's
//! epoch, and the digest of its history up to the position. A log that was restored from a
//! backup and went on differently has another digest there.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::codec::{self, CodecError};
use crate::hlc::Hlc;
use crate::id::{ReplicaId, RootName};

/// A position in one particular arrival log. Opaque to callers: what was returned can be sent
/// back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Names the arrival log.
    pub(crate) epoch: u64,
    /// The last position that was delivered.
    pub(crate) position: u64,
    /// The digest of the log up to there.
    pub(crate) history: u64,
}

impl Cursor {
    /// Whether it is of the same log as another: one that was not written anew in between.
    pub const fn is_of_the_log_of(&self, other: &Self) -> bool {
        self.epoch == other.epoch
    }

    /// How many events of the log lie before it.
    pub const fn position(&self) -> u64 {
        self.position
    }
}

/// Base64 for URLs of three big-endian u64.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.position.to_be_bytes());
        bytes[16..].copy_from_slice(&self.history.to_be_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = CodecError;

    fn from_str(text: &str) -> Result<Self, CodecError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_not_base64| CodecError::Malformed)?;
        let mut input = bytes.as_slice();
        let mut number = || codec::take_array(&mut input).map(u64::from_be_bytes);
        let cursor = Self { epoch: number()?, position: number()?, history: number()? };
        if input.is_empty() { Ok(cursor) } else { Err(CodecError::Malformed) }
    }
}

/// Where an event stands in feed order: by its stamp, then by its origin.
pub(crate) type FeedPlace = (Hlc, ReplicaId);

/// Before every event in feed order: no event has the stamp zero.
pub(crate) const FEED_START: FeedPlace = (Hlc::ZERO, ReplicaId::from_bytes([0; 16]));

/// Where a reader left off in the feed of a root, however many origins that has. Opaque to
/// callers: what was returned can be sent back.
///
/// A feed is read in passes. A pass is over the events that had arrived when it began, in feed
/// order; what arrived since, wherever its place is, is the next pass. So the reader holds, of
/// this root and in terms of this arrival log:
///
/// - every event that arrived up to `base`;
/// - every event that arrived behind `base` up to `top` and whose place is not behind `place`;
/// - of the origins in `held`, what it had when it began, as it said itself.
///
/// Nothing else was delivered, and nothing of it is delivered again. `base` equals `top` between
/// two passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedCursor {
    pub(crate) root: RootName,
    /// Names the arrival log.
    pub(crate) epoch: u64,
    pub(crate) base: u64,
    /// Invariant: not before `base`.
    pub(crate) top: u64,
    /// The digest of the log up to `top`.
    pub(crate) history: u64,
    pub(crate) place: FeedPlace,
    pub(crate) held: HeldAhead,
}

/// Origins of which a reader holds events that the rest of a cursor does not speak of, and up to
/// which seq.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeldAhead {
    /// By the numbers that the store gave them, rising.
    pub numbered: Vec<(u32, u64)>,
    /// Of which the store has no event of any root.
    pub named: Vec<(ReplicaId, u64)>,
}

const FEED_FORMAT: u8 = 1;

impl FeedCursor {
    /// Longest text.
    pub const TEXT_BYTES_MAX: usize = 200;

    /// Reads what a page of this root's feed gave.
    ///
    /// # Errors
    /// [`CodecError`] if it is nothing that a page of this root gave.
    pub fn parse(root: &RootName, text: &str) -> Result<Self, CodecError> {
        if text.len() > Self::TEXT_BYTES_MAX {
            return Err(CodecError::Bounds { field: "after" });
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_not_base64| CodecError::Malformed)?;
        let (mut body, check) = bytes.split_last_chunk().ok_or(CodecError::Malformed)?;
        if *check != feed_check(root, body) {
            return Err(CodecError::Mismatch { what: "root of the cursor" });
        }
        let input = &mut body;
        let [format] = codec::take_array(input)?;
        if format != FEED_FORMAT {
            return Err(CodecError::NewerFormat { found: format });
        }
        let epoch = u64::from_be_bytes(codec::take_array(input)?);
        let history = u64::from_be_bytes(codec::take_array(input)?);
        let recorded = Hlc::from_bits(u64::from_be_bytes(codec::take_array(input)?));
        let place = (recorded, ReplicaId::from_bytes(codec::take_array(input)?));
        let base = u64::from_be_bytes(codec::take_array(input)?);
        let top = u64::from_be_bytes(codec::take_array(input)?);
        if base > top {
            return Err(CodecError::Malformed);
        }
        let held = HeldAhead::decode(input)?;
        Ok(Self { root: root.clone(), epoch, base, top, history, place, held })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FEED_FORMAT];
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&self.history.to_be_bytes());
        bytes.extend_from_slice(&self.place.0.to_bits().to_be_bytes());
        bytes.extend_from_slice(self.place.1.as_bytes());
        // Of fixed length, so that whoever has a cursor can have the one behind it too.
        bytes.extend_from_slice(&self.base.to_be_bytes());
        bytes.extend_from_slice(&self.top.to_be_bytes());
        self.held.encode(&mut bytes);
        let check = feed_check(&self.root, &bytes);
        bytes.extend_from_slice(&check);
        bytes
    }

    /// Whether its text keeps within [`Self::TEXT_BYTES_MAX`].
    pub(crate) fn is_short(&self) -> bool {
        self.to_bytes().len().div_ceil(3) * 4 <= Self::TEXT_BYTES_MAX
    }
}

/// Binds a cursor to its root: taken for a cursor of another one, it would leave events out.
fn feed_check(root: &RootName, body: &[u8]) -> [u8; 4] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(body);
    hasher.update(root.as_str().as_bytes());
    let mut check = [0; 4];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..4]);
    check
}

impl HeldAhead {
    fn encode(&self, out: &mut Vec<u8>) {
        codec::encode(&self.numbered.len(), out);
        for (number, seq) in &self.numbered {
            codec::encode(number, out);
            codec::encode(seq, out);
        }
        for (origin, seq) in &self.named {
            out.extend_from_slice(origin.as_bytes());
            codec::encode(seq, out);
        }
    }

    /// Reads the rest of `input`, which [`FeedCursor::TEXT_BYTES_MAX`] bounds.
    fn decode(input: &mut &[u8]) -> Result<Self, CodecError> {
        let mut held = Self::default();
        let count: usize = codec::decode(input)?;
        for _ in 0..count {
            held.numbered.push((codec::decode(input)?, codec::decode(input)?));
        }
        while !input.is_empty() {
            let origin = ReplicaId::from_bytes(codec::take_array(input)?);
            held.named.push((origin, codec::decode(input)?));
        }
        Ok(held)
    }
}

/// Base64 for URLs, without padding.
impl fmt::Display for FeedCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.to_bytes()))
    }
}
