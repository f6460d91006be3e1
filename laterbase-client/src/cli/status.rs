//! `laterbase status`: what the store holds.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Context as _;
use clap::Args;
use laterbase_client::client::ServerUrl;
use laterbase_client::peers::pending_since;
use laterbase_client::sync::{Standing, standings};
use laterbase_core::reader::{Reader, Status};
use laterbase_core::time::format_time;
use laterbase_directory::environment::wall_clock_nanos;
use serde::Serialize;

use super::Common;
use super::held_back::{ForkSummary, HeldBackSummary, RenewalSummary, standing_summaries};
use super::output::Output;
use super::room::StorageSummary;
use super::server_status;
use super::settings::Settings;
use super::synced::{SyncedSummary, last_syncs};
use super::zone::Zone;

/// As a server says it at `GET /`, and what is pending.
#[derive(Serialize)]
struct StatusSummary {
    replica: String,
    engine: &'static str,
    /// What the store is set up for.
    settings: Settings,
    /// The last syncs, by server.
    syncs: Vec<SyncedSummary>,
    #[serde(skip)]
    sync_lines: Vec<String>,
    roots: BTreeMap<String, RootSummary>,
    clock_suspect: u64,
    future: u64,
    clock_ahead: u64,
    forks: Vec<ForkSummary>,
    held_back: Vec<HeldBackSummary>,
    /// Roots that a server does not take.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skipped: Vec<SkippedSummary>,
    /// The last changes of the store's own id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    renewals: Vec<RenewalSummary>,
    #[serde(skip)]
    renewal_lines: Vec<String>,
    storage: StorageSummary,
}

#[derive(Serialize)]
struct SkippedSummary {
    server: String,
    root: String,
}

#[derive(Serialize)]
struct RootSummary {
    events: u64,
    aggregates: u64,
    digest: String,
    vv: String,
    pending: u64,
    /// When the first of those was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_since: Option<String>,
    #[serde(skip)]
    pending_since_text: Option<String>,
    /// Events that no fold can read.
    unreadable: u64,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Ask a server instead, such as http://127.0.0.1:4920: what it holds, and who is behind.
    // Not by a variable: where one is set for syncs, `status` is of the store all the same.
    #[arg(long, value_name = "URL")]
    server: Option<ServerUrl>,
    /// Also say how much room each table takes, and the files.
    #[arg(short, long, conflicts_with = "server")]
    verbose: bool,
}

pub(crate) fn run(common: &Common, args: &StatusArgs, output: &mut Output) -> anyhow::Result<()> {
    if let Some(server) = &args.server {
        return server_status::run(common, server, output);
    }
    let settings = Settings::read(&common.store)?;
    let zone = Zone::new(common.utc);
    let summary = common.with_reader(|reader| {
        let mut summary = summarize(reader, settings, &zone)?;
        if args.verbose {
            let usage = reader.usage().context("cannot look at the store's files")?;
            summary.storage = summary.storage.with_usage(&usage);
        }
        Ok(summary)
    })?;
    output.summary(&summary, &summary)
}

fn summarize(reader: &Reader, settings: Settings, zone: &Zone) -> anyhow::Result<StatusSummary> {
    let status = reader.status()?;
    let clock_ahead = status.clock_ahead_seconds(wall_clock_nanos());
    let Status { replica, engine, roots, counters, .. } = status;
    let pending = pending_since(reader)?;
    let roots = roots.into_iter().map(|root| {
        let pending = pending.get(&root.name);
        let since = pending.and_then(|pending| pending.since);
        let summary = RootSummary {
            events: root.events,
            aggregates: root.aggregates,
            digest: root.digest,
            vv: root.vv.to_string(),
            pending: pending.map_or(0, |pending| pending.count),
            pending_since: since.map(format_time),
            pending_since_text: since.map(|time| zone.minute(time)),
            unreadable: root.unreadable,
        };
        (root.name.to_string(), summary)
    });
    let (forks, damaged) = (reader.forks(), reader.damaged());
    let forked = forks.iter().map(|it| HeldBackSummary::new(&it.root, it.origin, it.seq, "fork"));
    let damaged = damaged.iter();
    let damaged = damaged.map(|it| HeldBackSummary::new(&it.root, it.origin, it.seq, "damaged"));
    let standings = standings(reader)?;
    let standing = standings.iter().flat_map(standing_summaries);
    let held_back = forked.chain(damaged).chain(standing).collect();
    let renewals = reader.renewals();
    let syncs = last_syncs(reader)?;
    Ok(StatusSummary {
        replica: replica.to_string(),
        engine,
        settings,
        sync_lines: syncs.iter().map(|sync| sync.text(zone)).collect(),
        syncs,
        roots: roots.collect(),
        clock_suspect: counters.clock_suspect,
        future: counters.future,
        clock_ahead,
        forks: forks.into_iter().map(ForkSummary::from).collect(),
        held_back,
        skipped: standings.iter().flat_map(skipped).collect(),
        renewals: renewals.iter().map(RenewalSummary::from).collect(),
        renewal_lines: renewals.iter().map(ToString::to_string).collect(),
        storage: StorageSummary::of(reader.condition()),
    })
}

fn skipped(standing: &Standing) -> impl Iterator<Item = SkippedSummary> {
    let skipped = standing.skipped.iter();
    skipped.map(|root| SkippedSummary { server: standing.server.clone(), root: root.to_string() })
}

impl fmt::Display for StatusSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "replica {} on {}", self.replica, self.engine)?;
        if let Some(name) = &self.settings.name {
            write!(f, ", called {name}")?;
        }
        self.storage.fmt(f)?;
        if self.clock_suspect + self.future > 0 {
            write!(f, "\n{} events with a suspect clock", self.clock_suspect)?;
            write!(f, ", {} that claim to lie in the future", self.future)?;
        }
        if self.clock_ahead > 0 {
            write!(f, "\nthe clock was once {} s ahead of what it says now; ", self.clock_ahead)?;
            write!(f, "new events are stamped from there on")?;
        }
        for line in &self.sync_lines {
            write!(f, "\n{line}")?;
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
            if let Some(since) = &root.pending_since_text {
                write!(f, "  pending since {since}")?;
            }
        }
        for (name, root) in self.roots.iter().filter(|(_, root)| root.unreadable > 0) {
            write!(f, "\n{name} has {} events whose data cannot be read: ", root.unreadable)?;
            f.write_str("they are kept, and left out of every state")?;
        }
        for fork in &self.forks {
            write!(f, "\n{fork}")?;
        }
        for held in &self.held_back {
            match held.server() {
                Some(server) => write!(f, "\n{held}, at the last sync with {server}")?,
                None if held.is_damaged() => write!(f, "\n{held}; `laterbase verify` tells more")?,
                // It is among the forks.
                None => {}
            }
        }
        for SkippedSummary { server, root } in &self.skipped {
            write!(f, "\n{server} does not take {root}")?;
        }
        for renewal in &self.renewal_lines {
            write!(f, "\nan earlier identity: {renewal}")?;
        }
        Ok(())
    }
}
