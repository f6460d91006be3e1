//! `laterbase sync`: pushes, then pulls, until caught up.

mod destination;
mod watching;

use std::fmt;
use std::str::FromStr;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use laterbase_client::client::{Client, Compression, ServerUrl};
use laterbase_client::device::Device;
use laterbase_client::sync::{SyncError, SyncOptions, SyncProgress, SyncReport, sync};
use laterbase_client::transport::{HttpTransport, Transport};
use laterbase_core::id::RootName;
use laterbase_core::selection::{RootSelection, SelectionError};
use serde::Serialize;
use tokio::runtime::Runtime;

use super::held_back::{self, ForkSummary, HeldBackSummary, RenewalSummary};
use super::output::{Output, complain};
use super::progress::{Unit, bar};
use super::{Common, synced};
use destination::Destination;

#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    /// The server's URL, such as http://127.0.0.1:4920 [default: the one that is remembered].
    #[arg(long, env = "LATERBASE_SERVER", value_name = "URL")]
    server: Option<ServerUrl>,
    /// A root to sync: shipment, shipment@depot-7, or shipment@* for every partition of shipment.
    /// Without it those that are remembered, or all that either side has.
    #[arg(long = "root", value_name = "R")]
    roots: Vec<RootEntry>,
    /// Whether what goes over the link is compressed: auto does until the link has shown that it
    /// carries more than 8 MB a second.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    compression: CompressionArg,
    /// Stay in sync until interrupted. The store is closed while there is nothing to do, so that
    /// other commands can use it.
    #[arg(long)]
    watch: bool,
    /// How often --watch looks for events that were recorded here meanwhile.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, requires = "watch",
        value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
}

/// An entry of a selection of roots.
#[derive(Clone, Debug)]
pub(super) struct RootEntry(String);

impl RootEntry {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for one root, and not for every partition of a name.
    pub(super) fn is_one_root(&self) -> bool {
        RootName::new(&self.0).is_ok()
    }
}

impl FromStr for RootEntry {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, SelectionError> {
        RootSelection::from_entries([text]).map(|_fits| Self(text.to_owned()))
    }
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum CompressionArg {
    #[default]
    Auto,
    Always,
    Never,
}

impl From<CompressionArg> for Compression {
    fn from(argument: CompressionArg) -> Self {
        match argument {
            CompressionArg::Auto => Self::Auto,
            CompressionArg::Always => Self::Always,
            CompressionArg::Never => Self::Never,
        }
    }
}

#[derive(Serialize)]
struct Summary {
    pushed: u64,
    pulled: u64,
    requests: u64,
    bytes_sent: u64,
    bytes_received: u64,
    held_back: Vec<HeldBackSummary>,
    forks: Vec<ForkSummary>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skipped: Vec<String>,
    /// Roots that the server has and this store does not take.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_taken: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    renewals: Vec<RenewalSummary>,
}

/// A sync that has ended, and what the store knows of what it left.
struct Synced {
    report: SyncReport,
    forks: Vec<ForkSummary>,
    renewals: Vec<RenewalSummary>,
}

impl Synced {
    fn new(device: &Device, report: SyncReport) -> Self {
        let forks = held_back::forks(device, &report.held_back);
        let renewals = device.reader().renewals_since_open();
        Self { report, forks, renewals: renewals.iter().map(RenewalSummary::from).collect() }
    }
}

pub(crate) fn run(common: &Common, args: SyncArgs, output: &mut Output) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the network")?;
    let destination = Destination::choose(common, &args)?;
    let client = Client::new(destination.server.clone(), HttpTransport::new()?);
    let client = client.with_compression(args.compression.into());
    if args.watch {
        return watching::run(common, &runtime, &client, &destination, args.interval, output);
    }
    let options = destination.options();
    let synced = common.with_device(|device| {
        destination.announce(&runtime, &client, device.reader());
        let outcome = once(&runtime, device, &client, &options);
        synced::note(device, &client, &outcome);
        Ok(Synced::new(device, outcome.with_context(|| failed(&client))?))
    })?;
    destination.remember(common);
    let others = destination.others(&runtime, &client);
    warn(&synced.report, output);
    summarize(synced, others, output)
}

/// What a sync's error is about.
fn failed<T: Transport>(client: &Client<T>) -> String {
    format!("cannot sync with {}", client.server())
}

fn once(
    runtime: &Runtime,
    device: &Device,
    client: &Client<HttpTransport>,
    options: &SyncOptions,
) -> Result<SyncReport, SyncError> {
    let bar = bar(Some(0), Unit::Events);
    let report = runtime.block_on(sync(device, client, options, &mut progress(&bar)));
    bar.finish_and_clear();
    report
}

fn progress(bar: &ProgressBar) -> impl FnMut(SyncProgress) + Send {
    |progress| {
        bar.set_length(progress.to_push + progress.to_pull);
        bar.set_position(progress.pushed + progress.pulled);
        bar.set_message(if progress.pulled > 0 { "pulled" } else { "pushed" });
    }
}

/// Says what was left out.
fn warn(report: &SyncReport, output: &mut Output) {
    for left_out in report.left_out() {
        complain(left_out);
        output.hold_back();
    }
}

/// What a sync did, in a sentence.
struct Sentence<'r>(&'r SyncReport);

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SyncReport { pushed, pulled, requests, bytes_sent, bytes_received, .. } = self.0;
        write!(
            f,
            "pushed {pushed} and pulled {pulled} events in {requests} requests \
             ({bytes_sent} bytes sent, {bytes_received} received)"
        )
    }
}

fn summarize(synced: Synced, not_taken: Vec<String>, output: &mut Output) -> anyhow::Result<()> {
    let Synced { report, forks, renewals } = synced;
    let SyncReport { pushed, pulled, requests, bytes_sent, bytes_received, .. } = report;
    let held_back = held_back::summaries(&report.held_back);
    let skipped = report.skipped.iter().map(ToString::to_string).collect();
    let summary = Summary {
        pushed,
        pulled,
        requests,
        bytes_sent,
        bytes_received,
        held_back,
        forks,
        skipped,
        not_taken,
        renewals,
    };
    let others = match &summary.not_taken[..] {
        [] => String::new(),
        others => {
            format!("\nthe server also has {}, which this store does not take", others.join(", "))
        }
    };
    output.summary(&summary, format_args!("{}{others}", Sentence(&report)))
}
