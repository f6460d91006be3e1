//! The frame that documents between replicas share: a magic, a format version, and a hash over
//! everything at the end, so that damage is told from anything else.

use crate::codec::{self, CodecError};

const HASH_BYTES: usize = 16;

/// Adds the hash over everything before it.
pub(crate) fn seal(document: &mut Vec<u8>) {
    let hash = blake3::hash(document);
    document.extend_from_slice(&hash.as_bytes()[..HASH_BYTES]);
}

/// What lies between the format version and the hash.
pub(crate) fn open(bytes: &[u8], magic: [u8; 4], format: u8) -> Result<&[u8], CodecError> {
    let mut input = bytes;
    if codec::take_array(&mut input)? != magic {
        return Err(CodecError::Malformed);
    }
    let [found] = codec::take_array(&mut input)?;
    if found != format {
        return Err(CodecError::NewerFormat { found });
    }
    let body_bytes = input.len().checked_sub(HASH_BYTES).ok_or(CodecError::Malformed)?;
    let (body, hash) = input.split_at(body_bytes);
    if &blake3::hash(&bytes[..bytes.len() - HASH_BYTES]).as_bytes()[..HASH_BYTES] != hash {
        return Err(CodecError::Mismatch { what: "hash of the page" });
    }
    Ok(body)
}
