//! `laterbase status`: what the store holds.

use std::collections::BTreeMap;
use std::fmt;

use laterbase_client::device::Device;
use laterbase_core::fork::Fork;
use laterbase_core::reader::Status;
use serde::Serialize;

use super::Common;
use super::held_back::HeldBackSummary;
use super::output::Output;

/// As a server says it at `GET /`, and what is pending.
#[derive(Serialize)]
struct StatusSummary {
    replica: String,
    engine: &'static str,
    roots: BTreeMap<String, RootSummary>,
    clock_suspect: u64,
    future: u64,
    forks: Vec<ForkSummary>,
    held_back: Vec<HeldBackSummary>,
}

#[derive(Serialize)]
struct ForkSummary {
    root: String,
    origin: String,
    seq: u64,
    located: bool,
    ours: u64,
    theirs: u64,
}

impl From<Fork> for ForkSummary {
    fn from(fork: Fork) -> Self {
        let Fork { root, origin, seq, is_located, ours, theirs } = fork;
        let (root, origin) = (root.to_string(), origin.to_string());
        Self { root, origin, seq, located: is_located, ours, theirs }
    }
}

#[derive(Serialize)]
struct RootSummary {
    events: u64,
    aggregates: u64,
    digest: String,
    vv: String,
    pending: u64,
}

pub(crate) fn run(common: &Common, output: &mut Output) -> anyhow::Result<()> {
    let summary = common.with_existing_device(summarize)?;
    output.summary(&summary, &summary)
}

fn summarize(device: &Device) -> anyhow::Result<StatusSummary> {
    let Status { replica, engine, roots, counters } = device.reader().status()?;
    let pending = device.pending()?;
    let roots = roots.into_iter().map(|root| {
        let summary = RootSummary {
            events: root.events,
            aggregates: root.aggregates,
            digest: root.digest,
            vv: root.vv.to_string(),
            pending: pending.get(&root.name).copied().unwrap_or(0),
        };
        (root.name.to_string(), summary)
    });
    let (forks, damaged) = (device.reader().forks(), device.reader().damaged());
    let forked = forks.iter().map(|it| HeldBackSummary::new(&it.root, it.origin, it.seq, "fork"));
    let damaged = damaged.iter();
    let damaged = damaged.map(|it| HeldBackSummary::new(&it.root, it.origin, it.seq, "damaged"));
    let held_back = forked.chain(damaged).collect();
    Ok(StatusSummary {
        replica: replica.to_string(),
        engine,
        roots: roots.collect(),
        clock_suspect: counters.clock_suspect,
        future: counters.future,
        forks: forks.into_iter().map(ForkSummary::from).collect(),
        held_back,
    })
}

impl fmt::Display for StatusSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "replica {} on {}", self.replica, self.engine)?;
        if self.clock_suspect + self.future > 0 {
            write!(f, "\n{} events with a suspect clock", self.clock_suspect)?;
            write!(f, ", {} that claim to lie in the future", self.future)?;
        }
        if self.roots.is_empty() {
            return write!(f, "\nno events");
        }
        let width = self.roots.keys().map(String::len).max().unwrap_or(0).max("root".len());
        write!(
            f,
            "\n{:width$}  {:>10}  {:>10}  {:>10}  digest",
            "root", "events", "aggregates", "pending"
        )?;
        for (name, root) in &self.roots {
            let RootSummary { events, aggregates, pending, digest, .. } = root;
            let short = digest.get(..16).unwrap_or(digest);
            write!(f, "\n{name:width$}  {events:>10}  {aggregates:>10}  {pending:>10}  {short}…")?;
        }
        for ForkSummary { root, origin, seq, ours, theirs, .. } in &self.forks {
            write!(f, "\n{root} has two histories of {origin} from {seq} on: ")?;
            write!(f, "{ours} events here, {theirs} in quarantine. `laterbase resolve` decides")?;
        }
        for held in self.held_back.iter().filter(|held| held.is_damaged()) {
            write!(f, "\n{held}; `laterbase verify` tells more")?;
        }
        Ok(())
    }
}
