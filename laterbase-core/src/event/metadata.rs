//! Who recorded an event, and why.

use crate::limits::{METADATA_ENTRIES_MAX, METADATA_NAME_BYTES_MAX, METADATA_VALUE_BYTES_MAX};

/// Names that only a server sets.
const RESERVED: &str = "principal";

/// Short texts beside an event's data, by name. Laterbase stores them and gives them back, and never
/// reads them.
///
/// `actor`, `device`, `correlation_id`, `causation_id`, `traceparent` (W3C Trace Context) and
/// `entered_at` (RFC 3339: when the user entered it, where an application has an outbox of its own)
/// are names by convention; others are free. At most 32 entries, names of 1 to 64 bytes, values of
/// up to 1 KiB.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Metadata<'a>(&'a [u8]);

impl<'a> Metadata<'a> {
    /// Nothing is said.
    pub const NONE: Self = Self(&[]);

    /// Takes the bytes that a record keeps. [`Self::is_sound`] says whether they are any.
    pub(super) const fn from_bytes(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Behind each other, for each entry, rising by name: the name's length (1 byte), the name,
    /// the value's length (2 bytes, big-endian), the value.
    pub(super) const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Whether there are no entries.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values, rising by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || take_entry(&mut rest))
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.iter().find_map(|(found, value)| (found == name).then_some(value))
    }

    /// The first name that a writer may not use, if there is one.
    pub(crate) fn reserved(&self) -> Option<&'a str> {
        self.iter().map(|(name, _)| name).find(|name| *name == RESERVED)
    }

    /// Whether the bytes are entries within the bounds, each name once.
    pub(super) fn is_sound(&self) -> bool {
        let (mut rest, mut count, mut before) = (self.0, 0, "");
        while let Some((name, value)) = take_entry(&mut rest) {
            count += 1;
            let fits = count <= METADATA_ENTRIES_MAX
                && name > before
                && name.len() <= METADATA_NAME_BYTES_MAX
                && value.len() <= METADATA_VALUE_BYTES_MAX;
            if !fits {
                return false;
            }
            before = name;
        }
        rest.is_empty()
    }
}

impl Default for Metadata<'_> {
    fn default() -> Self {
        Self::NONE
    }
}

impl std::fmt::Debug for Metadata<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Takes an entry off the front; `None` at the end, and where the bytes are no entry.
fn take_entry<'a>(rest: &mut &'a [u8]) -> Option<(&'a str, &'a str)> {
    let (&name_length, tail) = rest.split_first()?;
    let (name, tail) = tail.split_at_checked(name_length.into())?;
    let (value_length, tail) = tail.split_first_chunk()?;
    let (value, tail) = tail.split_at_checked(u16::from_be_bytes(*value_length).into())?;
    let entry = (str::from_utf8(name).ok()?, str::from_utf8(value).ok()?);
    *rest = tail;
    Some(entry)
}

/// Metadata that is being put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataBuf {
    bytes: Vec<u8>,
}

impl MetadataBuf {
    /// Sets a name's value.
    ///
    /// # Errors
    /// [`MetadataError`]; nothing changed.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), MetadataError> {
        let name_length = u8::try_from(name.len()).ok();
        let name_length =
            name_length.filter(|_| (1..=METADATA_NAME_BYTES_MAX).contains(&name.len()));
        let name_length = name_length.ok_or(MetadataError::Name)?;
        let value_length = u16::try_from(value.len()).ok();
        let value_length = value_length.filter(|_| value.len() <= METADATA_VALUE_BYTES_MAX);
        let value_length = value_length.ok_or(MetadataError::Value)?;
        let (mut start, mut end) = (self.bytes.len(), self.bytes.len());
        let (mut rest, mut count, mut is_new) = (self.bytes.as_slice(), 0, true);
        while let Some((found, _)) = take_entry(&mut rest) {
            let behind = self.bytes.len() - rest.len();
            let before = if count == 0 { 0 } else { end };
            count += 1;
            if found >= name {
                is_new = found != name;
                (start, end) = (before, if is_new { before } else { behind });
                count += take_all(rest);
                break;
            }
            (start, end) = (behind, behind);
        }
        if is_new && count == METADATA_ENTRIES_MAX {
            return Err(MetadataError::Full);
        }
        let mut entry = vec![name_length];
        entry.extend_from_slice(name.as_bytes());
        entry.extend_from_slice(&value_length.to_be_bytes());
        entry.extend_from_slice(value.as_bytes());
        self.bytes.splice(start..end, entry);
        Ok(())
    }

    /// What was put together.
    pub const fn as_metadata(&self) -> Metadata<'_> {
        Metadata(self.bytes.as_slice())
    }
}

/// How many entries there are.
fn take_all(mut rest: &[u8]) -> usize {
    std::iter::from_fn(|| take_entry(&mut rest)).count()
}

/// Why an entry cannot be part of an event's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// The name is empty or too long.
    #[error("a name has 1 to {METADATA_NAME_BYTES_MAX} bytes")]
    Name,
    /// The value is too long.
    #[error("a value has at most {METADATA_VALUE_BYTES_MAX} bytes")]
    Value,
    /// There are as many entries as there may be.
    #[error("an event has at most {METADATA_ENTRIES_MAX} entries")]
    Full,
}

#[cfg(test)]
mod tests;
