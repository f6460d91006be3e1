//! Wrong clocks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};

use crate::torture::{
    events::ROOT,
    held::{Held, Ledger},
    readers::{Reader, check_caught_up},
    replica::{Replica, check_everywhere, check_states},
    stage::Stage,
};

const FAR: &str = "2100-01-01T00:00:00Z";

/// A time in the year 2100: as an occurrence that a writer claims, and as the clock of a device.
pub(super) fn ahead(stage: &mut Stage) -> Result<()> {
    let mut ledger = Ledger::default();
    let mut depot = stage.server("depot")?;
    let [right, planner, ahead] = ["right", "planner", "ahead"].map(|name| stage.device(name));
    let mut maker = stage.maker("right");
    right.record(&maker.events(100, 200), &mut ledger)?;
    depot.write(&maker.events(100, 200), &mut ledger)?;

    // Nobody takes that something has happened in 2100.
    let mut far = maker.event(10);
    far.occurred_at = Some(FAR.to_owned());
    depot.post(&format!("/e/{ROOT}"), &[far.clone()])?.expect(&[422], "an event of 2100")?;
    let file = right.file(&[far])?.display().to_string();
    let refused = right.run(&["record", "--json", &file])?;
    ensure!(refused.code == Some(1), "an event of 2100 is recorded: {refused}");
    // Unless its writer plans; then all have it.
    let mut planned = stage.maker("planner").events(50, 200);
    planned.iter_mut().for_each(|event| event.occurred_at = Some(FAR.to_owned()));
    planner.record_with(&planned, &["--max-future", "none"], &mut ledger)?;
    planner.sync(depot.address())?;

    let Some(clock) = stage.clock("@2100-01-01 00:00:00")? else {
        right.sync(depot.address())?;
        planner.sync(depot.address())?;
        return check_everywhere(&ledger, ROOT, &[&depot, &right, &planner]);
    };
    let mut own = Ledger::default();
    let mut maker_ahead = stage.maker("ahead");
    ahead.under(&clock).record(&maker_ahead.events(200, 200), &mut own)?;
    ahead.under(&clock).sync(depot.address())?;
    depot.restart()?;

    // Nobody's clock follows it.
    let mut after = Ledger::default();
    depot.write(&maker.events(50, 200), &mut after)?;
    right.sync(depot.address())?;
    right.record(&maker.events(50, 200), &mut after)?;
    right.sync(depot.address())?;
    for replica in [&depot as &dyn Replica, &right] {
        check_not_dragged(replica, &after)?;
    }
    ledger.merge(after)?;

    // The device's clock is put right, and nothing that it records is lost for it.
    ahead.record(&maker_ahead.events(50, 200), &mut own)?;
    check_stamps("ahead", &ahead.held(ROOT)?)?;
    ledger.merge(own)?;
    for device in [&ahead, &right, &planner, &ahead] {
        device.sync(depot.address())?;
    }
    let late_comer = stage.device("late-comer");
    late_comer.sync(depot.address())?;
    let everybody: [&dyn Replica; 5] = [&depot, &right, &planner, &ahead, &late_comer];
    for aggregate in ["A-0", "A-7", "A-20"] {
        check_states(ROOT, aggregate, None, &everybody)?;
    }
    stage.note(format!("{} events, 250 of a device that was in 2100", ledger.len()));
    check_everywhere(&ledger, ROOT, &everybody)
}

/// An error if an event that was recorded behind those of 2100 is stamped in the future, or the
/// replica does not tell of the others.
fn check_not_dragged(replica: &dyn Replica, after: &Ledger) -> Result<()> {
    let held = replica.held(ROOT)?;
    after.check_all_there(replica.name(), &held)?;
    let year = year_of_now();
    let dragged = after
        .ids()
        .into_iter()
        .find(|id| held.0.get(id).is_some_and(|event| event.recorded_at.as_str() > year.as_str()));
    ensure!(dragged.is_none(), "{dragged:?} is stamped in the future at {}", replica.name());
    let status = replica.status()?;
    ensure!(
        status.clock_suspect >= Some(200) && status.clock_ahead <= Some(1),
        "{} counts {:?} stamps ahead, and is {:?} s ahead itself",
        replica.name(),
        status.clock_suspect,
        status.clock_ahead
    );
    Ok(())
}

/// The first day of the year after the next, as text.
fn year_of_now() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let years = now.as_secs() / (365 * 24 * 3600 + 6 * 3600);
    format!("{}-01-01", 1970 + years + 2)
}

/// Clocks are set back between restarts, of a device and of a server.
pub(super) fn set_back(stage: &mut Stage) -> Result<()> {
    let mut ledger = Ledger::default();
    let mut depot = stage.server("depot")?;
    let [device, puller] = ["device", "puller"].map(|name| stage.device(name));
    let [mut at_device, mut at_depot] = ["device", "depot"].map(|name| stage.maker(name));
    let (mut readers, mut played) = (Reader::each(), Vec::new());
    for time in [None, Some("-1h"), Some("@1971-02-03 04:05:06"), Some("-5m"), None] {
        let clock = match time {
            Some(time) => match stage.clock(time)? {
                Some(clock) => clock,
                None => continue,
            },
            None => Vec::new(),
        };
        played.push(time.unwrap_or("now"));
        depot.set_clock(&clock);
        depot.restart()?;
        depot.write(&at_depot.events(200, 200), &mut ledger)?;
        device.under(&clock).record(&at_device.events(200, 200), &mut ledger)?;
        device.under(&clock).sync(depot.address())?;
        depot.write(&at_depot.events(100, 200), &mut ledger)?;
        puller.sync(depot.address())?;
        for reader in &mut readers {
            reader.news(&depot)?;
        }
        check_stamps("depot", &depot.held(ROOT)?)?;
    }
    device.sync(depot.address())?;
    puller.sync(depot.address())?;
    check_caught_up(&readers, &depot)?;
    let late_comer = stage.device("late-comer");
    late_comer.sync(depot.address())?;
    let everybody: [&dyn Replica; 4] = [&depot, &device, &puller, &late_comer];
    for aggregate in ["A-0", "A-7", "A-20"] {
        check_states(ROOT, aggregate, None, &everybody)?;
    }
    stage.note(format!("{} events under clocks of {}", ledger.len(), played.join(", ")));
    check_everywhere(&ledger, ROOT, &everybody)
}

/// An error unless the ids of each origin run 1, 2, 3, …, and its stamps rise with them.
fn check_stamps(name: &str, held: &Held) -> Result<()> {
    let mut by_origin = std::collections::BTreeMap::<&str, Vec<(u64, &str)>>::new();
    for (id, content) in &held.0 {
        let (origin, seq) = id.rsplit_once('-').unwrap_or((id, ""));
        by_origin.entry(origin).or_default().push((seq.parse()?, &content.stamp));
    }
    for (origin, mut events) in by_origin {
        events.sort_unstable();
        for (index, pair) in events.windows(2).enumerate() {
            let [(seq, stamp), (next_seq, next_stamp)] = pair else { continue };
            ensure!(
                *seq == index as u64 + 1 && *next_seq == seq + 1 && stamp < next_stamp,
                "at {name}, {origin}-{seq} is stamped {stamp} and -{next_seq} {next_stamp}"
            );
        }
    }
    Ok(())
}
