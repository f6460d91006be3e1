//! Reads: an aggregate hot and after a late event, beside an engine's get of the same bytes.
#![allow(missing_docs, reason = "a benchmark")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use laterbase_benches::{Engine, Events, NOW, folds, replica, root};
use laterbase_core::PreparedBatch;
use laterbase_core::event::Record;
use laterbase_core::reader::Query;
use laterbase_core::replica::Replica;
use laterbase_core::store::{Area, Batch, Table};

/// Events of the aggregate that is read.
const LENGTHS: [i64; 2] = [1_000, 100_000];

const SECOND: i64 = 1_000_000_000;

/// Fills one aggregate with an event a second, and reads it so that its ladder is built.
fn fill(replica: &mut Replica, length: i64) {
    let mut written = 0;
    while written < length {
        let mut batch = PreparedBatch::new(root(), folds(), NOW);
        for _ in 0..1_000.min(length - written) {
            let data = format!(r#"{{"k{}":{written}}}"#, written % 40);
            let occurred = Some(NOW - (length - written) * SECOND);
            let record = Record { occurred, ..Record::json("long", "Moved", &data) };
            batch.push(&record).expect("within bounds");
            written += 1;
        }
        replica.append(&batch, NOW).expect("an append");
    }
    replica.maintenance().flush().expect("a flush");
    replica.reader().aggregate(&root(), "long", &Query::default()).expect("a read");
    replica.maintenance().flush().expect("a flush");
}

fn hot(criterion: &mut Criterion) {
    for engine in Engine::ALL {
        let mut group = criterion.benchmark_group(format!("read/{}", engine.name()));
        group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(300));
        for length in LENGTHS {
            let (store, _folder) = engine.open();
            let mut replica = replica(std::sync::Arc::clone(&store));
            fill(&mut replica, length);
            let reader = replica.reader();
            let state = reader.aggregate(&root(), "long", &Query::default()).expect("a read");
            let state = state.expect("an aggregate").state;
            let mut batch = Batch::new(Area::Derived);
            batch.put(Table::Progress, b"bench", &state);
            store.commit(&batch).expect("a commit");
            group.bench_function(BenchmarkId::new("engine get", length), |bencher| {
                bencher.iter(|| {
                    let snapshot = store.snapshot().expect("a snapshot");
                    let found = snapshot.get(Table::Progress, black_box(b"bench"));
                    found.expect("a get").map(std::borrow::Cow::into_owned)
                });
            });
            group.bench_function(BenchmarkId::new("hot aggregate", length), |bencher| {
                bencher.iter(|| {
                    reader.aggregate(&root(), black_box("long"), &Query::default()).expect("a read")
                });
            });
        }
        group.finish();
    }
}

fn feed(criterion: &mut Criterion) {
    for engine in Engine::ALL {
        let mut group = criterion.benchmark_group(format!("feed/{}", engine.name()));
        group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(300));
        let (store, _folder) = engine.open();
        let mut replica = replica(store);
        let mut events = Events::default();
        for _ in 0..50 {
            replica.append(&events.batch(1_000), NOW).expect("an append");
        }
        let reader = replica.reader();
        group.throughput(criterion::Throughput::Elements(1_000));
        group.bench_function("delta of 1,000", |bencher| {
            let vv = laterbase_core::version_vector::VersionVector::new();
            bencher.iter(|| reader.delta(&root(), &vv, 1_000, usize::MAX).expect("a page"));
        });
        group.finish();
    }
}

criterion_group!(benches, hot, feed);
criterion_main!(benches);
