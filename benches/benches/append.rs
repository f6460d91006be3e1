//! Durable appends: the engine alone, the layout that was not chosen, and a replica.
#![allow(missing_docs, reason = "a benchmark")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use laterbase_benches::{Background, Engine, Events, NOW, PAYLOAD_BYTES, replica};
use laterbase_core::store::{Area, Batch, Store, Table};

const BATCH_SIZES: [usize; 5] = [1, 10, 100, 1_000, 10_000];

/// Bytes that stand before the data in a log entry of these events.
const ENTRY_HEAD_BYTES: usize = 76 + 40;

/// The same keys and values as a replica's log, runs and meta, straight to the engine.
fn raw(store: &dyn Store, position: &mut u64, count: usize, value: &[u8]) {
    let mut batch = Batch::new(Area::Truth);
    for _ in 0..count {
        *position += 1;
        batch.put(Table::Log, &position.to_be_bytes(), value);
    }
    batch.put(Table::Runs, &[0; 16], &[0; 16]);
    batch.put(Table::Meta, b"head/00000000", &[0; 48]);
    batch.put(Table::Meta, b"clock", &position.to_be_bytes());
    store.commit(&batch).expect("a commit");
}

/// The layout that was not chosen: each record under its dot, and two index entries with keys in
/// random order, in one transaction.
fn indexed(store: &dyn Store, events: &mut Events, position: &mut u64, count: usize, value: &[u8]) {
    let mut batch = Batch::new(Area::Truth);
    for _ in 0..count {
        *position += 1;
        let dot = [&[7; 24][..], &position.to_be_bytes()].concat();
        batch.put(Table::Log, &dot, value);
        let mut by_aggregate = events.next_number().to_be_bytes().repeat(5);
        by_aggregate.extend_from_slice(&position.to_be_bytes());
        batch.put(Table::Runs, &by_aggregate, &position.to_be_bytes());
        let by_clock = [&events.next_number().to_be_bytes()[..], &dot].concat();
        batch.put(Table::Meta, &by_clock, &[]);
    }
    store.commit(&batch).expect("a commit");
}

fn append(criterion: &mut Criterion) {
    let value = vec![7; ENTRY_HEAD_BYTES + PAYLOAD_BYTES];
    for engine in Engine::ALL {
        let mut group = criterion.benchmark_group(format!("append/{}", engine.name()));
        group.sample_size(10).warm_up_time(Duration::from_millis(300));
        group.measurement_time(Duration::from_secs(2));
        for size in BATCH_SIZES {
            group.throughput(Throughput::Elements(size as u64));
            group.bench_function(BenchmarkId::new("raw", size), |bencher| {
                let (store, _folder) = engine.open();
                let mut position = 0;
                bencher.iter(|| raw(&*store, &mut position, size, black_box(&value)));
            });
            group.bench_function(BenchmarkId::new("indexes in the batch", size), |bencher| {
                let (store, _folder) = engine.open();
                let (mut events, mut position) = (Events::default(), 0);
                bencher.iter(|| indexed(&*store, &mut events, &mut position, size, &value));
            });
            group.bench_function(BenchmarkId::new("replica", size), |bencher| {
                let (store, _folder) = engine.open();
                let mut replica = replica(store);
                let _background = Background::start(replica.maintenance());
                let mut events = Events::default();
                bencher.iter_custom(|rounds| {
                    let mut spent = Duration::ZERO;
                    for _ in 0..rounds {
                        // Making events is the user's work; preparing them is ours, and counts.
                        let start = Instant::now();
                        let batch = events.batch(size);
                        replica.append(&batch, NOW).expect("an append");
                        spent += start.elapsed();
                    }
                    spent
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, append);
criterion_main!(benches);
