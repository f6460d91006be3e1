//! Events that arrive behind what a reader's cursor has passed.
//!
//! The earlier seqs of an origin after later ones of others, its later ones before its earlier ones,
//! and all of them older than what is there.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

use super::repeats::offer;
use crate::torture::{
    events::ROOT,
    held::{Ledger, check_ids},
    link::Link,
    readers::{Reader, check_news},
    replica::{Replica as _, check_everywhere},
    stage::Stage,
};

/// Events in each of the three parts.
const PART: usize = 300;

pub(super) fn play(stage: &mut Stage) -> Result<()> {
    let mut ledger = Ledger::default();
    let first = stage.server("first")?;
    let mut depot = stage.server("depot")?;
    let link = Link::open(first.address())?;
    let device = stage.device("device");
    let puller = stage.device("puller");
    let mut maker = stage.maker("device");

    // A device brings its events to another server in parts, and what it sends is kept.
    let mut parts = Vec::new();
    for _ in 0..3 {
        let mut part = Ledger::default();
        device.record(&maker.events(PART, 300), &mut part)?;
        let before = link.pushes().len();
        device.sync(link.address())?;
        let pushes = link.pushes().split_off(before);
        ensure!(!pushes.is_empty(), "a sync with news pushed nothing");
        parts.push((part.ids(), pushes));
        ledger.merge(part)?;
    }
    // Readers of the depot pass newer events.
    depot.write(&stage.maker("depot").events(PART, 300), &mut ledger)?;
    let mut readers = Reader::each();
    for reader in &mut readers {
        reader.news(&depot)?;
    }
    puller.sync(depot.address())?;

    // The last part comes first: it would leave a hole, and nothing of it may be seen.
    let (_, last) = parts.last().context("there are three parts")?;
    for push in last {
        let answer = offer(&depot, push)?.expect(&[409], "a push with a hole before it")?;
        let held = &answer.json()?["held"];
        ensure!(*held == 0, "of an origin of which nothing is held, it says {held}");
    }
    check_news(&mut readers, &depot, &BTreeSet::new())?;
    for (index, (ids, pushes)) in parts.iter().enumerate() {
        depot.restart()?;
        for push in pushes {
            offer(&depot, push)?.expect(&[200], "a push in its turn")?;
        }
        check_news(&mut readers, &depot, ids).with_context(|| format!("part {index}"))?;
        let before = puller.held(ROOT)?.ids();
        puller.sync(depot.address())?;
        let after = puller.held(ROOT)?.ids();
        let news = after.difference(&before).cloned().collect();
        check_ids(&format!("part {index}: the puller"), ids, &news)?;
    }
    device.sync(depot.address())?;
    puller.sync(depot.address())?;
    check_news(&mut readers, &depot, &BTreeSet::new())?;
    stage.note(format!(
        "3 parts of {PART} events behind 3 readers and a device, and a hole refused"
    ));
    check_everywhere(&ledger, ROOT, &[&depot, &device, &puller])
}
