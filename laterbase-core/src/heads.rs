//! What a replica holds, in full: for each origin in each root the last seq, and enough of the
//! chain behind it to tell two histories apart.
//!
//! Two replicas that do not know where they stand with each other compare their heads. A page
//! holds up to [`HEADS_ENTRIES_MAX`] of them, so that any number of origins can be compared.
//! `docs/format.md` draws the bytes.

use crate::chain::ChainHash;
use crate::codec::{self, CodecError, take_array};
use crate::id::{ReplicaId, RootName};
use crate::limits::{HEADS_BYTES_MAX, HEADS_ENTRIES_MAX, SEQ_MAX};
use crate::sealed;

const MAGIC: [u8; 4] = *b"LBHD";
const FORMAT: u8 = 1;

/// The first bytes of a chain's value.
pub type ChainCheck = [u8; 8];

/// Where one origin's events in a root end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadEntry {
    /// The root.
    pub root: RootName,
    /// Who wrote the events.
    pub origin: ReplicaId,
    /// The last event's seq, from 1.
    pub seq: u64,
    /// The start of the chain behind it.
    pub check: ChainCheck,
}

impl HeadEntry {
    /// The start of a chain's value, as it stands in an entry.
    pub fn check_of(chain: ChainHash) -> ChainCheck {
        let mut check = ChainCheck::default();
        check.copy_from_slice(&chain.as_bytes()[..size_of::<ChainCheck>()]);
        check
    }
}

/// Heads, in the order of root and origin.
///
/// Invariant of a page that was read or decoded: the entries rise, none is there twice, and
/// `next`, if any, is of the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeadsPage {
    /// At most [`HEADS_ENTRIES_MAX`], by the bytes of the root's name, then those of the origin.
    pub entries: Vec<HeadEntry>,
    /// Behind which head the next page starts; `None` if this is the last page.
    pub next: Option<(RootName, ReplicaId)>,
}

impl HeadsPage {
    /// The bytes that `docs/format.md` draws.
    ///
    /// # Panics
    /// If there are more than [`HEADS_ENTRIES_MAX`] entries.
    pub fn encode(&self) -> Vec<u8> {
        assert!(self.entries.len() <= HEADS_ENTRIES_MAX, "a page of heads is bounded");
        let mut out = Vec::with_capacity(64 + self.entries.len() * 32);
        out.extend_from_slice(&MAGIC);
        out.push(FORMAT);
        out.push(u8::from(self.next.is_some()));
        for of_root in self.entries.chunk_by(|a, b| a.root == b.root) {
            codec::encode(&of_root[0].root.as_str(), &mut out);
            codec::encode(&of_root.len(), &mut out);
            for entry in of_root {
                out.extend_from_slice(entry.origin.as_bytes());
                codec::encode(&entry.seq, &mut out);
                out.extend_from_slice(&entry.check);
            }
        }
        sealed::seal(&mut out);
        out
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`CodecError`] naming what is wrong: size, hash, order, or a field out of its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        if bytes.len() > HEADS_BYTES_MAX {
            return Err(CodecError::Bounds { field: "heads" });
        }
        let mut body = sealed::open(bytes, MAGIC, FORMAT)?;
        let more = match take_array(&mut body)? {
            [0] => false,
            [1] => true,
            _ => return Err(CodecError::Malformed),
        };
        let mut entries: Vec<HeadEntry> = Vec::new();
        while !body.is_empty() {
            decode_root(&mut body, &mut entries)?;
        }
        let last = entries.last().map(|last| (last.root.clone(), last.origin));
        match (more, last) {
            (true, None) => Err(CodecError::Malformed),
            (true, next) => Ok(Self { entries, next }),
            (false, _) => Ok(Self { entries, next: None }),
        }
    }
}

fn decode_root(body: &mut &[u8], entries: &mut Vec<HeadEntry>) -> Result<(), CodecError> {
    let root: &str = codec::decode(body)?;
    let root = RootName::new(root).map_err(|_bad_name| CodecError::Bounds { field: "root" })?;
    if entries.last().is_some_and(|last| last.root >= root) {
        return Err(CodecError::Malformed);
    }
    let count: usize = codec::decode(body)?;
    if count == 0 || count > HEADS_ENTRIES_MAX - entries.len() {
        return Err(CodecError::Bounds { field: "count" });
    }
    let mut last = None;
    for _ in 0..count {
        let origin = ReplicaId::from_bytes(take_array(body)?);
        let seq: u64 = codec::decode(body)?;
        let check = take_array(body)?;
        if seq == 0 || seq > SEQ_MAX {
            return Err(CodecError::Bounds { field: "seq" });
        }
        if last.is_some_and(|last| last >= origin) {
            return Err(CodecError::Malformed);
        }
        last = Some(origin);
        entries.push(HeadEntry { root: root.clone(), origin, seq, check });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
