//! A relay that gets older events after newer ones of others.
//!
//! A relay that says "everything up to this time" passes over what it is brought later and is older.

use anyhow::Result;

use crate::torture::{
    events::ROOT,
    held::Ledger,
    replica::{Replica as _, check_everywhere},
    stage::Stage,
};

pub(super) fn play(stage: &mut Stage) -> Result<()> {
    let mut ledger = Ledger::default();
    let mut depot = stage.server("depot")?;
    let mut port = stage.server("port")?;
    let [old, new, relay, end] = ["old", "new", "relay", "end"].map(|name| stage.device(name));

    // The oldest events stay where they are for now: too many, and too large, for one page.
    let mut maker = stage.maker("old");
    old.record(&maker.events(11_000, 200), &mut ledger)?;
    old.record(&maker.above_the_bound(), &mut ledger)?;
    let old_count = ledger.len();

    // Newer ones of others pass everybody else.
    new.record(&stage.maker("new").events(300, 200), &mut ledger)?;
    new.sync(depot.address())?;
    depot.write(&stage.maker("depot").events(300, 200), &mut ledger)?;
    relay.sync(depot.address())?;
    relay.sync(port.address())?;
    port.write(&stage.maker("port").events(100, 200), &mut ledger)?;
    end.sync(port.address())?;
    depot.restart()?;
    port.restart()?;

    // Now the oldest ones go from hand to hand, and back.
    old.sync(depot.address())?;
    depot.restart()?;
    relay.sync(depot.address())?;
    relay.sync(port.address())?;
    port.restart()?;
    end.sync(port.address())?;
    relay.sync(port.address())?;
    relay.sync(depot.address())?;
    for device in [&old, &new] {
        device.sync(depot.address())?;
    }

    // And from server to server, without a device.
    let mut mirror = stage.new_server("mirror").with(&["--peer", &port_url(port.address())]);
    mirror.start()?;
    stage.deadline.wait_for("the mirror's sync", || {
        let (held, wanted) = (mirror.status()?, port.status()?);
        Ok((held.digest(ROOT) == wanted.digest(ROOT)).then_some(()))
    })?;
    mirror.restart()?;
    stage.note(format!(
        "{old_count} older events by device, server, relay, server to the end, behind {} newer ones",
        ledger.len() - old_count
    ));
    check_everywhere(&ledger, ROOT, &[&depot, &port, &mirror, &old, &new, &relay, &end])
}

fn port_url(address: std::net::SocketAddr) -> String {
    format!("http://{address}")
}
