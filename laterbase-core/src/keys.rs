//! The keys of every table, as bytes whose order is the order that is meant.
//!
//! Numbers are big-endian. Text in the middle of a key is escaped so that it sorts as itself and
//! no key is the start of another: a zero byte becomes `00 FF`, and `00 01` ends the text.

use crate::event::{VOID_BYTES, Void};
use crate::hlc::Hlc;
use crate::id::ReplicaId;

/// Meta: the store's format version.
pub(crate) const FORMAT: &[u8] = b"format";
/// Meta: the replica id that new events get.
pub(crate) const REPLICA: &[u8] = b"replica";
/// Meta: a number that names this arrival log, so that cursors into another are recognised.
pub(crate) const EPOCH: &[u8] = b"epoch";
/// Meta: where the store lived when it was last open for writing.
pub(crate) const HOME: &[u8] = b"home";
/// Meta: the clock's high-water mark.
pub(crate) const CLOCK: &[u8] = b"clock";
/// Meta: there while the store is open for writing.
pub(crate) const OPEN: &[u8] = b"open";
/// Meta, prefix: root number → how many of its events have data that cannot be read.
pub(crate) const UNREADABLE: &[u8] = b"unreadable/";
/// Meta, prefix: root number → name.
pub(crate) const ROOT: &[u8] = b"root/";
/// Meta, prefix: origin number → replica id.
pub(crate) const ORIGIN: &[u8] = b"origin/";
/// Meta, prefix: root and origin number → head.
pub(crate) const HEAD: &[u8] = b"head/";

/// Meta, prefix: number → a replica id that this store had before.
pub(crate) const FORMER: &[u8] = b"former/";
/// Meta, prefix: number → a change of this replica's own id.
pub(crate) const RENEWED: &[u8] = b"renewed/";
/// Meta: how many events were kept although they are odd.
pub(crate) const COUNTERS: &[u8] = b"counters";

/// Meta, prefix: root and origin number → where a fork of theirs is.
pub(crate) const FORK: &[u8] = b"fork/";
/// Meta: how often events that were held back became takeable again.
pub(crate) const GENERATION: &[u8] = b"generation";
/// Meta and Progress: how often the log's end was written anew. The derived tables are of the log
/// whose number they carry.
pub(crate) const REWRITES: &[u8] = b"rewrites";

/// Meta, prefix: arrival position → arrival time of an entry that arrived earlier, by the wall
/// clock, than the one before it.
pub(crate) const TURN: &[u8] = b"turn/";

/// Progress: the arrival position up to which the derived tables are built.
pub(crate) const BUILT: &[u8] = b"built";
/// Progress, prefix: root number → how many aggregates the index holds.
pub(crate) const AGGREGATES: &[u8] = b"aggregates/";

/// A prefix followed by numbers.
pub(crate) fn numbered(prefix: &[u8], numbers: &[u32]) -> Vec<u8> {
    let mut key = prefix.to_vec();
    for number in numbers {
        key.extend_from_slice(&number.to_be_bytes());
    }
    key
}

/// The key of a turn of the wall clock.
pub(crate) fn turn(position: u64) -> Vec<u8> {
    [TURN, &position.to_be_bytes()].concat()
}

/// The last number of a key of [`numbered`].
pub(crate) fn number_at(key: &[u8], offset: usize) -> Option<u32> {
    let bytes = key.get(offset..offset + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// The smallest key that does not start with `prefix`; `None` if there is none.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

/// The log's key of an arrival position.
pub(crate) const fn position(position: u64) -> [u8; 8] {
    position.to_be_bytes()
}

/// Reads a big-endian u64.
pub(crate) fn read_u64(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

/// The key of a run: (root, origin, first seq).
pub(crate) fn run(root: u32, origin: u32, first_seq: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&root.to_be_bytes());
    key[4..8].copy_from_slice(&origin.to_be_bytes());
    key[8..].copy_from_slice(&first_seq.to_be_bytes());
    key
}

/// The key of an event in quarantine: (root, origin, seq, start of its chain).
pub(crate) fn quarantined(root: u32, origin: u32, seq: u64, chain: &[u8; 32]) -> Vec<u8> {
    let mut key = run(root, origin, seq).to_vec();
    key.extend_from_slice(&chain[..8]);
    key
}

/// Appends text so that it sorts as itself inside a key.
pub(crate) fn push_text(key: &mut Vec<u8>, text: &str) {
    for part in text.as_bytes().split_inclusive(|byte| *byte == 0) {
        key.extend_from_slice(part);
        if part.last() == Some(&0) {
            key.push(0xff);
        }
    }
    key.extend_from_slice(&[0, 1]);
}

/// Reads text that [`push_text`] wrote off the front of a key, and gives the rest.
pub(crate) fn take_text(key: &[u8]) -> Option<(String, &[u8])> {
    let mut text = Vec::new();
    let mut rest = key;
    loop {
        match rest {
            [0, 1, tail @ ..] => return Some((String::from_utf8(text).ok()?, tail)),
            [0, 0xff, tail @ ..] => {
                text.push(0);
                rest = tail;
            }
            [0, ..] | [] => return None,
            [byte, tail @ ..] => {
                text.push(*byte);
                rest = tail;
            }
        }
    }
}

/// Where an event stands in fold order: (occurred, recorded, origin), compared as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place([u8; 32]);

impl Place {
    /// Before every event.
    pub const START: Self = Self([0; 32]);

    /// The place of an event. `occurred` is in nanoseconds since 1970.
    pub fn new(occurred: i64, recorded: Hlc, origin: ReplicaId) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(occurred.cast_unsigned() ^ (1 << 63)).to_be_bytes());
        bytes[8..16].copy_from_slice(&recorded.to_bits().to_be_bytes());
        bytes[16..].copy_from_slice(origin.as_bytes());
        Self(bytes)
    }

    /// Before every event that happens at this time.
    pub fn before(occurred: i64) -> Self {
        Self::new(occurred, Hlc::ZERO, ReplicaId::from_bytes([0; 16]))
    }

    /// The place's bytes; their order is fold order.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whose event it is.
    pub(crate) fn origin(&self) -> ReplicaId {
        let (_, origin) = self.0.split_last_chunk().expect("a place is longer than an id");
        ReplicaId::from_bytes(*origin)
    }

    /// Reads the bytes of a place.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// When the event happened, in nanoseconds since 1970.
    pub fn occurred(&self) -> i64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        (u64::from_be_bytes([a, b, c, d, e, f, g, h]) ^ (1 << 63)).cast_signed()
    }

    /// When the event's origin recorded it.
    pub fn recorded(&self) -> Hlc {
        let [_, _, _, _, _, _, _, _, a, b, c, d, e, f, g, h, ..] = self.0;
        Hlc::from_bits(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }
}

/// The start of all fold index keys of a root.
pub(crate) const fn index_root(root: u32) -> [u8; 4] {
    root.to_be_bytes()
}

/// The start of all fold index keys of an aggregate.
pub(crate) fn index_aggregate(root: u32, aggregate_id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(4 + aggregate_id.len() + 2 + 32);
    key.extend_from_slice(&root.to_be_bytes());
    push_text(&mut key, aggregate_id);
    key
}

/// The fold index key of an event.
pub(crate) fn index(root: u32, aggregate_id: &str, place: &Place) -> Vec<u8> {
    let mut key = Vec::with_capacity(4 + aggregate_id.len() + 2 + 32);
    write_index(&mut key, root, aggregate_id, place);
    key
}

/// Appends the fold index key of an event.
pub(crate) fn write_index(key: &mut Vec<u8>, root: u32, aggregate_id: &str, place: &Place) {
    key.extend_from_slice(&root.to_be_bytes());
    push_text(key, aggregate_id);
    key.extend_from_slice(place.as_bytes());
}

/// The aggregate prefix of a fold index key.
pub(crate) fn index_prefix(key: &[u8]) -> Option<&[u8]> {
    key.split_last_chunk::<32>().map(|(prefix, _place)| prefix)
}

/// Root number and aggregate id of a key that begins as [`index_aggregate`] has it.
pub(crate) fn take_index_prefix(prefix: &[u8]) -> Option<(u32, String)> {
    let (id, _) = take_text(prefix.get(4..)?)?;
    Some((number_at(prefix, 0)?, id))
}

/// The place of a key that ends with one.
pub(crate) fn place_of(key: &[u8]) -> Option<Place> {
    key.split_last_chunk::<32>().map(|(_prefix, place)| Place(*place))
}

/// The start of the idempotency keys of a root that are equal to `key`.
pub(crate) fn key_prefix(root: u32, key: &str) -> Vec<u8> {
    index_aggregate(root, key)
}

/// The key of an event that carries an idempotency key.
pub(crate) fn keyed(root: u32, key: &str, aggregate_id: &str, place: &Place) -> Vec<u8> {
    let mut bytes = key_prefix(root, key);
    push_text(&mut bytes, aggregate_id);
    bytes.extend_from_slice(place.as_bytes());
    bytes
}

/// Appends the key of an event that another one, at a place, takes back.
pub(crate) fn write_void(
    key: &mut Vec<u8>,
    root: u32,
    aggregate_id: &str,
    void: &Void,
    place: &Place,
) {
    key.extend_from_slice(&root.to_be_bytes());
    push_text(key, aggregate_id);
    void.write(key);
    key.extend_from_slice(place.as_bytes());
}

/// Reads a key of [`write_void`]: the aggregate's prefix, what is taken back, and the place of the
/// event that does.
pub(crate) fn read_void(key: &[u8]) -> Option<(&[u8], Void, Place)> {
    let (rest, place) = key.split_last_chunk::<32>()?;
    let (prefix, void) = rest.split_at_checked(rest.len().checked_sub(VOID_BYTES)?)?;
    Some((prefix, Void::read(void)?, Place(*place)))
}

#[cfg(test)]
mod tests;
