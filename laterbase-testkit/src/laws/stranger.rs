//! A replica with other rules, which writes what no fold can read.

use laterbase_core::chain::{ChainHash, RecordHash};
use laterbase_core::delta::{DeltaBuilder, Outgoing};
use laterbase_core::event::Record;
use laterbase_core::hlc::Hlc;
use laterbase_core::id::{ReplicaId, RootName};

use super::cast::{SECOND, START};
use crate::payloads;
use crate::simulator::dice::Dice;

/// How many events it has written.
pub(super) const EVENTS: usize = 6;

/// Its first events in a root, as a page: the same ones each time.
pub(super) fn page(root: &RootName, count: usize) -> Vec<u8> {
    let origin = ReplicaId::from_bytes([0xee; 16]);
    let mut dice = Dice::new(root.as_str().len() as u64);
    let mut builder = DeltaBuilder::new();
    let mut chain = ChainHash::genesis(root, origin);
    let run = builder.start_run(root, origin, 1, chain);
    let mut recorded = START - 100 * SECOND;
    for seq in 1..=count as u64 {
        let below = &mut |bound| dice.below(bound);
        let is_good = below(3) == 0;
        let data = if is_good { payloads::readable(below) } else { payloads::unreadable(below) };
        let aggregate_id = format!("a{}", dice.below(4));
        let mut record = Vec::new();
        Record::json(&aggregate_id, "Moved", &data).filled_in(0).encode(&mut record);
        recorded += SECOND;
        let stamp = Hlc::from_unix_nanos(recorded);
        chain = chain.next(stamp, RecordHash::of(&record));
        builder.push(run, Outgoing { origin, seq, recorded: stamp, record: &record, chain });
    }
    builder.finish()
}
