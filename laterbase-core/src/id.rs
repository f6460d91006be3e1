//! Who wrote an event, and which one it is.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::limits::ROOT_NAME_BYTES_MAX;

/// 128 random bits that name one unbroken history of writes (an *incarnation*).
///
/// Not a machine: a store whose history is in doubt takes a new id and goes on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId([u8; 16]);

impl ReplicaId {
    /// Takes the id's bytes, most significant first.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id's bytes, most significant first. Ids are ordered by them.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ReplicaId {
    type Err = IdError;

    /// Reads exactly 32 lower-case hex digits.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits =
            text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !digits {
            return Err(IdError::ReplicaId);
        }
        let value = u128::from_str_radix(text, 16).map_err(|_not_hex| IdError::ReplicaId)?;
        Ok(Self(value.to_be_bytes()))
    }
}

/// The id of an event within its root: which replica wrote it, and which number it has among that
/// replica's events in the root, from 1 on.
/// The same dot in another root is another event; [`EventId`] tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dot {
    /// Who wrote the event.
    pub origin: ReplicaId,
    /// 1 for the origin's first event in the root, and so on without a hole.
    pub seq: u64,
}

impl fmt::Display for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.origin, self.seq)
    }
}

impl FromStr for Dot {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (origin, seq) = text.split_once('-').ok_or(IdError::Dot)?;
        let canonical = seq.bytes().all(|byte| byte.is_ascii_digit()) && !seq.starts_with('0');
        if !canonical {
            return Err(IdError::Dot);
        }
        let origin = origin.parse().map_err(|_bad_origin| IdError::Dot)?;
        let seq = seq.parse().map_err(|_bad_number| IdError::Dot)?;
        Ok(Self { origin, seq })
    }
}

/// The id of an event, unique in the world: its root, and which one of the root it is.
///
/// As text it is the root, a colon and the dot. No root's name has a colon in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The root that the event is in.
    pub root: RootName,
    /// Which one of the root's events it is.
    pub dot: Dot,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.root, self.dot)
    }
}

impl FromStr for EventId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (root, dot) = text.split_once(':').ok_or(IdError::EventId)?;
        let root = root.parse().map_err(|_bad_root| IdError::EventId)?;
        let dot = dot.parse().map_err(|_bad_dot| IdError::EventId)?;
        Ok(Self { root, dot })
    }
}

/// The name of a root: `[A-Za-z0-9][A-Za-z0-9._~-]*`, at most 100 bytes, and optionally a
/// partition of the same form after an `@`.
///
/// Invariant: the text has that form. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootName(Arc<str>);

impl RootName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`IdError::RootName`] if it is not of the form.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let (kind, partition) = match text.split_once('@') {
            Some((kind, partition)) => (kind, Some(partition)),
            None => (text, None),
        };
        let fits =
            text.len() <= ROOT_NAME_BYTES_MAX && is_name(kind) && partition.is_none_or(is_name);
        if fits { Ok(Self(text.into())) } else { Err(IdError::RootName) }
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the `@`: what the root's events are folded by.
    pub fn kind(&self) -> &str {
        self.0.split_once('@').map_or(&*self.0, |(kind, _partition)| kind)
    }
}

fn is_name(text: &str) -> bool {
    text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-'))
}

impl fmt::Display for RootName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RootName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for RootName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl Borrow<str> for RootName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Text that is not the name it should be. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// Not 32 hex digits.
    #[error("a replica id is 32 lower-case hex digits")]
    ReplicaId,
    /// Not a replica id, a dash and a number above 0.
    #[error("an event's id within its root is a replica id, a dash and a number from 1")]
    Dot,
    /// Not a root's name, a colon and a dot.
    #[error(
        "an event id is a root's name, a colon, 32 lower-case hex digits, a dash and a number \
         from 1"
    )]
    EventId,
    /// Not a root's name.
    #[error(
        "a root is 1 to 100 bytes of letters, digits, '.', '_', '~' and '-', starting with a \
         letter or digit, and may carry a partition of that form after an '@'"
    )]
    RootName,
}

#[cfg(test)]
mod tests;
