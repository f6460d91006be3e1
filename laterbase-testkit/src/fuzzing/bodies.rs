//! One decoder each: what it accepts, it gives back as the same when it is written again.

use std::fmt::{Debug, Display};
use std::ops::ControlFlow;
use std::str::FromStr;
use std::sync::Arc;

use laterbase_core::PreparedBatch;
use laterbase_core::cursor::Cursor;
use laterbase_core::delta::Delta;
use laterbase_core::event::Record;
use laterbase_core::fold::{Folds, MergePatch, check_snapshots};
use laterbase_core::heads::HeadsPage;
use laterbase_core::id::{Dot, ReplicaId, RootName};
use laterbase_core::json::{JsonEvent, visit_document, visit_lines};
use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::Taken;
use laterbase_core::selection::RootSelection;
use laterbase_core::time::{format_time, parse_time};
use laterbase_core::version_vector::VersionVector;
use laterbase_core::wants::Wants;

use super::{pages, seeds};

/// Bytes of the hash that pages end with.
const HASH_BYTES: usize = 16;

/// The bytes as they are, and with the hash that they should end with: a fuzzer finds none.
fn with_hash(bytes: &[u8]) -> [Vec<u8>; 2] {
    let body = &bytes[..bytes.len().saturating_sub(HASH_BYTES)];
    let hash = blake3::hash(body);
    [bytes.to_vec(), [body, &hash.as_bytes()[..HASH_BYTES]].concat()]
}

pub(super) fn record(bytes: &[u8]) {
    let Ok(record) = Record::decode(bytes) else { return };
    record.check().expect("what is decoded is within its bounds");
    let mut again = Vec::new();
    record.encode(&mut again);
    assert_eq!(Record::decode(&again), Ok(record));
}

/// A page that is accepted can be merged: all of it, or nothing for a named reason.
pub(super) fn delta(bytes: &[u8]) {
    for bytes in with_hash(bytes) {
        let Ok(delta) = Delta::decode(&bytes) else { continue };
        assert_eq!(
            delta.runs.iter().map(|run| run.events.len()).sum::<usize>(),
            delta.event_count()
        );
        for run in &delta.runs {
            assert!(run.first_seq > 0 && run.last_seq() >= run.first_seq);
            assert!(run.events.is_sorted_by(|a, b| a.recorded < b.recorded), "stamps rise");
        }
        let store = Arc::new(MemoryStore::new());
        pages::merge(&mut seeds::replica_on(Arc::clone(&store)), &store, &delta);
    }
}

pub(super) fn version_vector(bytes: &[u8]) {
    if let Ok(vv) = VersionVector::from_bytes(bytes) {
        assert_eq!(VersionVector::from_bytes(&vv.to_bytes()), Ok(vv.clone()));
        assert!(vv.covers(&vv) && vv.iter().all(|(origin, seq)| vv.get(&origin) == seq));
        assert!(vv.event_count() >= vv.len() as u64);
        text(&vv);
        let page = seeds::replica().reader().delta(&seeds::root(), &vv, 10, BATCH_BYTES_MAX);
        let page = page.expect("any vector can be asked for");
        assert!(page.vv.covers(&vv));
    }
    parsed::<VersionVector>(bytes);
}

/// A cursor of nobody's log is of no log.
pub(super) fn cursor(bytes: &[u8]) {
    let Some(cursor) = parsed::<Cursor>(bytes) else { return };
    let reader = seeds::replica().reader();
    let taken = Taken { root: &|_| true, not_of: &[], limit: 10, bytes_max: BATCH_BYTES_MAX };
    let fits = reader.fits(&cursor).expect("the store works");
    let page = reader.arrivals_delta(&cursor, &taken).expect("the store works");
    assert_eq!(page.is_some(), fits);
}

pub(super) fn heads(bytes: &[u8]) {
    for bytes in with_hash(bytes) {
        let Ok(page) = HeadsPage::decode(&bytes) else { continue };
        let places: Vec<_> = page.entries.iter().map(|head| (&head.root, head.origin)).collect();
        assert!(places.is_sorted_by(|a, b| a < b), "heads rise");
        assert_eq!(HeadsPage::decode(&page.encode()), Ok(page));
    }
}

pub(super) fn wants(bytes: &[u8]) {
    for bytes in with_hash(bytes) {
        let Ok(wants) = Wants::decode(&bytes) else { continue };
        let page = seeds::replica().reader().wanted_delta(&wants, 10, BATCH_BYTES_MAX);
        let page = page.expect("anything can be wanted");
        Delta::decode(&page.bytes).expect("what is sent is well-formed");
        assert_eq!(Wants::decode(&wants.encode()), Ok(wants));
    }
}

/// An event that is accepted goes into a batch and through a fold, or is out of its bounds.
pub(super) fn json(bytes: &[u8]) {
    let folds = Arc::new(Folds::new().fallback(Arc::new(MergePatch)));
    let mut batch = PreparedBatch::new(seeds::root(), folds, seeds::NOW);
    let mut take = |event: JsonEvent<'_>| {
        let record = event.record();
        let is_good = record.check().is_ok()
            && record.is_readable()
            && !matches!(record.aggregate_id, "." | "..");
        assert_eq!(batch.push(&record).is_ok(), is_good);
        if is_good {
            let drift = check_snapshots(&MergePatch, &[record, Record::json("a", "t", "{}")]);
            drift.expect("a snapshot changes no state");
        }
        ControlFlow::Continue(())
    };
    let _ = visit_document(bytes, &mut take);
    let _ = visit_lines(bytes, &mut take);
    let _ = JsonEvent::parse(bytes);
}

pub(super) fn time(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(nanos) = parse_time(&text) {
        assert_eq!(parse_time(&format_time(nanos)).ok(), Some(nanos), "{text}");
    }
    if let Some(number) = bytes.first_chunk() {
        let nanos = i64::from_be_bytes(*number);
        assert_eq!(parse_time(&format_time(nanos)).ok(), Some(nanos));
    }
}

pub(super) fn name(bytes: &[u8]) {
    parsed::<ReplicaId>(bytes);
    parsed::<Dot>(bytes);
    let text = String::from_utf8_lossy(bytes);
    if let Ok(root) = RootName::new(&text) {
        assert_eq!(root.as_str(), text);
        assert!(text.starts_with(root.kind()) && !root.kind().contains('@'));
    }
    if let Some(selection) = parsed::<RootSelection>(bytes) {
        assert!(selection.takes(&seeds::root()) || !selection.is_all());
    }
}

/// What a text is read as, and that it is read again as the same.
fn parsed<T: FromStr + Display + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let value = String::from_utf8_lossy(bytes).parse::<T>().ok()?;
    text(&value);
    Some(value)
}

fn text<T: FromStr + Display + PartialEq + Debug>(value: &T) {
    assert_eq!(value.to_string().parse::<T>().ok().as_ref(), Some(value));
}
