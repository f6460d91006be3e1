//! `laterbase sync`: pushes, then pulls, until caught up.

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use indicatif::ProgressBar;
use laterbase_client::client::{Client, ServerUrl};
use laterbase_client::device::Device;
use laterbase_client::sync::{SyncError, SyncOptions, SyncReport, sync};
use laterbase_client::transport::HttpTransport;
use laterbase_core::id::RootName;
use serde::Serialize;

use super::Common;
use super::output::{Output, complain};
use super::progress::{Unit, bar};

#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    /// The server's URL, such as http://127.0.0.1:4920.
    #[arg(long, value_name = "URL")]
    server: ServerUrl,
    /// A root to sync; all that either side has if none is named.
    #[arg(long = "root", value_name = "R")]
    roots: Vec<RootName>,
    /// Go on syncing until interrupted.
    #[arg(long)]
    watch: bool,
    /// How long --watch rests between two syncs.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, requires = "watch",
        value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
}

#[derive(Serialize)]
struct Summary {
    pushed: u64,
    pulled: u64,
    requests: u64,
    bytes_sent: u64,
    bytes_received: u64,
}

pub(crate) fn run(common: &Common, args: SyncArgs, output: &mut Output) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the network")?;
    let client = Client::new(args.server, HttpTransport::new()?);
    let roots = (!args.roots.is_empty()).then(|| args.roots.into_iter().collect());
    let options = SyncOptions { roots, ..SyncOptions::default() };
    let syncing = Syncing { client, options };
    common.with_device(|device| {
        if args.watch {
            let interval = Duration::from_secs(args.interval);
            runtime.block_on(syncing.watch(device, interval, output))
        } else {
            let report = runtime.block_on(syncing.once(device))?;
            warn_of_skipped(&report);
            summarize(&report, output)
        }
    })
}

/// One server, synced with as often as it takes.
struct Syncing {
    client: Client<HttpTransport>,
    options: SyncOptions,
}

impl Syncing {
    async fn once(&self, device: &Device) -> Result<SyncReport, SyncError> {
        let bar = bar(Some(0), Unit::Events);
        let report = sync(device, &self.client, &self.options, &mut progress(&bar)).await;
        bar.finish_and_clear();
        report
    }

    /// Syncs until interrupted. A sync that fails is no reason to end: the next may not.
    async fn watch(
        &self,
        device: &Device,
        interval: Duration,
        output: &mut Output,
    ) -> anyhow::Result<()> {
        let mut total = SyncReport::default();
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            let step = async {
                match self.once(device).await {
                    Ok(report) => {
                        total.add(&report);
                        if report.pushed + report.pulled > 0 && !output.is_json() {
                            summarize(&report, output)?;
                            output.flush()?;
                        }
                    }
                    Err(error) => complain(format_args!("{:#}", anyhow::Error::new(error))),
                }
                tokio::time::sleep(interval).await;
                anyhow::Ok(())
            };
            tokio::select! {
                done = step => done?,
                _signal = &mut interrupted => break,
            }
        }
        warn_of_skipped(&total);
        if output.is_json() { summarize(&total, output) } else { Ok(()) }
    }
}

fn progress(bar: &ProgressBar) -> impl FnMut(laterbase_client::sync::SyncProgress) + Send {
    |progress| {
        bar.set_length(progress.to_push + progress.to_pull);
        bar.set_position(progress.pushed + progress.pulled);
        bar.set_message(if progress.pulled > 0 { "pulled" } else { "pushed" });
    }
}

fn warn_of_skipped(report: &SyncReport) {
    for root in &report.skipped {
        complain(format_args!("the server does not take {root}, so it was left out"));
    }
}

fn summarize(report: &SyncReport, output: &mut Output) -> anyhow::Result<()> {
    let &SyncReport { pushed, pulled, requests, bytes_sent, bytes_received, .. } = report;
    output.summary(
        &Summary { pushed, pulled, requests, bytes_sent, bytes_received },
        format_args!(
            "pushed {pushed} and pulled {pulled} events in {requests} requests \
             ({bytes_sent} bytes sent, {bytes_received} received)"
        ),
    )
}
