//! Cursors: where a caller left off in a replica's arrival log.
//!
//! A cursor is one integer, and what it takes to recognise that it is of another log: the log's
//! epoch, and the digest of its history up to the position. A log that was restored from a
//! backup and went on differently has another digest there.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::codec::{self, CodecError};

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
