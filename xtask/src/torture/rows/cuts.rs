//! Connections that are cut at random bytes.

use anyhow::{Result, ensure};

use super::check_acknowledged;
use crate::torture::{
    device::Device,
    events::ROOT,
    held::Ledger,
    link::Link,
    program::Running,
    replica::{Replica as _, check_everywhere},
    server::Server,
    stage::Stage,
};

/// Cuts in all, and after how many of them the server is started anew.
const CUTS: u64 = 24;
const CUTS_BETWEEN_RESTARTS: u64 = 6;

/// The longest way to a cut, in bytes; every third one is a short way, of up to two to this power.
const WAY_BYTES_MAX: u64 = 3_000_000;
const SHORT_WAY_BITS: u64 = 12;

pub(super) fn play(stage: &mut Stage) -> Result<()> {
    let mut ledger = Ledger::default();
    let mut depot = stage.server("depot")?;
    let link = Link::open(depot.address())?;
    let device = stage.device("device");
    let mut maker = stage.maker("device");
    device.record(&maker.events(11_000, 400), &mut ledger)?;
    device.record(&maker.above_the_bound(), &mut ledger)?;
    let own = ledger.clone();
    let mut maker = stage.maker("depot");
    for _ in 0..3 {
        depot.write(&maker.events(1_500, 400), &mut ledger)?;
    }
    for _ in 0..6 {
        let large: Vec<_> = (0..3).map(|_| maker.event(900_000)).collect();
        depot.write(&large, &mut ledger)?;
    }
    let ways: Vec<_> = (0..CUTS)
        .map(|index| match index % 3 {
            0 => stage.dice.any_size(SHORT_WAY_BITS),
            _ => stage.dice.within(1..WAY_BYTES_MAX),
        })
        .collect();
    link.break_after(ways.iter().copied());
    let mut restart_at = CUTS_BETWEEN_RESTARTS;
    while link.breaks_left() > 0 {
        // It may give up, or go on where it was; what it says is looked at below.
        let mut sync = device.start_sync(link.address())?;
        while !has_ended_or_cut(stage, &mut sync, &link, restart_at)? {
            restart_at += CUTS_BETWEEN_RESTARTS;
            let pending = device.status()?.pending(ROOT);
            depot.restart()?;
            check(&ledger, &own, pending, &device, &depot)?;
        }
        // Whatever is new is cut as well.
        let mut more = Ledger::default();
        depot.write(&maker.events(800, 800), &mut more)?;
        ledger.merge(more)?;
    }
    device.sync(link.address())?;
    let cuts = link.traffic().cuts;
    ensure!(cuts > 0, "the link was never cut");
    stage.note(format!("{} events over {cuts} cuts, after so many bytes: {ways:?}", ledger.len()));
    check_everywhere(&ledger, ROOT, &[&depot, &device])?;
    depot.stop()?;
    device.verify()?;
    device.at("the server's store", depot.data()).verify()
}

/// Waits until a sync has ended, which is true, or the link has been cut so often.
fn has_ended_or_cut(stage: &Stage, sync: &mut Running, link: &Link, cuts: u64) -> Result<bool> {
    stage.deadline.wait_for("a sync over a bad link", || {
        let is_cut = link.traffic().cuts >= cuts && link.breaks_left() > 0;
        Ok(if sync.has_ended()? { Some(true) } else { is_cut.then_some(false) })
    })
}

/// While a sync is under way: nobody holds anything else, the device has lost nothing, and what it
/// took for acknowledged before is at the server.
fn check(
    ledger: &Ledger,
    own: &Ledger,
    pending: u64,
    device: &Device,
    depot: &Server,
) -> Result<()> {
    let (here, there) = (device.held(ROOT)?, depot.held(ROOT)?);
    ledger.check_nothing_else("between cuts, the device", &here)?;
    ledger.check_nothing_else("between cuts, the server", &there)?;
    own.check_all_there("between cuts, the device", &here)?;
    check_acknowledged(own, pending, &there)
}
