//! A store whose folder was copied, or set back, and that writes on.
//!
//! Two writers under one id give one name to two events, and one of them is lost.

use std::fs;

use anyhow::{Result, ensure};

use crate::torture::{
    events::ROOT,
    held::Ledger,
    replica::{Replica, check_everywhere},
    stage::{Stage, copy_folder},
};

pub(super) fn play(stage: &mut Stage) -> Result<()> {
    devices(stage)?;
    servers(stage)?;
    set_back(stage)
}

/// A device and its copy write on, one after the other, with syncs between.
fn devices(stage: &mut Stage) -> Result<()> {
    let mut ledger = Ledger::default();
    let mut depot = stage.server("depot")?;
    let original = stage.device("original");
    let mut maker = stage.maker("original");
    original.record(&maker.events(3_000, 300), &mut ledger)?;
    original.sync(depot.address())?;
    // Some are pending when the copy is made.
    original.record(&maker.events(200, 300), &mut ledger)?;
    let copy = original.at("copy", &stage.folder().join("copy"));
    copy_folder(original.store(), copy.store())?;
    let mut copy_maker = stage.maker("copy");
    for round in 0..3 {
        original.record(&maker.events(150, 300), &mut ledger)?;
        copy.record(&copy_maker.events(150 + round, 300), &mut ledger)?;
        copy.sync(depot.address())?;
        depot.restart()?;
        original.sync(depot.address())?;
    }
    copy.sync(depot.address())?;
    let [one, other] = [original.status()?.replica, copy.status()?.replica];
    ensure!(one != other, "original and copy both write as {one}");
    let reader = stage.device("reader");
    reader.sync(depot.address())?;
    stage.note(format!("{} events of a device and its copy", ledger.len()));
    check_everywhere(&ledger, ROOT, &[&depot, &original, &copy, &reader])
}

/// A server and its copy write on, and a device carries events between them.
fn servers(stage: &mut Stage) -> Result<()> {
    let mut ledger = Ledger::default();
    let mut original = stage.server("server")?;
    let mut maker = stage.maker("server");
    original.write(&maker.events(1_000, 300), &mut ledger)?;
    original.stop()?;
    let mut copy = stage.new_server("server-copy");
    copy_folder(original.data(), copy.data())?;
    original.start()?;
    copy.start()?;
    let carrier = stage.device("carrier");
    for _ in 0..2 {
        for server in [&original, &copy] {
            server.write(&maker.events(200, 300), &mut ledger)?;
            carrier.sync(server.address())?;
        }
        original.restart()?;
        copy.restart()?;
    }
    for server in [&original, &copy] {
        carrier.sync(server.address())?;
    }
    stage.note(format!("{} events of a server and its copy", ledger.len()));
    check_everywhere(&ledger, ROOT, &[&original, &copy, &carrier])
}

/// A device's files are replaced by older ones, in place, and it writes on before it hears of what
/// it had told others. Its writers were told ids that others have for other events, so what was
/// said must be there, and that ids changed must be told.
fn set_back(stage: &mut Stage) -> Result<()> {
    let mut ledger = Ledger::default();
    let depot = stage.server("old-depot")?;
    let device = stage.device("set-back");
    let mut maker = stage.maker("set-back");
    device.record(&maker.events(400, 300), &mut ledger)?;
    device.sync(depot.address())?;
    let files = ["truth/data.mdb", "derived/data.mdb"].map(|file| device.store().join(file));
    let old = files.iter().map(fs::read).collect::<std::io::Result<Vec<_>>>()?;
    device.record(&maker.events(100, 300), &mut ledger)?;
    device.sync(depot.address())?;
    for (file, bytes) in files.iter().zip(old) {
        fs::write(file, bytes)?;
    }
    let mut since = Ledger::default();
    device.record(&maker.events(60, 300), &mut since)?;
    let told = device.sync(depot.address())?.renewals;
    device.sync(depot.address())?;
    let reader = stage.device("old-reader");
    reader.sync(depot.address())?;
    let mut expected = ledger.said();
    expected.extend(since.said());
    for replica in [&depot as &dyn Replica, &device, &reader] {
        let held = replica.held(ROOT)?;
        ledger.check_all_there(replica.name(), &held)?;
        let said = held.said();
        let lacks = expected.difference(&said).count();
        let others = said.difference(&expected).count();
        ensure!(
            (lacks, others) == (0, 0) && held.ids().len() == expected.len(),
            "{} lacks {lacks} of what was said, and has {others} other events and {} in all for {}",
            replica.name(),
            held.ids().len(),
            expected.len()
        );
    }
    let is_moved = since.check_all_there("", &depot.held(ROOT)?).is_err();
    ensure!(
        !is_moved || !told.is_empty(),
        "ids that were acknowledged changed, and nobody says so"
    );
    stage.note(format!(
        "{} events of a device that was set back in place; the ids of those since {}",
        expected.len(),
        if is_moved { "changed, and it says so" } else { "stayed" }
    ));
    Ok(())
}
