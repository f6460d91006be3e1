//! Events and the records they are kept as.

use bincode::{BorrowDecode, Encode};

use crate::chain::RecordHash;
use crate::codec::{self, CodecError};
use crate::hlc::Hlc;
use crate::id::Dot;
use crate::json::check_data;
use crate::limits::{DATA_BYTES_MAX, EXTENSION_BYTES_MAX, NAME_BYTES_MAX};

pub use metadata::{Metadata, MetadataBuf, MetadataError};
pub(crate) use voids::VOID_BYTES;
pub use voids::{Seen, Void, Voids, VoidsBuf};

mod metadata;
mod voids;

const FORMAT: u8 = 4;
const FLAG_JSON: u8 = 1;
const FLAG_OCCURRED_DEFAULTED: u8 = 2;
const FLAG_MORE: u8 = 4;

/// How far from UTC a writer's clock may stand, in minutes (RFC 3339: hours up to 23, minutes up to
/// 59).
pub(crate) const OFFSET_MINUTES_MAX: u16 = 23 * 60 + 59;

/// What a writer says of an event. Borrowed from a request, or from the record it is kept as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What kind of event, 1 to 255 bytes: `Departed`.
    pub event_type: &'a str,
    /// Schema version of the data.
    pub version: u32,
    /// Which entity it is about, 1 to 255 bytes.
    pub aggregate_id: &'a str,
    /// When it happened in the world, in nanoseconds since 1970 UTC. A writer that does not say
    /// gives `None`; a record that is kept says when, see [`Self::filled_in`].
    pub occurred: Option<i64>,
    /// Whether the replica filled `occurred` in, as the writer did not say.
    pub is_occurred_defaulted: bool,
    /// How many minutes east of UTC the writer's clock stood when it said `occurred`, from -1439 to
    /// 1439. No part of any order.
    pub occurred_offset: Option<i16>,
    /// Makes a replay of the same write recognisable, 1 to 255 bytes.
    pub idempotency_key: Option<&'a str>,
    /// Who and why, beside the data. Laterbase stores it and never reads it.
    pub metadata: Metadata<'a>,
    /// Events of the same aggregate that were wrong, which this one takes back.
    pub voids: Voids<'a>,
    /// Whether the writer sent the data as JSON text.
    pub is_json: bool,
    /// Fields of later formats, passed on as they are. At most 64 KiB.
    pub extension: &'a [u8],
    /// At most 1 MiB that Laterbase never interprets.
    pub data: &'a [u8],
}

#[derive(Encode, BorrowDecode)]
struct Head<'a> {
    event_type: &'a str,
    version: u32,
    format: u8,
    flags: u8,
    aggregate_id: &'a str,
    occurred: i64,
    idempotency_key: Option<&'a str>,
}

/// What few events have. It follows the head where the flags say so.
#[derive(Encode, BorrowDecode)]
struct More<'a> {
    occurred_offset: Option<i16>,
    metadata: &'a [u8],
    voids: &'a [u8],
    extension: &'a [u8],
}

impl<'a> Record<'a> {
    /// An event of version 1 that happens when it is recorded, with JSON text as data.
    pub const fn json(aggregate_id: &'a str, event_type: &'a str, data: &'a str) -> Self {
        Self {
            event_type,
            version: 1,
            aggregate_id,
            occurred: None,
            is_occurred_defaulted: false,
            occurred_offset: None,
            idempotency_key: None,
            metadata: Metadata::NONE,
            voids: Voids::NONE,
            is_json: true,
            extension: &[],
            data: data.as_bytes(),
        }
    }

    /// The same with bytes as data that are not said to be JSON.
    pub const fn bytes(aggregate_id: &'a str, event_type: &'a str, data: &'a [u8]) -> Self {
        let record = Self::json(aggregate_id, event_type, "");
        Self { is_json: false, data, ..record }
    }

    /// Says when it happened, in nanoseconds since 1970 UTC.
    #[must_use]
    pub const fn at(self, occurred: i64) -> Self {
        Self { occurred: Some(occurred), ..self }
    }

    /// Says how many minutes east of UTC the clock stood that `occurred` was read from.
    #[must_use]
    pub const fn with_offset(self, minutes: i16) -> Self {
        Self { occurred_offset: Some(minutes), ..self }
    }

    /// Gives it an idempotency key.
    #[must_use]
    pub const fn with_key(self, key: &'a str) -> Self {
        Self { idempotency_key: Some(key), ..self }
    }

    /// Says who and why.
    #[must_use]
    pub const fn with_metadata(self, metadata: Metadata<'a>) -> Self {
        Self { metadata, ..self }
    }

    /// Takes other events of the aggregate back.
    #[must_use]
    pub const fn with_voids(self, voids: Voids<'a>) -> Self {
        Self { voids, ..self }
    }

    /// The record with what its writer left open filled in: it happened at the wall clock of the
    /// write. Not at the stamp of the recording, which a clock that was once wrong drags along for
    /// ever.
    #[must_use]
    pub const fn filled_in(self, now_nanos: i64) -> Self {
        match self.occurred {
            Some(_) => self,
            None => Self { occurred: Some(now_nanos), is_occurred_defaulted: true, ..self },
        }
    }

    /// When it happened, of a record that is filled in.
    ///
    /// # Panics
    /// If it is not: nothing is kept that does not say when it happened.
    pub(crate) fn kept_occurred(&self) -> i64 {
        self.occurred.expect("a record that is kept says when it happened")
    }

    /// The hash of what the writer said, by which a repeated write is told from another one under
    /// its key. `hash` is that of the whole record, which may hold what was filled in.
    pub(crate) fn said(&self, hash: RecordHash) -> RecordHash {
        if !self.is_occurred_defaulted && self.voids.is_empty() {
            return hash;
        }
        let occurred = if self.is_occurred_defaulted { Some(0) } else { self.occurred };
        let voids = self.voids.unseen();
        let mut bytes = Vec::new();
        Record { occurred, voids: voids.as_voids(), ..*self }.encode(&mut bytes);
        RecordHash::of(&bytes)
    }

    /// Checks every field against its bound.
    ///
    /// # Errors
    /// [`CodecError::Bounds`] with the first field that is outside.
    pub fn check(&self) -> Result<(), CodecError> {
        check_name("type", self.event_type)?;
        check_name("aggregate_id", self.aggregate_id)?;
        if let Some(key) = self.idempotency_key {
            check_name("idempotency_key", key)?;
        }
        if self.occurred_offset.is_some_and(|minutes| minutes.unsigned_abs() > OFFSET_MINUTES_MAX) {
            return Err(CodecError::Bounds { field: "occurred_at" });
        }
        if !self.metadata.is_sound() {
            return Err(CodecError::Bounds { field: "metadata" });
        }
        if !self.voids.is_sound() {
            return Err(CodecError::Bounds { field: "voids" });
        }
        if self.extension.len() > EXTENSION_BYTES_MAX {
            return Err(CodecError::Bounds { field: "extension" });
        }
        if self.data.len() > DATA_BYTES_MAX {
            return Err(CodecError::Bounds { field: "data" });
        }
        Ok(())
    }

    /// Whether a reader can make something of the data: it is bytes, or JSON that everybody can
    /// read. The others are kept, left out of states, and counted.
    pub fn is_readable(&self) -> bool {
        !self.is_json || check_data(self.data).is_ok()
    }

    /// Appends the record's bytes, as `docs/format.md` draws them.
    ///
    /// # Panics
    /// If `occurred` is not filled in.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let defaulted = if self.is_occurred_defaulted { FLAG_OCCURRED_DEFAULTED } else { 0 };
        let more = More {
            occurred_offset: self.occurred_offset,
            metadata: self.metadata.as_bytes(),
            voids: self.voids.as_bytes(),
            extension: self.extension,
        };
        let is_more = more.occurred_offset.is_some()
            || [more.metadata, more.voids, more.extension].iter().any(|bytes| !bytes.is_empty());
        let head = Head {
            event_type: self.event_type,
            version: self.version,
            format: FORMAT,
            flags: defaulted
                | if self.is_json { FLAG_JSON } else { 0 }
                | if is_more { FLAG_MORE } else { 0 },
            aggregate_id: self.aggregate_id,
            occurred: self.kept_occurred(),
            idempotency_key: self.idempotency_key,
        };
        codec::encode(&head, out);
        if is_more {
            codec::encode(&more, out);
        }
        out.extend_from_slice(self.data);
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`CodecError`] if the bytes are no record, of a newer format, or outside the bounds.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, CodecError> {
        let mut input = bytes;
        let head: Head<'a> = codec::decode(&mut input)?;
        if head.format != FORMAT {
            return Err(CodecError::NewerFormat { found: head.format });
        }
        let more = if head.flags & FLAG_MORE == 0 {
            More { occurred_offset: None, metadata: &[], voids: &[], extension: &[] }
        } else {
            codec::decode(&mut input)?
        };
        let record = Self {
            event_type: head.event_type,
            version: head.version,
            aggregate_id: head.aggregate_id,
            occurred: Some(head.occurred),
            is_occurred_defaulted: head.flags & FLAG_OCCURRED_DEFAULTED != 0,
            occurred_offset: more.occurred_offset,
            idempotency_key: head.idempotency_key,
            metadata: Metadata::from_bytes(more.metadata),
            voids: Voids::from_bytes(more.voids),
            is_json: head.flags & FLAG_JSON != 0,
            extension: more.extension,
            data: input,
        };
        record.check()?;
        Ok(record)
    }
}

fn check_name(field: &'static str, text: &str) -> Result<(), CodecError> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX {
        return Err(CodecError::Bounds { field });
    }
    Ok(())
}

/// An event as a replica holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its id.
    pub dot: Dot,
    /// When its origin recorded it (transaction time).
    pub recorded: Hlc,
    /// When this replica stored it, in nanoseconds since 1970 UTC.
    pub arrived: i64,
    /// Where it stands in this replica's arrival log, from 1.
    pub position: u64,
    /// What its writer said.
    pub record: Record<'a>,
    /// The events that take it back, where a read says so.
    pub voided_by: &'a [Dot],
}

impl Event<'_> {
    /// When it happened in the world (valid time), in nanoseconds since 1970 UTC. An event that was
    /// made by hand and does not say happened when it was recorded.
    pub fn occurred(&self) -> i64 {
        self.record.occurred.unwrap_or_else(|| self.recorded.to_unix_nanos())
    }
}

#[cfg(test)]
mod tests;
