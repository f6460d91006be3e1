//! Events of made-up origins, as deltas.

use std::ops::RangeInclusive;

use laterbase_core::chain::{ChainHash, RecordHash};
use laterbase_core::delta::{Delta, DeltaBuilder, Outgoing};
use laterbase_core::event::Record;
use laterbase_core::hlc::Hlc;
use laterbase_core::id::{ReplicaId, RootName};

use crate::connection::{Connection, DELTA, Reply};

/// Some events of one origin: root, origin, seqs.
pub type Stretch<'a> = (&'a str, ReplicaId, RangeInclusive<u64>);

/// An origin by its number. Their order is that of the numbers.
pub fn origin(number: u128) -> ReplicaId {
    ReplicaId::from_bytes(number.to_be_bytes())
}

pub fn root(name: &str) -> RootName {
    RootName::new(name).unwrap()
}

/// A delta with these events. What an event holds depends on its root, origin and seq only.
pub fn delta(stretches: &[Stretch<'_>]) -> Vec<u8> {
    told_delta(stretches, "")
}

/// A delta whose events hold another story, so that those of two stories are a fork.
pub fn told_delta(stretches: &[Stretch<'_>], story: &str) -> Vec<u8> {
    let mut builder = DeltaBuilder::new();
    for (name, origin, seqs) in stretches {
        let mut chain = ChainHash::genesis(&root(name), *origin);
        let mut run = None;
        for seq in 1..=*seqs.end() {
            if seq == *seqs.start() {
                run = Some(builder.start_run(&root(name), *origin, seq, chain));
            }
            let mut record = Vec::new();
            let data = format!(r#"{{"n":{seq},"story":"{story}"}}"#);
            Record::json(&format!("o-{}", seq % 5), "Changed", &data)
                .filled_in(0)
                .encode(&mut record);
            let recorded = Hlc::from_unix_nanos(seq as i64 * 1_000_000_000);
            chain = chain.next(recorded, RecordHash::of(&record));
            let event = Outgoing { origin: *origin, seq, recorded, record: &record, chain };
            if let Some(run) = run {
                builder.push(run, event);
            }
        }
    }
    builder.finish()
}

/// The chain's start behind an event of [`delta`].
pub fn check(name: &str, origin: ReplicaId, seq: u64) -> [u8; 8] {
    let page = delta(&[(name, origin, 1..=seq)]);
    let chain = Delta::decode(&page).unwrap().runs[0].events.last().unwrap().chain;
    chain.as_bytes()[..8].try_into().unwrap()
}

/// What a page holds: root, origin, first and last seq of each run.
pub fn runs(page: &[u8]) -> Vec<(String, ReplicaId, RangeInclusive<u64>)> {
    let delta = Delta::decode(page).unwrap();
    let run = |run: &laterbase_core::delta::Run<'_>| {
        (run.root.to_string(), run.origin, run.first_seq..=run.last_seq())
    };
    delta.runs.iter().map(run).collect()
}

/// Pushes events to a server.
pub async fn push(connection: &mut Connection, stretches: &[Stretch<'_>]) -> Reply {
    connection.send("POST", "/sync", &[DELTA], delta(stretches)).await
}

/// The cursor behind all that a server holds.
pub async fn end(connection: &mut Connection) -> String {
    connection.get("/sync/heads?limit=1").await.check(200).cursor()
}
