//! Pulls while eight writers write.
//!
//! Readers who remember how far they came lose what commits behind that place later than what is
//! before it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Context, Result, anyhow};

use crate::torture::{
    device::Device,
    events::{Maker, ROOT},
    held::Ledger,
    readers::{Reader, check_caught_up},
    replica::{Replica as _, check_everywhere},
    server::Server,
    stage::Stage,
};

const WRITERS: usize = 8;
const PHASES: usize = 2;

/// Requests of each writer in each phase.
const REQUESTS: u64 = 24;

/// Most events in each of them.
const EVENTS_MAX: u64 = 60;

pub(super) fn play(stage: &mut Stage) -> Result<()> {
    let mut server = stage.server("depot")?;
    let mut readers = Reader::each();
    let mut ledger = Ledger::default();
    let (puller, pusher) = (stage.device("puller"), stage.device("pusher"));
    let mut pulls = 0;
    for phase in 0..PHASES {
        let mut maker = stage.maker(&format!("pusher-{phase}"));
        pusher.record(&maker.events(2_000, 400), &mut ledger)?;
        let names = (0..WRITERS).map(|writer| format!("writer-{phase}-{writer}"));
        let makers: Vec<_> = names.map(|name| stage.maker(&name)).collect();
        let (written, syncs) = write_and_read(&server, makers, &mut readers, &puller, &pusher)?;
        pulls += syncs;
        ledger.merge(written)?;
        server.restart()?;
    }
    for reader in &mut readers {
        reader.news(&server)?;
    }
    check_caught_up(&readers, &server)?;
    puller.sync(server.address())?;
    pusher.sync(server.address())?;
    let late_comer = stage.device("late-comer");
    late_comer.sync(server.address())?;
    stage.note(format!(
        "{} events by {WRITERS} writers and a device; {pulls} pulls and 3 readers meanwhile",
        ledger.len()
    ));
    check_everywhere(&ledger, ROOT, &[&server, &puller, &pusher, &late_comer])
}

/// Lets the writers write, and everybody else read until they are done. Returns what was
/// acknowledged, and how often the puller synced.
fn write_and_read(
    server: &Server,
    makers: Vec<Maker>,
    readers: &mut [Reader],
    puller: &Device,
    pusher: &Device,
) -> Result<(Ledger, u32)> {
    let are_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> =
            makers.into_iter().map(|maker| scope.spawn(move || write(server, maker))).collect();
        let pushing = scope.spawn(|| pusher.sync(server.address()));
        let pulling = scope.spawn(|| {
            let mut syncs = 0;
            while !are_done.load(Ordering::Acquire) {
                puller.sync(server.address())?;
                syncs += 1;
            }
            anyhow::Ok(syncs)
        });
        let reading: Vec<_> = readers
            .iter_mut()
            .map(|reader| {
                scope.spawn(|| {
                    while !are_done.load(Ordering::Acquire) {
                        reader.news(server)?;
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        // All threads are waited for before the first error is told, so that they come to an end.
        let written: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        let pushed = pushing.join();
        are_done.store(true, Ordering::Release);
        let pulled = pulling.join();
        let read: Vec<_> = reading.into_iter().map(thread::ScopedJoinHandle::join).collect();
        let mut ledger = Ledger::default();
        for written in written {
            ledger.merge(written.map_err(|_panic| anyhow!("a writer panicked"))??)?;
        }
        pushed.map_err(|_panic| anyhow!("the pusher panicked"))??;
        for read in read {
            read.map_err(|_panic| anyhow!("a reader panicked"))??;
        }
        let syncs = pulled.map_err(|_panic| anyhow!("the puller panicked"))?;
        Ok((ledger, syncs.with_context(|| puller.name().to_owned())?))
    })
}

/// Writes small requests, and in the middle one near the bound.
fn write(server: &Server, mut maker: Maker) -> Result<Ledger> {
    let mut ledger = Ledger::default();
    for request in 0..REQUESTS {
        let count = 1 + (request * 37) % EVENTS_MAX;
        let events = maker.events(usize::try_from(count)?, 800);
        server.write(&events, &mut ledger)?;
        if request == REQUESTS / 2 {
            server.write(&[maker.event(1_000_000), maker.event(600_000)], &mut ledger)?;
        }
    }
    Ok(ledger)
}
