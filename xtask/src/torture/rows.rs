//! The rows of the table.

mod clocks;
mod copies;
mod cuts;
mod damage;
mod folds;
mod kills;
mod late;
mod refusals;
mod relays;
mod repeats;
mod writers;

use anyhow::{Result, ensure};

use super::{
    held::{Held, Ledger},
    stage::Stage,
};

/// One play.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) play: fn(&mut Stage) -> Result<()>,
}

const fn row(name: &'static str, what: &'static str, play: fn(&mut Stage) -> Result<()>) -> Row {
    Row { name, what, play }
}

/// All rows, in the order in which they are played.
pub(super) const ROWS: [Row; 13] = [
    row("pulls-under-writes", "readers pull while eight writers write", writers::play),
    row("relay-of-older", "a relay gets older events after newer ones of others", relays::play),
    row("late-under-the-vector", "events arrive behind what readers have passed", late::play),
    row("clone", "a store's folder is copied, and both write on", copies::play),
    row("nothing-new", "a sync without news, after a restart", repeats::nothing_new),
    row("same-push-thrice", "every push comes three times", repeats::same_push),
    row("cut-anywhere", "connections are cut at random bytes, both ways", cuts::play),
    row("stamp-of-2100", "an occurrence and a device's clock in the year 2100", clocks::ahead),
    row("damaged-byte", "a byte changes on disk", damage::play),
    row("clock-set-back", "clocks are set back between restarts", clocks::set_back),
    row("killed-in-a-push", "server and device are killed within pushes", kills::play),
    row("late-behind-snapshot", "late events behind snapshots", folds::play),
    row("one-refused-of-385", "one event is refused before 384 good ones", refusals::play),
];

/// An error if a server lacks events of a device's own that the device takes for acknowledged: all
/// but those that it says are pending.
fn check_acknowledged(own: &Ledger, pending: u64, at_server: &Held) -> Result<()> {
    let arrived = own.ids().intersection(&at_server.ids()).count();
    ensure!(
        arrived + usize::try_from(pending)? >= own.len(),
        "the server holds {arrived} of {} events, and only {pending} are said to be pending",
        own.len()
    );
    Ok(())
}

pub(super) fn names() -> Vec<&'static str> {
    ROWS.iter().map(|row| row.name).collect()
}
