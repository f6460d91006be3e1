//! What was there already.

use std::{fs, thread};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use crate::torture::{
    events::ROOT,
    held::Ledger,
    http::{Answer, Request},
    link::{Link, Push},
    replica::{Replica as _, check_everywhere},
    server::{LINES, Server, ids},
    stage::Stage,
};

/// What a sync without news may cost, heads and bodies of both ways together.
const IDLE_BYTES_MAX: u64 = 512;

/// Hands a push to a server once more.
pub(super) fn offer(server: &Server, push: &Push) -> Result<Answer> {
    let wanted = ["content-type", "content-encoding", "accept"];
    let headers: Vec<_> = push
        .headers
        .iter()
        .filter(|(name, _)| wanted.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    server.ask(&Request { method: "POST", target: "/sync", headers: &headers, body: &push.body })
}

/// A sync without news, again and again, with restarts between.
pub(super) fn nothing_new(stage: &mut Stage) -> Result<()> {
    let mut ledger = Ledger::default();
    let mut depot = stage.server("depot")?;
    // The address stays the same over restarts, as a server's does.
    let link = Link::open(depot.address())?;
    let devices = ["first", "second"].map(|name| stage.device(name));
    for device in &devices {
        device.record(&stage.maker(device.name()).events(11_000, 200), &mut ledger)?;
    }
    depot.write(&stage.maker("depot").events(500, 200), &mut ledger)?;
    for device in devices.iter().chain(&devices) {
        device.sync(link.address())?;
    }
    check_everywhere(&ledger, ROOT, &[&depot, &devices[0], &devices[1]])?;
    let end_before = end_of_log(&depot)?;
    let mut most = 0;
    for _ in 0..3 {
        depot.restart()?;
        for device in &devices {
            let before = link.traffic();
            let synced = device.sync(link.address())?;
            let after = link.traffic();
            let bytes = after.up + after.down - before.up - before.down;
            ensure!(
                (synced.pushed, synced.pulled, synced.requests) == (0, 0, 1),
                "{} moved events without news: {synced:?}",
                device.name()
            );
            ensure!(
                after.connections - before.connections == 1 && bytes <= IDLE_BYTES_MAX,
                "{} took {bytes} bytes to learn that nothing is new",
                device.name()
            );
            ensure!(
                synced.bytes_sent + synced.bytes_received == bytes,
                "{} counts other bytes than the {bytes} on the link: {synced:?}",
                device.name()
            );
            most = most.max(bytes);
        }
    }
    ensure!(end_of_log(&depot)? == end_before, "something arrived in the server's log");
    stage.note(format!("{} events; 6 syncs of one request and at most {most} bytes", ledger.len()));
    check_everywhere(&ledger, ROOT, &[&depot, &devices[0], &devices[1]])
}

/// The cursor behind everything that has arrived.
fn end_of_log(server: &Server) -> Result<String> {
    let answer = server.get("/events?order=desc&limit=1", LINES)?;
    answer.header("laterbase-after").context("no cursor").map(str::to_owned)
}

/// Every push three times, and other ways to say a thing again.
pub(super) fn same_push(stage: &mut Stage) -> Result<()> {
    let mut ledger = Ledger::default();
    let first = stage.server("first")?;
    let mut depot = stage.server("depot")?;
    let link = Link::open(first.address())?;
    let device = stage.device("device");
    let mut maker = stage.maker("device");
    device.record(&maker.events(11_000, 200), &mut ledger)?;
    device.record(&maker.above_the_bound(), &mut ledger)?;
    device.sync(link.address())?;
    let pushes = link.pushes();
    ensure!(pushes.len() > 2, "more than the bound went in {} pages", pushes.len());
    for round in 0..3 {
        for (index, push) in pushes.iter().enumerate() {
            let answer = offer(&depot, push)?.expect(&[200], "a push")?.json()?;
            let is_new = round == 0;
            let known = answer["known"].as_u64().context("no count")?;
            let stored = answer["stored"].as_u64().context("no count")?;
            ensure!(
                (stored > 0, known > 0) == (is_new, !is_new),
                "push {index} of round {round} stored {stored} and knew {known}"
            );
        }
        depot.restart()?;
    }
    at_once(&depot, &pushes)?;
    check_everywhere(&ledger, ROOT, &[&depot])?;
    stage.note(format!("{} pushes of {} events, three times", pushes.len(), ledger.len()));
    by_file(stage, &mut ledger)?;
    by_key(stage, &mut depot, &mut ledger)?;
    device.sync(depot.address())?;
    let other = stage.device("from-file");
    other.sync(depot.address())?;
    device.sync(depot.address())?;
    check_everywhere(&ledger, ROOT, &[&depot, &device, &other])
}

/// The same pushes from three sides at once.
fn at_once(depot: &Server, pushes: &[Push]) -> Result<()> {
    thread::scope(|scope| {
        let push_all = || -> Result<()> {
            for push in pushes {
                offer(depot, push)?.expect(&[200], "a push at once with others")?;
            }
            Ok(())
        };
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(push_all)).collect();
        for thread in threads {
            thread.join().map_err(|_panic| anyhow!("a pusher panicked"))??;
        }
        Ok(())
    })
}

/// A file of events that is recorded three times, and what a store exports taken in three times.
fn by_file(stage: &mut Stage, ledger: &mut Ledger) -> Result<()> {
    let device = stage.device("by-file");
    let mut events = stage.maker("by-file").events(400, 200);
    for (index, event) in events.iter_mut().enumerate() {
        event.key = Some(format!("paper-{index}"));
    }
    device.record(&events, ledger)?;
    let file = device.file(&events)?.display().to_string();
    let exported = stage.folder().join("by-file.lbd").display().to_string();
    for _ in 0..2 {
        let report = device.run(&["record", "--json", &file])?.well()?;
        let report: Value = serde_json::from_str(&report)?;
        ensure!(report["recorded"] == 0 && report["replayed"] == 400, "again: {report}");
    }
    device.run(&["export", &exported])?.well()?;
    let other = stage.device("from-file");
    for _ in 0..3 {
        other.run(&["import", &exported])?.well()?;
    }
    fs::remove_file(&exported)?;
    let held = other.held(ROOT)?;
    ledger.only(|id| held.0.contains_key(id)).check("what took the file in", &held)?;
    ensure!(held.0.len() == events.len(), "{} events came of a file of 400", held.0.len());
    Ok(())
}

/// A request whose answer is lost is sent again under its key.
fn by_key(stage: &mut Stage, depot: &mut Server, ledger: &mut Ledger) -> Result<()> {
    let mut events = stage.maker("by-key").events(200, 200);
    for (index, event) in events.iter_mut().enumerate() {
        event.key = Some(format!("request-{index}"));
    }
    for round in 0..3 {
        let status = if round == 0 { 201 } else { 200 };
        let answer = depot.post(&format!("/e/{ROOT}"), &events)?.expect(&[status], "a repeat")?;
        ledger.note(&ids(&answer.json()?["ids"])?, &events)?;
        depot.restart()?;
    }
    Ok(())
}
