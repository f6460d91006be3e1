//! Pages made by hand: events of made-up origins, and pages that say what is not so.

use laterbase_core::chain::{ChainHash, RecordHash};
use laterbase_core::delta::{DeltaBuilder, Outgoing};
use laterbase_core::event::Record;
use laterbase_core::hlc::Hlc;
use laterbase_core::id::{ReplicaId, RootName};

const HASH_BYTES: usize = 16;

/// An origin by its number. Their order is that of the numbers.
pub(crate) fn origin(number: u128) -> ReplicaId {
    ReplicaId::from_bytes(number.to_be_bytes())
}

pub(crate) fn root(name: &str) -> RootName {
    RootName::new(name).unwrap()
}

/// A page with one event, whose chain adds up as if it were its origin's first.
pub(crate) fn claim(name: &str, origin: ReplicaId, seq: u64, stamp: u64) -> Vec<u8> {
    let before = ChainHash::genesis(&root(name), origin);
    let mut record = Vec::new();
    Record::json("forged", "Forged", "{}").filled_in(0).encode(&mut record);
    let recorded = Hlc::from_bits(stamp);
    let chain = before.next(recorded, RecordHash::of(&record));
    let mut builder = DeltaBuilder::new();
    let run = builder.start_run(&root(name), origin, seq, before);
    builder.push(run, Outgoing { origin, seq, recorded, record: &record, chain });
    builder.finish()
}

/// A page with the first event of each of many origins, all with the same data.
pub(crate) fn first_events(name: &str, origins: impl Iterator<Item = u128>, data: &str) -> Vec<u8> {
    let mut builder = DeltaBuilder::new();
    for number in origins {
        let origin = origin(number);
        let before = ChainHash::genesis(&root(name), origin);
        let mut record = Vec::new();
        Record::json(&format!("A-{}", number % 10_000), "Scanned", data)
            .filled_in(0)
            .encode(&mut record);
        let recorded =
            Hlc::from_unix_nanos(1_700_000_000_000_000_000 + i64::try_from(number).unwrap());
        let chain = before.next(recorded, RecordHash::of(&record));
        let run = builder.start_run(&root(name), origin, 1, before);
        builder.push(run, Outgoing { origin, seq: 1, recorded, record: &record, chain });
    }
    builder.finish()
}

/// A document with its hash made right again.
pub(crate) fn sealed(mut document: Vec<u8>) -> Vec<u8> {
    document.truncate(document.len() - HASH_BYTES);
    let hash = blake3::hash(&document);
    document.extend_from_slice(&hash.as_bytes()[..HASH_BYTES]);
    document
}
