//! Late events behind snapshots: a state must equal a fold of all events, made here from scratch.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::torture::{
    dice::Dice,
    events::{Maker, NewEvent, ROOT},
    held::Ledger,
    replica::{Replica, State, brief, check_everywhere, check_states},
    server::Server,
    stage::Stage,
};

/// The aggregate that all events are of.
const TRUCK: &str = "TRUCK-1";

/// Seconds since 2024-03-01 within which everything happens.
const SECONDS: u64 = 3_600;

pub(super) fn play(stage: &mut Stage) -> Result<()> {
    let mut ledger = Ledger::default();
    let mut depot = stage.server("depot")?;
    let [early, late, other] = ["early", "late", "other"].map(|name| stage.device(name));
    let mut dice = stage.dice.split();
    let mut makers = ["early", "late", "depot"].map(|name| stage.maker(name));
    early.record(&scans(&mut makers[0], &mut dice, 2_500, 1_800), &mut ledger)?;
    depot.write(&scans(&mut makers[2], &mut dice, 500, 300), &mut ledger)?;
    for device in [&early, &other, &early, &late] {
        device.sync(depot.address())?;
    }
    let mut folded = 0;
    for round in 0..3 {
        let everybody: [&dyn Replica; 4] = [&depot, &early, &late, &other];
        // Everybody reads, which leaves snapshots.
        folded += check(&depot, &everybody)?;
        depot.restart()?;
        // Then come events that happened before, and one that takes others back.
        let mut events = scans(&mut makers[1], &mut dice, 30, 0);
        events.push(void(&mut makers[1], &mut dice, &ledger));
        late.record(&events, &mut ledger)?;
        depot.write(&scans(&mut makers[2], &mut dice, 10, 900 * round), &mut ledger)?;
        for device in [&late, &early, &other, &late] {
            device.sync(depot.address())?;
        }
    }
    let everybody: [&dyn Replica; 4] = [&depot, &early, &late, &other];
    folded += check(&depot, &everybody)?;
    depot.restart()?;
    let late_comer = stage.device("late-comer");
    late_comer.sync(depot.address())?;
    let everybody: [&dyn Replica; 5] = [&depot, &early, &late, &other, &late_comer];
    folded += check(&depot, &everybody)?;
    stage.note(format!(
        "{} events of one aggregate; {folded} states read at 4 or 5 replicas",
        ledger.len()
    ));
    check_everywhere(&ledger, ROOT, &everybody)
}

/// Scans of the truck, each of which happened some time behind `from`, in no order.
fn scans(maker: &mut Maker, dice: &mut Dice, count: usize, from: u64) -> Vec<NewEvent> {
    let mut events = maker.events(count, 30);
    for event in &mut events {
        event.aggregate = TRUCK.to_owned();
        event.occurred_at = Some(time(dice.within(from..SECONDS)));
    }
    events
}

fn time(seconds: u64) -> String {
    format!("2024-03-01T{:02}:{:02}:{:02}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// An event that takes three others back.
fn void(maker: &mut Maker, dice: &mut Dice, ledger: &Ledger) -> NewEvent {
    let ids: Vec<_> = ledger.ids().into_iter().collect();
    let mut event = scans(maker, dice, 1, 0).swap_remove(0);
    let any = |_| ids[usize::try_from(dice.within(0..ids.len() as u64)).unwrap_or(0)].clone();
    event.voids = (0..3).map(any).collect::<BTreeSet<_>>().into_iter().collect();
    event
}

/// An error unless every replica has the states that a fold from scratch gives, now and at a moment
/// before. Returns how many states these are.
fn check(server: &Server, everybody: &[&dyn Replica]) -> Result<usize> {
    let events = events(server)?;
    let moments = [None, Some(time(1_800)), Some(time(600))];
    for until in &moments {
        let question = until.as_deref().map(|until| ("occurred_until", until));
        let state: State = check_states(ROOT, TRUCK, question, everybody)?;
        let expected = fold(&events, until.as_deref())?;
        ensure!(
            state.value == expected,
            "{TRUCK} until {until:?} is {}, and by a fold of all events {}",
            brief(&state.value),
            brief(&expected)
        );
    }
    Ok(moments.len() * everybody.len())
}

/// What a fold looks at.
#[derive(Deserialize)]
struct Event {
    id: String,
    occurred_at: String,
    hlc: String,
    data: Map<String, Value>,
    #[serde(default)]
    voids: Vec<String>,
}

impl Event {
    /// Its place in the order of folding.
    fn place(&self) -> (String, &str, &str) {
        (sortable(&self.occurred_at), &self.hlc, &self.id)
    }
}

/// A time in UTC with nine digits of a second, so that texts sort as times do.
fn sortable(time: &str) -> String {
    let time = time.trim_end_matches('Z');
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, ""));
    format!("{seconds}.{fraction:0<9}")
}

fn events(server: &Server) -> Result<Vec<Event>> {
    let (mut events, mut after) = (Vec::new(), String::new());
    loop {
        let page = server.page(&format!("/e/{ROOT}"), &after)?;
        for line in page.lines.lines() {
            events.push(serde_json::from_str(line).context("an event")?);
        }
        if !page.has_more {
            return Ok(events);
        }
        after = page.after.context("a page with more behind it has no cursor")?;
    }
}

/// RFC 7396 over the data of all events that count. None of them has `null`s or objects in it.
fn fold(events: &[Event], until: Option<&str>) -> Result<Value> {
    let takes_back: BTreeSet<_> =
        events.iter().filter(|it| !it.voids.is_empty()).map(|it| &it.id).collect();
    // What takes others back cannot be taken back itself.
    let voided: BTreeSet<_> = events
        .iter()
        .flat_map(|event| &event.voids)
        .filter(|id| !takes_back.contains(id))
        .collect();
    let until = until.map(sortable);
    let mut counting: BTreeMap<_, _> = BTreeMap::new();
    for event in events {
        let is_past = until.as_ref().is_none_or(|until| sortable(&event.occurred_at) <= *until);
        if is_past && !voided.contains(&event.id) {
            let before = counting.insert(event.place(), event);
            ensure!(before.is_none(), "two events have one place in the order");
        }
    }
    let mut state = Map::new();
    for event in counting.into_values() {
        state.extend(event.data.clone());
    }
    Ok(Value::Object(state))
}

#[cfg(test)]
mod tests;
