//! What a late event costs: an aggregate of a million events over a year, one more event placed a
//! minute, an hour, a day, a month and a year back, or one that takes such an event back, and how much
//! is folded anew.
#![allow(clippy::print_stdout, reason = "a report for a person")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use laterbase_benches::{Engine, NOW, folds, replica, root};
use laterbase_core::PreparedBatch;
use laterbase_core::event::{Record, VoidsBuf};
use laterbase_core::id::Dot;
use laterbase_core::reader::{AggregateState, Query};
use laterbase_core::replica::Replica;

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 24 * 3_600 * SECOND;
const YEAR: i64 = 365 * DAY;

fn main() {
    let length: i64 = std::env::args()
        .nth(1)
        .map_or(1_000_000, |text| text.parse().expect("the number of events"));
    println!("one aggregate of {length} events over a year; merge-patch on 40 fields\n");
    println!("| engine | read | events folded | of all | time | time of a fold from the start |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for engine in Engine::ALL {
        measure(*engine, length);
    }
}

fn measure(engine: Engine, length: i64) {
    let (store, _folder) = engine.open();
    let mut replica = replica(Arc::clone(&store));
    fill(&mut replica, length);
    flush(&replica);
    let (cold, start) = read(&replica);
    flush(&replica);
    let row = |name: &str, state: &AggregateState, time: Duration| {
        let (folded, all) = (state.folded_count, state.event_count);
        let share = 100 * folded / all;
        let tenths = 1_000 * folded / all % 10;
        println!(
            "| {} | {name} | {folded} | {share}.{tenths} % | {time:.1?} | {start:.1?} |",
            engine.name()
        );
    };
    row("from the start", &cold, start);
    let (hot, time) = read(&replica);
    row("hot", &hot, time);
    let lateness = [
        ("a minute late", 60 * SECOND),
        ("an hour late", 3_600 * SECOND),
        ("a day late", DAY),
        ("a month late", 30 * DAY),
        ("a year late", YEAR),
    ];
    for (name, late) in lateness {
        write(&mut replica, &[NOW - late]);
        let (state, time) = read(&replica);
        row(name, &state, time);
        flush(&replica);
    }
    for (name, late) in
        [("takes one of a day ago back", DAY), ("takes one of a month ago back", 30 * DAY)]
    {
        let seq = (YEAR - late) / (YEAR / length) + 1;
        take_back(&mut replica, u64::try_from(seq).expect("a seq"));
        let (state, time) = read(&replica);
        row(name, &state, time);
        flush(&replica);
    }
}

/// Takes an event back now: where the voiding event stands in fold order does not matter.
fn take_back(replica: &mut Replica, seq: u64) {
    let voids: VoidsBuf = [Dot { origin: replica.id(), seq }].into_iter().collect();
    let record = Record::json("long", "Voided", "{}").at(NOW).with_voids(voids.as_voids());
    let mut batch = PreparedBatch::new(root(), folds(), NOW);
    batch.push(&record).expect("within bounds");
    replica.append(&batch, NOW).expect("an append");
}

fn fill(replica: &mut Replica, length: i64) {
    let step = YEAR / length;
    let mut written = 0;
    while written < length {
        let until = length.min(written + 1_000);
        let times: Vec<i64> = (written..until).map(|at| NOW - YEAR + at * step).collect();
        write(replica, &times);
        written = until;
    }
}

fn write(replica: &mut Replica, times: &[i64]) {
    let mut batch = PreparedBatch::new(root(), folds(), NOW);
    for time in times {
        let data = format!(r#"{{"k{}":{time}}}"#, time / SECOND % 40);
        let record = Record { occurred: Some(*time), ..Record::json("long", "Moved", &data) };
        batch.push(&record).expect("within bounds");
    }
    replica.append(&batch, NOW).expect("an append");
}

fn read(replica: &Replica) -> (AggregateState, Duration) {
    let start = Instant::now();
    let state = replica.reader().aggregate(&root(), "long", &Query::default()).expect("a read");
    (state.expect("an aggregate"), start.elapsed())
}

fn flush(replica: &Replica) {
    replica.maintenance().flush().expect("a flush");
}
