//! Deltas: events in contiguous runs, as bytes that travel between replicas.
//!
//! A delta is one page of at most [`BATCH_BYTES_MAX`] bytes. Each run says which root and origin
//! it is of, where it starts, and the chain's value before and behind it, so that the receiver
//! can tell a hole, a fork and damage apart. `docs/format.md` draws the bytes.

use bincode::{BorrowDecode, Encode};

use crate::chain::{ChainHash, RecordHash};
use crate::codec::{self, CodecError};
use crate::event::Record;
use crate::hlc::Hlc;
use crate::id::{ReplicaId, RootName};
use crate::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, RECORD_BYTES_MAX};

const MAGIC: [u8; 4] = *b"LBDP";
const FORMAT: u8 = 1;
const HASH_BYTES: usize = 16;

/// Events of one root and origin with consecutive seqs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run<'a> {
    /// The root they are in.
    pub root: RootName,
    /// Who wrote them.
    pub origin: ReplicaId,
    /// The seq of the first one.
    pub first_seq: u64,
    /// The chain's value before the first one.
    pub chain_before: ChainHash,
    /// At least one event.
    pub events: Vec<RunEvent<'a>>,
}

impl Run<'_> {
    /// The seq of the last event.
    pub fn last_seq(&self) -> u64 {
        self.first_seq + (self.events.len() as u64 - 1)
    }
}

/// One event of a [`Run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunEvent<'a> {
    /// When its origin recorded it.
    pub recorded: Hlc,
    /// The record's bytes, which [`Record::decode`] reads.
    pub record: &'a [u8],
    /// The record's hash.
    pub hash: RecordHash,
    /// The chain's value behind it.
    pub chain: ChainHash,
    /// Whether its data can be read: [`Record::is_readable`]. Found while the page is decoded, so
    /// that the writer need not look.
    pub is_readable: bool,
}

/// A page of runs, decoded and checked in itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta<'a> {
    /// In the order in which they were sent.
    pub runs: Vec<Run<'a>>,
}

#[derive(Encode, BorrowDecode)]
struct RunHead<'a> {
    root: &'a str,
    origin: [u8; 16],
    first_seq: u64,
    count: u32,
    chain_before: [u8; 32],
    chain_after: [u8; 32],
}

impl<'a> Delta<'a> {
    /// How many events there are in all runs.
    pub fn event_count(&self) -> usize {
        self.runs.iter().map(|run| run.events.len()).sum()
    }

    /// Reads a page and checks everything that can be checked without a store: sizes, the page's
    /// hash, that records decode, that seqs and stamps rise, and that each run's chain adds up.
    ///
    /// # Errors
    /// [`CodecError`] naming what is wrong.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, CodecError> {
        if bytes.len() > BATCH_BYTES_MAX {
            return Err(CodecError::Bounds { field: "delta" });
        }
        let mut input = bytes;
        if codec::take_array(&mut input)? != MAGIC {
            return Err(CodecError::Malformed);
        }
        let [format] = codec::take_array(&mut input)?;
        if format != FORMAT {
            return Err(CodecError::NewerFormat { found: format });
        }
        let body_bytes = input.len().checked_sub(HASH_BYTES).ok_or(CodecError::Malformed)?;
        let (mut body, hash) = input.split_at(body_bytes);
        if page_hash(&bytes[..bytes.len() - HASH_BYTES]) != hash {
            return Err(CodecError::Mismatch { what: "hash of the page" });
        }
        let mut runs = Vec::new();
        let mut event_count = 0;
        while !body.is_empty() {
            let run = decode_run(&mut body)?;
            event_count += run.events.len();
            if event_count > BATCH_EVENTS_MAX {
                return Err(CodecError::Bounds { field: "delta" });
            }
            runs.push(run);
        }
        Ok(Self { runs })
    }
}

fn decode_run<'a>(body: &mut &'a [u8]) -> Result<Run<'a>, CodecError> {
    let head: RunHead<'a> = codec::decode(body)?;
    let root =
        RootName::new(head.root).map_err(|_bad_name| CodecError::Bounds { field: "root" })?;
    let last_seq = head.first_seq.checked_add(u64::from(head.count));
    if head.first_seq == 0 || head.count == 0 || last_seq.is_none_or(|seq| seq > u64::MAX / 2) {
        return Err(CodecError::Bounds { field: "seq" });
    }
    let mut chain = ChainHash::from_bytes(head.chain_before);
    let origin = ReplicaId::from_bytes(head.origin);
    if head.first_seq == 1 && chain != ChainHash::genesis(&root, origin) {
        return Err(CodecError::Mismatch { what: "chain" });
    }
    let mut events: Vec<RunEvent<'a>> = Vec::new();
    for _ in 0..head.count {
        let event = decode_event(body, chain)?;
        if events.last().is_some_and(|last| last.recorded >= event.recorded) {
            return Err(CodecError::Bounds { field: "recorded" });
        }
        chain = event.chain;
        events.push(event);
    }
    if chain.as_bytes() != &head.chain_after {
        return Err(CodecError::Mismatch { what: "chain" });
    }
    Ok(Run {
        root,
        origin,
        first_seq: head.first_seq,
        chain_before: ChainHash::from_bytes(head.chain_before),
        events,
    })
}

fn decode_event<'a>(body: &mut &'a [u8], before: ChainHash) -> Result<RunEvent<'a>, CodecError> {
    let recorded = Hlc::from_bits(u64::from_be_bytes(codec::take_array(body)?));
    let length: usize = codec::decode(body)?;
    if length > RECORD_BYTES_MAX {
        return Err(CodecError::Bounds { field: "record" });
    }
    let record = codec::take(body, length)?;
    let is_readable = Record::decode(record)?.is_readable();
    let hash = RecordHash::of(record);
    Ok(RunEvent { recorded, record, hash, chain: before.next(recorded, hash), is_readable })
}

fn page_hash(bytes: &[u8]) -> [u8; HASH_BYTES] {
    let mut short = [0; HASH_BYTES];
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..HASH_BYTES]);
    short
}

/// Gathers events into a page, one origin's after another.
#[derive(Debug, Default)]
pub struct DeltaBuilder {
    runs: Vec<OpenRun>,
    event_count: usize,
    size_bytes: usize,
}

#[derive(Debug)]
struct OpenRun {
    root: RootName,
    origin: ReplicaId,
    first_seq: u64,
    count: u32,
    chain_before: ChainHash,
    chain_after: ChainHash,
    events: Vec<u8>,
}

/// An event on its way into a [`DeltaBuilder`].
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Who wrote it.
    pub origin: ReplicaId,
    /// Its seq.
    pub seq: u64,
    /// When its origin recorded it.
    pub recorded: Hlc,
    /// The record's bytes.
    pub record: &'a [u8],
    /// The chain's value behind it.
    pub chain: ChainHash,
}

impl DeltaBuilder {
    /// An empty page.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a run, which later calls of [`Self::push`] with its number extend.
    pub fn start_run(
        &mut self,
        root: &RootName,
        origin: ReplicaId,
        first_seq: u64,
        chain_before: ChainHash,
    ) -> usize {
        self.size_bytes += 64 + 16 + root.as_str().len() + 12;
        self.runs.push(OpenRun {
            root: root.clone(),
            origin,
            first_seq,
            count: 0,
            chain_before,
            chain_after: chain_before,
            events: Vec::new(),
        });
        self.runs.len() - 1
    }

    /// Adds the next event of a run.
    ///
    /// # Panics
    /// If it is not the next one, or the run is not of its origin: that would be a hole.
    pub fn push(&mut self, run: usize, event: Outgoing<'_>) {
        let run = &mut self.runs[run];
        assert_eq!(run.origin, event.origin, "a run is of one origin");
        assert_eq!(run.first_seq + u64::from(run.count), event.seq, "a run has no holes");
        run.events.extend_from_slice(&event.recorded.to_bits().to_be_bytes());
        let before = run.events.len();
        codec::encode(&event.record.len(), &mut run.events);
        run.events.extend_from_slice(event.record);
        run.count += 1;
        run.chain_after = event.chain;
        self.size_bytes += 8 + run.events.len() - before;
        self.event_count += 1;
    }

    /// How many events there are.
    pub const fn event_count(&self) -> usize {
        self.event_count
    }

    /// About how many bytes the page takes so far; never too low.
    pub const fn size_bytes(&self) -> usize {
        self.size_bytes + MAGIC.len() + 1 + HASH_BYTES
    }

    /// Whether another event with a record of this length still fits, in a run of its own if it
    /// must be.
    pub fn has_room(&self, record_bytes: usize, events_max: usize, bytes_max: usize) -> bool {
        self.event_count < events_max
            && (self.event_count == 0 || self.size_bytes() + record_bytes + 256 <= bytes_max)
    }

    /// The page's bytes. Runs without events are left out.
    pub fn finish(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size_bytes());
        out.extend_from_slice(&MAGIC);
        out.push(FORMAT);
        for run in self.runs.iter().filter(|run| run.count > 0) {
            let head = RunHead {
                root: run.root.as_str(),
                origin: *run.origin.as_bytes(),
                first_seq: run.first_seq,
                count: run.count,
                chain_before: *run.chain_before.as_bytes(),
                chain_after: *run.chain_after.as_bytes(),
            };
            codec::encode(&head, &mut out);
            out.extend_from_slice(&run.events);
        }
        let hash = page_hash(&out);
        out.extend_from_slice(&hash);
        out
    }
}

#[cfg(test)]
mod tests;
