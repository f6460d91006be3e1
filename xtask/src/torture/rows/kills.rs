//! Server and device killed within pushes.
//!
//! SIGKILL takes away what a process had in memory and not what it gave to the system: for power
//! cuts there are other tests.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context, Result, anyhow, ensure};

use super::check_acknowledged;
use crate::torture::{
    deadline::Deadline,
    device::Device,
    events::{Maker, NewEvent, ROOT, lines},
    held::Ledger,
    http::{Request, ask},
    link::Link,
    replica::{Replica as _, check_everywhere},
    server::{LINES, Server, ids},
    stage::Stage,
};

const WRITERS: usize = 4;
const SERVER_KILLS: usize = 5;
const DEVICE_KILLS: usize = 3;

pub(super) fn play(stage: &mut Stage) -> Result<()> {
    let ledger = Mutex::new(Ledger::default());
    let mut depot = stage.server("depot")?;
    let link = Link::open(depot.address())?;
    link.slow_down();
    let device = stage.device("device");
    let mut own = Ledger::default();
    let mut maker = stage.maker("device");
    device.record(&maker.events(6_000, 400), &mut own)?;
    device.record(&maker.above_the_bound(), &mut own)?;
    lock(&ledger).merge(own.clone())?;

    let names = (0..WRITERS).map(|writer| format!("writer-{writer}"));
    let makers: Vec<_> = names.map(|name| stage.maker(&name)).collect();
    let (address, deadline) = (depot.address(), stage.deadline);
    let [is_done, has_failed] = [const { AtomicBool::new(false) }; 2];
    let mut killed_at = Vec::new();
    thread::scope(|scope| {
        let writers: Vec<_> = makers
            .into_iter()
            .map(|maker| {
                let (ledger, ends) = (&ledger, [&is_done, &has_failed]);
                scope.spawn(move || write(address, maker, ledger, ends, deadline))
            })
            .collect();
        let killed = kill_servers(stage, &mut depot, &link, &device, &own, &ledger);
        has_failed.store(killed.is_err(), Ordering::Release);
        is_done.store(true, Ordering::Release);
        let written: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        killed_at = killed?;
        for written in written {
            written.map_err(|_panic| anyhow!("a writer panicked"))??;
        }
        anyhow::Ok(())
    })?;
    let killed = kill_devices(stage, &depot, &link, &device, &own, &ledger)?;
    device.sync(link.address())?;
    device.sync(link.address())?;
    let ledger = ledger.into_inner().unwrap_or_else(PoisonError::into_inner);
    stage.note(format!(
        "{} events; the server killed after {killed_at:?} bytes of pushes, the device after {killed:?}",
        ledger.len()
    ));
    check_everywhere(&ledger, ROOT, &[&depot, &device])?;
    depot.stop()?;
    device.verify()?;
    device.at("the server's store", depot.data()).verify()
}

fn lock(ledger: &Mutex<Ledger>) -> std::sync::MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills the server while the device pushes and the writers write, and starts it anew. All that was
/// acknowledged by then must be there.
fn kill_servers(
    stage: &mut Stage,
    depot: &mut Server,
    link: &Link,
    device: &Device,
    own: &Ledger,
    ledger: &Mutex<Ledger>,
) -> Result<Vec<u64>> {
    let mut killed_at = Vec::new();
    let mut sync = device.start_sync(link.address())?;
    for _ in 0..SERVER_KILLS {
        let up = link.traffic().up + stage.dice.within(1_000..4_000_000);
        let mut has_ended = false;
        stage.deadline.wait_for("the push", || {
            has_ended = sync.has_ended()?;
            Ok((has_ended || link.traffic().up >= up).then_some(()))
        })?;
        depot.kill()?;
        killed_at.push(link.traffic().up);
        // Nothing is acknowledged until it is started again.
        let of_writers = lock(ledger).only(|id| !own.has(id));
        let pending = device.status()?.pending(ROOT);
        depot.start()?;
        let held = depot.held(ROOT)?;
        of_writers.check_all_there("after its kill, the server", &held)?;
        check_acknowledged(own, pending, &held)?;
        if has_ended {
            sync = device.start_sync(link.address())?;
        }
    }
    sync.wait(stage.deadline)?;
    Ok(killed_at)
}

/// Kills the device while it pushes. What it takes for acknowledged must be at the server.
fn kill_devices(
    stage: &mut Stage,
    depot: &Server,
    link: &Link,
    device: &Device,
    own: &Ledger,
    ledger: &Mutex<Ledger>,
) -> Result<Vec<u64>> {
    let (mut killed_at, mut own) = (Vec::new(), own.clone());
    let mut maker = stage.maker("device-again");
    for _ in 0..DEVICE_KILLS {
        let mut more = Ledger::default();
        device.record(&maker.events(3_000, 800), &mut more)?;
        own.merge(more.clone())?;
        lock(ledger).merge(more)?;
        let up = link.traffic().up + stage.dice.within(1..1_000_000);
        let mut sync = device.start_sync(link.address())?;
        stage.deadline.wait_for("the push", || {
            Ok((sync.has_ended()? || link.traffic().up >= up).then_some(()))
        })?;
        sync.kill()?;
        killed_at.push(link.traffic().up);
        let held = device.held(ROOT)?;
        own.check_all_there("after its kill, the device", &held)?;
        check_acknowledged(&own, device.status()?.pending(ROOT), &depot.held(ROOT)?)?;
    }
    Ok(killed_at)
}

/// Writes until it is told to stop. What is not answered is sent again, under the same keys.
fn write(
    address: std::net::SocketAddr,
    mut maker: Maker,
    ledger: &Mutex<Ledger>,
    [is_done, has_failed]: [&AtomicBool; 2],
    deadline: Deadline,
) -> Result<()> {
    let mut requests = 0_u32;
    while !is_done.load(Ordering::Acquire) {
        requests += 1;
        let mut events = maker.events(5, 400);
        for (index, event) in events.iter_mut().enumerate() {
            let serial = event.data.split('"').nth(3).context("no serial")?;
            event.key = Some(format!("{serial}-{requests}-{index}"));
        }
        let acknowledged = deadline.wait_for("a write", || {
            // The server is gone for good.
            ensure!(!has_failed.load(Ordering::Acquire), "given up");
            Ok(try_to_write(address, &events, deadline))
        })?;
        lock(ledger).note(&acknowledged, &events)?;
        // Leaves the disk to the pushes now and then.
        thread::sleep(std::time::Duration::from_millis(20));
    }
    Ok(())
}

/// The ids, if the server answered.
fn try_to_write(
    address: std::net::SocketAddr,
    events: &[NewEvent],
    deadline: Deadline,
) -> Option<Vec<String>> {
    let body = lines(events);
    let request = Request {
        method: "POST",
        target: &format!("/e/{ROOT}"),
        headers: &[("Content-Type", LINES)],
        body: body.as_bytes(),
    };
    let answer = ask(address, &request, deadline).ok()?.expect(&[200, 201], "a write").ok()?;
    ids(&answer.json().ok()?["ids"]).ok()
}
