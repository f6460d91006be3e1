//! Events and the records they are kept as.

use bincode::{BorrowDecode, Encode};

use crate::chain::RecordHash;
use crate::codec::{self, CodecError};
use crate::hlc::Hlc;
use crate::id::Dot;
use crate::json::check_data;
use crate::limits::{DATA_BYTES_MAX, EXTENSION_BYTES_MAX, NAME_BYTES_MAX};

const FORMAT: u8 = 2;
const FLAG_JSON: u8 = 1;
const FLAG_OCCURRED_DEFAULTED: u8 = 2;

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
    /// Makes a replay of the same write recognisable, 1 to 255 bytes.
    pub idempotency_key: Option<&'a str>,
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
            idempotency_key: None,
            is_json: true,
            extension: &[],
            data: data.as_bytes(),
        }
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
        if !self.is_occurred_defaulted {
            return hash;
        }
        let mut bytes = Vec::new();
        Self { occurred: Some(0), ..*self }.encode(&mut bytes);
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
        let head = Head {
            event_type: self.event_type,
            version: self.version,
            format: FORMAT,
            flags: defaulted | if self.is_json { FLAG_JSON } else { 0 },
            aggregate_id: self.aggregate_id,
            occurred: self.kept_occurred(),
            idempotency_key: self.idempotency_key,
            extension: self.extension,
        };
        codec::encode(&head, out);
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
        let record = Self {
            event_type: head.event_type,
            version: head.version,
            aggregate_id: head.aggregate_id,
            occurred: Some(head.occurred),
            is_occurred_defaulted: head.flags & FLAG_OCCURRED_DEFAULTED != 0,
            idempotency_key: head.idempotency_key,
            is_json: head.flags & FLAG_JSON != 0,
            extension: head.extension,
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
