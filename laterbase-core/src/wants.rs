//! Which events a replica asks of another: stretches of origins' seqs, in the order in which it
//! wants them.
//!
//! `docs/format.md` draws the bytes.

use bincode::{BorrowDecode, Encode};

use crate::codec::{self, CodecError};
use crate::id::{ReplicaId, RootName};
use crate::limits::{SEQ_MAX, WANTS_BYTES_MAX, WANTS_ENTRIES_MAX};
use crate::sealed;

const MAGIC: [u8; 4] = *b"LBWT";
const FORMAT: u8 = 1;

/// Events of one origin in a root that are wanted: those behind `after`, up to `until`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The root.
    pub root: RootName,
    /// Who wrote the events.
    pub origin: ReplicaId,
    /// The last seq that is held already; 0 for none.
    pub after: u64,
    /// The last seq that is wanted, above `after`.
    pub until: u64,
}

/// A request for events, at most [`WANTS_ENTRIES_MAX`] stretches of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// In the order in which they are answered.
    pub entries: Vec<Want>,
}

#[derive(Encode, BorrowDecode)]
struct WantFields<'a> {
    root: &'a str,
    origin: [u8; 16],
    after: u64,
    until: u64,
}

impl Wants {
    /// The bytes that `docs/format.md` draws.
    ///
    /// # Panics
    /// If there are more than [`WANTS_ENTRIES_MAX`] entries.
    pub fn encode(&self) -> Vec<u8> {
        assert!(self.entries.len() <= WANTS_ENTRIES_MAX, "a request list is bounded");
        let mut out = Vec::with_capacity(32 + self.entries.len() * 48);
        out.extend_from_slice(&MAGIC);
        out.push(FORMAT);
        for want in &self.entries {
            let fields = WantFields {
                root: want.root.as_str(),
                origin: *want.origin.as_bytes(),
                after: want.after,
                until: want.until,
            };
            codec::encode(&fields, &mut out);
        }
        sealed::seal(&mut out);
        out
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`CodecError`] naming what is wrong: size, hash, or a field out of its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        if bytes.len() > WANTS_BYTES_MAX {
            return Err(CodecError::Bounds { field: "wants" });
        }
        let mut body = sealed::open(bytes, MAGIC, FORMAT)?;
        let mut entries = Vec::new();
        while !body.is_empty() {
            if entries.len() == WANTS_ENTRIES_MAX {
                return Err(CodecError::Bounds { field: "wants" });
            }
            entries.push(decode_want(&mut body)?);
        }
        Ok(Self { entries })
    }
}

fn decode_want(body: &mut &[u8]) -> Result<Want, CodecError> {
    let WantFields { root, origin, after, until } = codec::decode(body)?;
    let root = RootName::new(root).map_err(|_bad_name| CodecError::Bounds { field: "root" })?;
    if after >= until || until > SEQ_MAX {
        return Err(CodecError::Bounds { field: "seq" });
    }
    Ok(Want { root, origin: ReplicaId::from_bytes(origin), after, until })
}

#[cfg(test)]
mod tests;
