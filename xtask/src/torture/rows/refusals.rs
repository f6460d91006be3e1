//! One event that is refused before 384 good ones.
//!
//! A store that stops at the first refusal loses what stands behind it; one that swallows it loses
//! the refused event.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::torture::{
    events::{BODY_BYTES_MAX, Maker, NewEvent, ROOT},
    held::Ledger,
    http::Request,
    replica::{Replica, check_everywhere},
    server::{LINES, ids},
    stage::Stage,
};

const GOOD: usize = 384;

/// What the rules of the server take: a scan has a quantity, which is a number.
const RULES: &str = r#"{"events":{"Counted":{"type":"object",
    "properties":{"quantity":{"type":"integer"}},"required":["quantity"]}}}"#;

pub(super) fn play(stage: &mut Stage) -> Result<()> {
    at_a_server(stage)?;
    at_a_device(stage)?;
    over_sync(stage)?;
    of_an_unknown_root(stage)
}

/// One that does not pass the rules, and good ones, all of one aggregate.
fn bad_and_good(maker: &mut Maker) -> (NewEvent, Vec<NewEvent>) {
    let mut events = maker.events(GOOD + 1, 200);
    for (index, event) in events.iter_mut().enumerate() {
        event.kind = "Counted".to_owned();
        event.aggregate = "BAY-1".to_owned();
        event.data = event.data.replacen('{', &format!("{{\"quantity\":{index},"), 1);
    }
    let mut bad = events.remove(0);
    bad.data = bad.data.replacen("\"quantity\":0", "\"quantity\":\"none\"", 1);
    (bad, events)
}

/// In one request: all or nothing, or one by one. And a request that is too large.
fn at_a_server(stage: &mut Stage) -> Result<()> {
    let rules = stage.folder().join("rules.json");
    fs::write(&rules, RULES)?;
    let rules = format!("{ROOT}={}", rules.display());
    let mut depot = stage.new_server("depot").with(&["--schema", &rules]);
    depot.start()?;
    let mut maker = stage.maker("depot");
    let (bad, good) = bad_and_good(&mut maker);
    let all = [&[bad][..], &good].concat();
    let refused = depot.post(&format!("/e/{ROOT}"), &all)?.expect(&[422], "all or nothing")?;
    ensure!(refused.json()?["index"] == 0, "the refused event is not named: {refused:?}");
    ensure!(depot.held(ROOT)?.ids().is_empty(), "something of a refused request is stored");
    depot.restart()?;

    let target = format!("/e/{ROOT}?on_error=skip");
    let answer = depot.post(&target, &all)?.expect(&[201], "one by one")?.json()?;
    let items = answer["items"].as_array().context("no items")?;
    let first = &items.first().context("no items")?["problem"];
    ensure!(
        answer["refused"] == 1 && first["index"] == 0 && first["status"] == 422,
        "the refused event is not named: {first}"
    );
    let told: Value = items[1..].iter().map(|item| item["id"].clone()).collect();
    let mut ledger = Ledger::default();
    ledger.note(&ids(&told)?, &good)?;

    // A body above the bound is refused whole, and costs nobody anything.
    let body = vec![b' '; usize::try_from(BODY_BYTES_MAX)? + 1];
    let headers = [("Content-Type", LINES)];
    let request =
        Request { method: "POST", target: &format!("/e/{ROOT}"), headers: &headers, body: &body };
    depot.ask(&request)?.expect(&[413], "a body above the bound")?;
    depot.restart()?;
    let reader = stage.device("depot-reader");
    reader.sync(depot.address())?;
    check_everywhere(&ledger, ROOT, &[&depot, &reader])?;
    stage.note(format!("one request of {}: {GOOD} taken, 1 named", all.len()));
    Ok(())
}

/// In a file that a device records.
fn at_a_device(stage: &mut Stage) -> Result<()> {
    let rules = format!("{ROOT}={}", stage.folder().join("rules.json").display());
    let device = stage.device("device");
    let (bad, good) = bad_and_good(&mut stage.maker("device"));
    let all = [&[bad.clone()][..], &good].concat();
    let file = device.file(&all)?.display().to_string();
    let rejects = stage.folder().join("rejects.ndjson").display().to_string();
    let arguments = ["record", "--json", "--schema", &rules, "--rejects", &rejects, &file];
    let ended = device.run(&arguments)?;
    ensure!(ended.code == Some(3), "a refused event that is not told: {ended}");
    let rejected = fs::read_to_string(&rejects)?;
    let serial = bad.data.split('"').nth(7).context("no serial")?;
    ensure!(
        rejected.lines().count() == 1 && rejected.contains(serial),
        "the refused event is not named: {rejected}"
    );
    let mut ledger = Ledger::default();
    device.note(&good, &mut ledger)?;
    let mut depot = stage.server("plain-depot")?;
    device.sync(depot.address())?;
    depot.restart()?;
    let reader = stage.device("device-reader");
    reader.sync(depot.address())?;
    stage.note(format!("one file of {}: {GOOD} recorded, 1 handed back", all.len()));
    check_everywhere(&ledger, ROOT, &[&depot, &device, &reader])
}

/// From a device without rules to a server with rules: a set of events must be the same everywhere, so
/// it is stored, told, and left out of states.
fn over_sync(stage: &mut Stage) -> Result<()> {
    let rules = format!("{ROOT}={}", stage.folder().join("rules.json").display());
    let mut strict = stage.new_server("strict").with(&["--schema", &rules]);
    strict.start()?;
    let device = stage.device("without-rules");
    let (bad, good) = bad_and_good(&mut stage.maker("without-rules"));
    let mut ledger = Ledger::default();
    device.record(&[bad], &mut ledger)?;
    device.record(&good, &mut ledger)?;
    device.sync(strict.address())?;
    strict.restart()?;
    let state = strict.state(ROOT, "BAY-1", None)?;
    ensure!(state.refused == 1, "{} events are said to be left out, for 1", state.refused);
    ensure!(
        state.value["quantity"] == GOOD,
        "behind a refused event the state is {}",
        state.value["quantity"]
    );
    let reader = stage.device("strict-reader");
    reader.sync(strict.address())?;
    stage.note(format!("one sync of {}: all stored, 1 left out of the state", ledger.len()));
    check_everywhere(&ledger, ROOT, &[&strict, &device, &reader])
}

/// A root that the server does not take, before others that it does.
fn of_an_unknown_root(stage: &mut Stage) -> Result<()> {
    let options = ["--root", ROOT, "--sync-roots", "known"];
    let mut known = stage.new_server("known").with(&options);
    known.start()?;
    let device = stage.device("two-roots");
    let mut maker = stage.maker("two-roots");
    let mut other = maker.event(200);
    other.root = "aside".to_owned();
    let (mut aside, mut ledger) = (Ledger::default(), Ledger::default());
    device.record(&[other], &mut aside)?;
    device.record(&maker.events(GOOD, 200), &mut ledger)?;
    for _ in 0..2 {
        let synced = device.start_sync(known.address())?.wait(stage.deadline)?;
        ensure!(
            synced.code == Some(3) && synced.stdout.contains("aside"),
            "a root that is not taken is not named: {} {synced}",
            synced.stdout
        );
        known.restart()?;
    }
    let reader = stage.device("known-reader");
    reader.sync(known.address())?;
    check_everywhere(&ledger, ROOT, &[&known, &device, &reader])?;
    let status = device.status()?;
    ensure!(status.pending("aside") == 1, "what was not taken is not pending any more");
    aside.check(device.name(), &device.held("aside")?)?;
    // A server that takes any root gets it.
    let any = stage.server("any")?;
    device.sync(any.address())?;
    stage.note("an event of a root that is not taken stays pending, the others go");
    check_everywhere(&aside, "aside", &[&any, &device])
}
