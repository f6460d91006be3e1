//! `laterbase sync --watch`: stays in sync, and leaves the store to others while there is nothing
//! to do.

use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use anyhow::Context as _;
use laterbase_client::client::Client;
use laterbase_client::device::Device;
use laterbase_client::sync::{
    BackoffOptions, HeldBackNews, SyncOptions, SyncReport, Watch, WatchOptions, sync,
};
use laterbase_client::transport::HttpTransport;
use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep};

use super::super::footprint::{Footprint, footprint};
use super::super::held::{Held, is_locked};
use super::super::held_back::{ForkSummary, RenewalSummary, tell_renewals};
use super::super::output::{Output, complain};
use super::super::synced;
use super::destination::Destination;
use super::{Common, Sentence, Synced, failed, summarize};

/// How long a sync holds the store before it lets others have it.
const HOLD: Duration = Duration::from_secs(2);

/// For how long it lets them, so that whoever waits for the store notices.
const BREATH: Duration = Duration::from_millis(200);

/// After this time the store is looked into even if its files look untouched.
const LOOK: Duration = Duration::from_secs(60);

/// Failures in a row after which the store is let go. The next try comes after a rest.
const FAILURES_MAX: u32 = 2;

/// Syncs until interrupted. A sync that fails is no reason to end: the next one may not.
pub(super) fn run(
    common: &Common,
    runtime: &Runtime,
    client: &Client<HttpTransport>,
    destination: &Destination,
    interval_seconds: u64,
    output: &mut Output,
) -> anyhow::Result<()> {
    let options = destination.options();
    let backoff = BackoffOptions { failures_max: FAILURES_MAX, ..options.backoff };
    let options = SyncOptions { pause: Some(HOLD), backoff, ..options };
    let mut watch = Watch::new(client, options.roots.clone(), WatchOptions::default());
    let interval = Duration::from_secs(interval_seconds);
    let mut common = common.clone();
    let mut seen = Seen::default();
    runtime.block_on(async {
        let mut stop = pin!(stopped()?);
        loop {
            let syncing = Syncing { common: &common, client, destination, options: &options };
            let next = syncing.step(&mut stop, &mut seen, output).await?;
            // A new identity is taken once.
            common.new_identity = false;
            if matches!(next, Next::End) {
                return anyhow::Ok(());
            }
            tokio::select! {
                done = rest(&common, &mut watch, &mut seen, next, interval) => done?,
                () = &mut stop => return Ok(()),
            }
        }
    })?;
    if seen.total.left_out().next().is_some() {
        // It has been said when it was found.
        output.hold_back();
    }
    let Seen { total: report, forks, renewals, .. } = seen;
    if output.is_json() {
        summarize(Synced { report, forks, renewals }, Vec::new(), output)
    } else {
        Ok(())
    }
}

/// What has been seen of the store, and done so far.
#[derive(Default)]
struct Seen {
    /// The end of its log, all of which is with the server.
    head: u64,
    files: Footprint,
    total: SyncReport,
    forks: Vec<ForkSummary>,
    renewals: Vec<RenewalSummary>,
    /// What of it has been said.
    news: HeldBackNews,
}

impl Seen {
    /// Takes in a sync, and says what is held back now and was not before, or the other way round.
    fn take_in(&mut self, device: &Device, report: &SyncReport) {
        self.total.add(report);
        let Synced { forks, mut renewals, .. } = Synced::new(device, report.clone());
        self.forks = forks;
        self.renewals.append(&mut renewals);
        let change = self.news.take(report);
        for line in change.begun {
            complain(line);
        }
        for line in change.over {
            complain(format_args!("no longer: {line}"));
        }
    }
}

/// What is due after a sync.
enum Next {
    /// More of the same.
    GoOn,
    /// Waiting for news.
    Wait,
    /// It failed.
    Retry,
    /// It was interrupted.
    End,
}

/// What it takes to sync.
struct Syncing<'s> {
    common: &'s Common,
    client: &'s Client<HttpTransport>,
    destination: &'s Destination,
    options: &'s SyncOptions,
}

impl Syncing<'_> {
    /// Opens the store, syncs unless interrupted, and closes it.
    async fn step(
        &self,
        stop: &mut Pin<&mut impl Future<Output = ()>>,
        seen: &mut Seen,
        output: &mut Output,
    ) -> anyhow::Result<Next> {
        let Some(device) = open(self.common)? else { return Ok(Next::Retry) };
        let head = device.reader().head();
        let mut quiet = |_progress| {};
        let outcome = tokio::select! {
            outcome = sync(&*device, self.client, self.options, &mut quiet) => outcome,
            () = stop => {
                close(self.common, device, seen);
                return Ok(Next::End);
            }
        };
        synced::note(&device, self.client, &outcome);
        if let Ok(report) = &outcome {
            self.destination.remember(self.common);
            seen.take_in(&device, report);
        }
        tell_renewals(&device);
        let end = close(self.common, device, seen);
        match outcome {
            Ok(report) => {
                // What others have handed over meanwhile comes on top of what was pulled.
                seen.head = head + report.pulled;
                let is_behind = seen.head != end;
                if report.pushed + report.pulled > 0 && !output.is_json() {
                    output.line(Sentence(&report))?;
                    output.flush()?;
                }
                Ok(if report.more || is_behind { Next::GoOn } else { Next::Wait })
            }
            Err(error) => {
                let error = anyhow::Error::new(error).context(failed(self.client));
                complain(format_args!("{error:#}"));
                Ok(Next::Retry)
            }
        }
    }
}

/// Waits for news from the server, or in the store.
async fn rest(
    common: &Common,
    watch: &mut Watch<'_, HttpTransport>,
    seen: &mut Seen,
    next: Next,
    interval: Duration,
) -> anyhow::Result<()> {
    if let Next::GoOn = next {
        sleep(BREATH).await;
        return Ok(());
    }
    let cursor = seen.total.cursor.clone();
    let synced = matches!(next, Next::Wait);
    let mut news = pin!(watch.news(cursor.as_deref(), synced));
    let mut looked = Instant::now();
    loop {
        tokio::select! {
            () = &mut news => return Ok(()),
            () = sleep(interval), if synced => {
                let is_untouched = footprint(&common.store) == seen.files;
                if is_untouched && looked.elapsed() < LOOK {
                    continue;
                }
                looked = Instant::now();
                if has_local_news(common, seen)? {
                    return Ok(());
                }
            }
        }
    }
}

fn has_local_news(common: &Common, seen: &mut Seen) -> anyhow::Result<bool> {
    let Some(held) = open(common)? else { return Ok(false) };
    let head = close(common, held, seen);
    Ok(head != seen.head)
}

/// Opens the store; nothing, and a word about it, if another process does not let go of it.
fn open(common: &Common) -> anyhow::Result<Option<Held>> {
    match common.hold() {
        Ok(held) => Ok(Some(held)),
        Err(error) if is_locked(&error) => {
            complain(format_args!("{:#}", anyhow::Error::new(error)));
            Ok(None)
        }
        Err(error) => Err(error).context("cannot open the store"),
    }
}

/// Closes the store, and gives the end of its log.
fn close(common: &Common, held: Held, seen: &mut Seen) -> u64 {
    let reader = held.reader().clone();
    held.close();
    seen.files = footprint(&common.store);
    reader.head()
}

/// Done when the process is asked to end.
#[cfg(unix)]
fn stopped() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Done when the process is asked to end.
#[cfg(not(unix))]
fn stopped() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without the signal there is no end but the process's own.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
