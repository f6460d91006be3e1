//! The one place that knows `bincode`.
//!
//! Numbers are written as bincode 2's standard variable-length integers (little-endian, signed
//! ones zigzag), text and byte strings behind their length. `docs/format.md` draws the bytes;
//! golden tests pin them, so that another encoder could take its place.

use bincode::config::{self, Configuration};
use bincode::de::BorrowDecode;
use bincode::enc::Encode;
use bincode::enc::write::Writer;
use bincode::error::EncodeError;

const CONFIG: Configuration = config::standard();

/// Appends the encoding of a value.
pub(crate) fn encode<T: Encode>(value: &T, out: &mut Vec<u8>) {
    bincode::encode_into_writer(value, Appender(out), CONFIG)
        .expect("plain fields always encode into memory");
}

/// Takes one value off the front of `input`.
///
/// Text and bytes are borrowed, so nothing is allocated by a length that the input claims.
pub(crate) fn decode<'a, T: BorrowDecode<'a, ()>>(input: &mut &'a [u8]) -> Result<T, CodecError> {
    let (value, read) = bincode::borrow_decode_from_slice(input, CONFIG)
        .map_err(|_broken| CodecError::Malformed)?;
    *input = &input[read..];
    Ok(value)
}

/// Takes `count` bytes off the front of `input`.
pub(crate) fn take<'a>(input: &mut &'a [u8], count: usize) -> Result<&'a [u8], CodecError> {
    let (front, rest) = input.split_at_checked(count).ok_or(CodecError::Malformed)?;
    *input = rest;
    Ok(front)
}

/// Takes a fixed number of bytes off the front of `input`.
pub(crate) fn take_array<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], CodecError> {
    let (front, rest) = input.split_first_chunk().ok_or(CodecError::Malformed)?;
    *input = rest;
    Ok(*front)
}

struct Appender<'a>(&'a mut Vec<u8>);

impl Writer for Appender<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Bytes that are not what they should be. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// Cut short, too long, or not of the form.
    #[error("malformed or truncated bytes")]
    Malformed,
    /// Written by a newer version of Laterbase.
    #[error("format {found} is newer than this version reads")]
    NewerFormat {
        /// The format version found.
        found: u8,
    },
    /// A field is empty or over its bound.
    #[error("the field {field} is outside its bounds")]
    Bounds {
        /// Which field.
        field: &'static str,
    },
    /// A checksum or hash does not fit its bytes.
    #[error("the {what} does not match its bytes")]
    Mismatch {
        /// Which checksum or hash.
        what: &'static str,
    },
}
