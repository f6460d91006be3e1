//! A byte that changes on disk.
//!
//! It is found and told, what it spoilt is passed on to nobody, and the rest can be had.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

use crate::torture::{
    device::Device,
    dice::Dice,
    events::{Maker, NewEvent, ROOT},
    held::{Held, Ledger},
    replica::{Replica as _, check_everywhere},
    server::Server,
    stage::{Stage, copy_folder},
};

/// The file of an LMDB store that holds its events.
const FILE: &str = "truth/data.mdb";

/// Stores in which a byte changes anywhere.
const ANYWHERE: usize = 6;

pub(super) fn play(stage: &mut Stage) -> Result<()> {
    let mut depot = stage.server("depot")?;
    let mut of_depot = Ledger::default();
    depot.write(&stage.maker("depot").events(500, 300), &mut of_depot)?;
    let device = stage.device("device");
    device.sync(depot.address())?;
    let mut own = Ledger::default();
    let mut maker = stage.maker("device");
    let victim = record_with_victim(&device, &mut maker, 1_500, &mut own)?;
    let sound = stage.folder().join("sound");
    copy_folder(device.store(), &sound)?;

    // One byte within one event that nobody else holds yet.
    damage(&device.store().join(FILE), &victim)?;
    let verified = device.run(&["verify", "--json"])?;
    ensure!(verified.code == Some(1), "damage that nobody tells of: {verified}");
    let lost = position(&own, &victim)?;
    let intact = own.only(|id| seq(id) < lost);
    let mut expected = of_depot.clone();
    expected.merge(intact.clone())?;
    for _ in 0..2 {
        let synced = device.start_sync(depot.address())?.wait(stage.deadline)?;
        ensure!(synced.code == Some(3), "a sync past damage: {synced}");
        ensure!(synced.stdout.contains("damaged"), "a sync that says nothing of damage: {synced}");
        depot.restart()?;
    }
    let reader = stage.device("reader");
    reader.sync(depot.address())?;
    check_everywhere(&expected, ROOT, &[&depot, &reader])?;
    let shown = device.run(&["show", "--root", ROOT, &victim.aggregate])?;
    ensure!(shown.code != Some(0), "a state without the damaged event: {shown}");

    salvage(stage, &device, &expected)?;
    stage.note(format!(
        "event {lost} of {} damaged on a device: told, {} before it passed on and salvaged",
        own.len(),
        intact.len()
    ));
    let mut all = of_depot;
    all.merge(own)?;
    anywhere(stage, &sound, &all)?;
    at_server(stage)
}

/// Records events, with one among them that is to be damaged.
fn record_with_victim(
    device: &Device,
    maker: &mut Maker,
    count: usize,
    ledger: &mut Ledger,
) -> Result<NewEvent> {
    for _ in 0..count / 100 {
        device.record(&maker.events(50, 300), ledger)?;
        device.record(&maker.events(50, 300), ledger)?;
    }
    // The last one but some: what stands before it is intact.
    let mut events = maker.events(40, 300);
    events[20].aggregate = "VICTIM".to_owned();
    device.record(&events, ledger)?;
    let victim = events.swap_remove(20);
    device.record(&maker.events(300, 300), ledger)?;
    Ok(victim)
}

/// The seq under which an event was acknowledged.
fn position(ledger: &Ledger, event: &NewEvent) -> Result<u64> {
    let id = ledger.id_of(event.said()).context("the event was not acknowledged")?;
    Ok(seq(&id))
}

fn seq(id: &str) -> u64 {
    id.rsplit_once('-').and_then(|(_, seq)| seq.parse().ok()).unwrap_or(0)
}

/// Changes a byte within the event's data, in every copy that there is of it.
fn damage(file: &Path, event: &NewEvent) -> Result<()> {
    let mut bytes = fs::read(file)?;
    let serial = event.data.split('"').nth(3).context("no serial")?;
    let serial = format!("\"{serial}\"");
    let found: Vec<_> = bytes
        .windows(serial.len())
        .enumerate()
        .filter(|(_, window)| *window == serial.as_bytes())
        .map(|(at, _)| at)
        .collect();
    ensure!(!found.is_empty(), "{} does not hold {serial}", file.display());
    for at in found {
        bytes[at + 1] ^= 0x20;
    }
    fs::write(file, bytes)?;
    Ok(())
}

/// Takes out of a damaged store what is intact; an error unless that is exactly this.
fn salvage(stage: &Stage, device: &Device, expected: &Ledger) -> Result<()> {
    let file = stage.folder().join("salvaged.lbd").display().to_string();
    let exported = device.run(&["export", "--salvage", "--json", &file])?;
    ensure!(exported.code == Some(1), "salvage left something out, and says: {exported}");
    let salvaged = stage.device(&format!("salvaged-of-{}", device.name()));
    salvaged.run(&["import", &file])?.well()?;
    fs::remove_file(&file)?;
    expected.check(salvaged.name(), &salvaged.held(ROOT)?)?;
    salvaged.verify()
}

/// Changes one bit anywhere in copies of a sound store, and lets each sync with an empty server. The
/// first copy stays as it is, and nothing may be told of it.
fn anywhere(stage: &mut Stage, sound: &Path, all: &Ledger) -> Result<()> {
    let mut dice: Dice = stage.dice.split();
    let (mut told_of, mut places) = (0, Vec::new());
    for round in 0..=ANYWHERE {
        let store = stage.folder().join(format!("anywhere-{round}"));
        copy_folder(sound, &store)?;
        let file = store.join(FILE);
        let mut bytes = fs::read(&file)?;
        let at = usize::try_from(dice.within(0..bytes.len() as u64))?;
        let is_changed = round > 0;
        if is_changed {
            bytes[at] ^= 1 << dice.within(0..8);
            fs::write(&file, bytes)?;
            places.push(at);
        }
        let device = stage.device("anywhere").at(&format!("byte {at}"), &store);
        let is_told = device.run(&["verify"])?.code != Some(0);
        let fresh = stage.server(&format!("fresh-{round}"))?;
        let synced = device.start_sync(fresh.address())?.wait(stage.deadline)?;
        let held = fresh.held(ROOT)?;
        let name = format!("with byte {at} changed, the server");
        all.check_nothing_else(&name, &held)?;
        if !is_told && synced.code == Some(0) {
            all.check(&format!("{name}, and nobody tells of it,"), &held)?;
        }
        let is_told = is_told || synced.code != Some(0);
        ensure!(is_changed || !is_told, "damage is told of where there is none: {synced}");
        told_of += usize::from(is_told);
        fs::remove_dir_all(&store)?;
    }
    stage.note(format!(
        "bytes {places:?} changed in copies: {told_of} told, {} without effect",
        places.len() - told_of
    ));
    Ok(())
}

/// The same on a server's disk. What is lost there comes back from the device that wrote it.
fn at_server(stage: &mut Stage) -> Result<()> {
    let mut ledger = Ledger::default();
    let mut yard = stage.server("yard")?;
    let [writer, reader] = ["writer", "yard-reader"].map(|name| stage.device(name));
    let victim = record_with_victim(&writer, &mut stage.maker("writer"), 300, &mut ledger)?;
    writer.sync(yard.address())?;
    let lost = position(&ledger, &victim)?;
    let origin = writer.status()?.replica;
    let mut of_yard = Ledger::default();
    yard.write(&stage.maker("yard").events(200, 300), &mut of_yard)?;
    ledger.merge(of_yard)?;
    yard.stop()?;
    damage(&yard.data().join(FILE), &victim)?;
    yard.start()?;

    let (held, unreadable) = arrivals(&yard)?;
    ensure!(unreadable == 1, "{unreadable} damaged entries are told of, for 1");
    let victim_id = ledger.id_of(victim.said()).context("the event was not acknowledged")?;
    ledger.only(|id| id != victim_id).check("what can be read of the server", &held)?;
    let intact = ledger.only(|id| !id.contains(&origin) || seq(id) < lost);
    // Whether the reader is told is the server's to say: it does, by the origin that it holds back.
    reader.start_sync(yard.address())?.wait(stage.deadline)?;
    let held = reader.held(ROOT)?;
    ledger.check_nothing_else("who pulls from a damaged server", &held)?;
    intact.check_all_there("who pulls from a damaged server", &held)?;
    ensure!(yard.status()?.tells_damage(), "the server's status says nothing of damage");
    yard.stop()?;
    salvage(stage, &writer.at("yard", yard.data()), &intact)?;

    // A new store of what was salvaged, and the devices bring the rest.
    let mut anew = stage.new_server("yard-anew");
    copy_folder(stage.device("salvaged-of-yard").store(), anew.data())?;
    anew.start()?;
    for device in [&writer, &reader, &writer] {
        device.sync(anew.address())?;
    }
    stage.note(format!("event {lost} damaged at a server: told, and back from its device"));
    check_everywhere(&ledger, ROOT, &[&anew, &writer, &reader])
}

/// Everything that can be read of a server's log, and how many entries cannot.
fn arrivals(server: &Server) -> Result<(Held, u64)> {
    let (mut held, mut after, mut unreadable) = (Held::default(), String::new(), 0);
    loop {
        let page = server.page(&format!("/events?roots={ROOT}"), &after)?;
        held.take(&page.lines)?;
        unreadable += page.unreadable;
        if !page.has_more {
            return Ok((held, unreadable));
        }
        after = page.after.context("a page with more behind it has no cursor")?;
    }
}
