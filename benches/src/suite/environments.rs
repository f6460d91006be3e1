//! One LMDB environment per root, or one database per root in one environment.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use heed::types::Bytes;
use heed::{Database, Env, PutFlags, WithoutTls};
use tempfile::TempDir;

use crate::raw::{create_database, open_lmdb};
use crate::results::{Cell, Results, Unit};
use crate::samples::{Samples, nanos};

/// Roots, each with a writer of its own.
const ROOTS: [usize; 3] = [1, 4, 16];

/// Events a transaction.
const BATCH_SIZES: [usize; 2] = [1, 100];

/// Bytes of an event as the log keeps it.
const VALUE_BYTES: usize = 380;

type Root = (Env<WithoutTls>, Database<'static, Bytes, Bytes>);

/// Layouts of the roots.
const LAYOUTS: [&str; 2] = ["an environment per root", "a database per root"];

/// The layouts take turns this often in a cell.
const TURNS: u32 = 4;

/// Measures both layouts for `time` a cell, with a writer for each root that writes durably as
/// fast as it can.
///
/// # Errors
/// If LMDB fails.
pub fn environments(time: Duration, results: &mut Results) -> Result<()> {
    for roots in ROOTS {
        for size in BATCH_SIZES {
            let folders = (0..=roots).map(|_| TempDir::new()).collect::<Result<Vec<_>, _>>()?;
            let (shared, own) = folders.split_last().expect("one more than roots");
            let own = own.iter().map(one_root).collect::<Result<Vec<_>>>()?;
            let opened = [own, databases(shared, roots)?];
            let mut figures = [(); 2].map(|()| Figures::default());
            for turn in 0..TURNS {
                for (roots, figures) in opened.iter().zip(&mut figures) {
                    write(roots, size, time / TURNS, u64::from(turn) << 40, figures)?;
                }
            }
            for (figures, subject) in figures.iter().zip(LAYOUTS) {
                let cell = Cell {
                    name: "environments".to_owned(),
                    engine: "lmdb".to_owned(),
                    subject: subject.to_owned(),
                    volume: 0,
                    size: size as u64,
                    writers: roots as u64,
                };
                let events = (figures.samples.len() * size) as u64;
                results.add(cell, Unit::Nanoseconds, &figures.samples, events, None);
                let added = results.measurements.last_mut().expect("just added");
                added.total = nanos(figures.elapsed);
            }
        }
    }
    Ok(())
}

/// What all writers to one layout did.
#[derive(Default)]
struct Figures {
    /// Every commit of every writer.
    samples: Samples,
    /// From the first writer's start to the last one's end, over all turns.
    elapsed: Duration,
}

fn one_root(folder: &TempDir) -> Result<Root> {
    let env = open_lmdb(folder.path())?;
    let database = create_database(&env, "log")?;
    Ok((env, database))
}

fn databases(folder: &TempDir, roots: usize) -> Result<Vec<Root>> {
    let env = open_lmdb(folder.path())?;
    let create = |root| Ok((env.clone(), create_database(&env, &format!("log {root}"))?));
    (0..roots).map(create).collect()
}

/// Writes to all roots at the same time, at keys behind `position`.
fn write(
    roots: &[Root],
    size: usize,
    time: Duration,
    position: u64,
    figures: &mut Figures,
) -> Result<()> {
    let barrier = Barrier::new(roots.len() + 1);
    thread::scope(|scope| {
        let writer = |root| {
            let barrier = &barrier;
            move || {
                barrier.wait();
                write_one(root, size, time, position)
            }
        };
        let writers: Vec<_> = roots.iter().map(|root| scope.spawn(writer(root))).collect();
        barrier.wait();
        let start = Instant::now();
        for writer in writers {
            for commit in writer.join().expect("a writer that does not panic")? {
                figures.samples.push(commit);
            }
        }
        figures.elapsed += start.elapsed();
        Ok(())
    })
}

fn write_one(
    (env, database): &Root,
    size: usize,
    time: Duration,
    mut position: u64,
) -> Result<Vec<u64>> {
    let (start, value, mut samples) = (Instant::now(), [7; VALUE_BYTES], Vec::new());
    while start.elapsed() < time {
        let before = Instant::now();
        let mut transaction = env.write_txn()?;
        for _ in 0..size {
            position += 1;
            let key = position.to_be_bytes();
            database.put_with_flags(&mut transaction, PutFlags::APPEND, &key, &value)?;
        }
        transaction.commit()?;
        samples.push(nanos(before.elapsed()));
    }
    Ok(samples)
}
