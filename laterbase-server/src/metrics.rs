//! `GET /metrics`: what the server counts, as OpenMetrics text.
//!
//! What requests leave behind is counted as they go; the rest is gathered when somebody asks. No
//! label is taken from a request, but for roots, of which so many are told apart, and for peers, of
//! which so many are as well.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use laterbase_core::reader::{ReadError, Reader, Tally};
use laterbase_core::store::Condition;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::{Registry, Unit};

use crate::app::App;
use crate::callers::{Surveyed, Traffic};
use page::Page;

mod page;

/// The media type of what [`text`] gives.
pub(crate) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Roots, and peers, that have a label of their own. The others are summed up.
const LABELS_MAX: usize = 100;

/// The label of what is summed up. It is the name of no root and of no peer.
const OTHERS: &str = "(others)";

/// Gathers what is not counted all the time, and writes everything. Looks into the store.
pub(crate) fn text(app: &Arc<App>, reader: &Reader) -> Result<String, ReadError> {
    let mut registry = Registry::with_prefix("laterbase");
    registry.register_collector(Box::new(Gathered::gather(app, reader)?));
    let mut text = String::new();
    encode(&mut text, &registry).expect("writing into memory does not fail");
    Ok(text)
}

/// A peer, a direction, and how much went that way.
type Directed = (String, &'static str, u64);

/// What is so at one moment.
#[derive(Debug)]
struct Gathered {
    app: Arc<App>,
    replica: String,
    engine: &'static str,
    tally: Tally,
    /// Whether that tells nothing of roots that the server does not give.
    tells_all: bool,
    fork_count: usize,
    damaged_count: usize,
    condition: Condition,
    callers: Vec<Surveyed>,
    forgotten: Traffic,
    /// Own events that nobody else has, where there is somebody to have them.
    pending: Option<u64>,
}

impl Gathered {
    fn gather(app: &Arc<App>, reader: &Reader) -> Result<Self, ReadError> {
        let mut tally = reader.tally();
        let stored_count = tally.roots.len();
        tally.roots.retain(|root| app.syncs(&root.name));
        let mut damaged = reader.damaged();
        damaged.retain(|damaged| app.syncs(&damaged.root));
        let (mut callers, forgotten) = app.callers.survey(app, reader)?;
        callers.sort_by_key(|caller| caller.met);
        Ok(Self {
            app: Arc::clone(app),
            replica: reader.replica_id().to_string(),
            engine: reader.engine(),
            tells_all: tally.roots.len() == stored_count,
            fork_count: reader.fork_count(&|root| app.syncs(root)),
            damaged_count: damaged.len(),
            condition: reader.condition(),
            callers,
            forgotten,
            pending: pending(app, reader)?,
            tally,
        })
    }
}

#[cfg(feature = "peers")]
fn pending(app: &App, reader: &Reader) -> Result<Option<u64>, ReadError> {
    if app.meters.servers.load(Ordering::Relaxed) == 0 {
        return Ok(None);
    }
    let pending = laterbase_client::peers::pending(reader)?;
    Ok(Some(pending.iter().filter(|(root, _)| app.syncs(root)).map(|(_, count)| count).sum()))
}

/// Without peers, events go nowhere by themselves.
#[cfg(not(feature = "peers"))]
fn pending(_: &App, _: &Reader) -> Result<Option<u64>, ReadError> {
    Ok(None)
}

impl Collector for Gathered {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut page = Page(encoder);
        self.write_requests(&mut page)?;
        self.write_writes(&mut page)?;
        self.write_holdings(&mut page)?;
        self.write_doubts(&mut page)?;
        self.write_sync(&mut page)
    }
}

impl Gathered {
    fn write_requests(&self, page: &mut Page<'_>) -> fmt::Result {
        let meters = &self.app.meters;
        let told = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("engine", self.engine),
            ("replica", &self.replica),
        ];
        page.info("server", "Which server this is", &told)?;
        page.time_family(
            "request",
            "Time until the first byte of an answer, by declared route, method and class of status",
            ["route", "method", "status"],
            meters.requests(),
        )?;
        let bytes = Some(Unit::Bytes);
        let (body_in, body_out) = (count(&meters.bytes_in), count(&meters.bytes_out));
        page.counter("request_body", "Bodies that came in", bytes.as_ref(), body_in)?;
        page.counter("response_body", "Bodies that went out", bytes.as_ref(), body_out)?;
        page.counter_family(
            "refused_requests",
            "Requests that were answered with a problem, by its kind",
            ["problem"],
            meters.problems().filter(|(_, count)| *count > 0).map(|(kind, count)| ([kind], count)),
        )?;
        page.gauge("streams", "Live answers under way", None, count(&meters.streams))?;
        page.counter(
            "unlogged_requests",
            "Requests without a line in the access log, as there were too many",
            None,
            count(&meters.unlogged),
        )
    }

    fn write_writes(&self, page: &mut Page<'_>) -> fmt::Result {
        let meters = &self.app.meters;
        let waiting = self.app.writer.queue_length() as u64;
        page.gauge("queue_length", "Writes that wait for the writer", None, waiting)?;
        page.times("queue_wait", "Time that writes waited for the writer", &meters.queue_wait)?;
        page.counts("group_requests", "Writes in one commit", &meters.group_requests)?;
        page.counts("group_events", "Events that came to one commit", &meters.group_events)?;
        page.times("commit", "Time of a commit, with the sync of the disk", &meters.commit)?;
        let front = self.tally.front_events;
        page.gauge("front_events", "Events that the derived tables lack", None, front)?;
        let lag = if front > 0 { meters.since_flush().as_secs_f64() } else { 0.0 };
        let help = "Time since the derived tables held all events";
        page.gauge("flush_lag", help, Some(&Unit::Seconds), lag)?;
        page.times("flush", "Time of bringing the derived tables up to date", &meters.flush)?;
        page.counter(
            "snapshots",
            "Snapshots of folds that were stored",
            None,
            self.tally.snapshots_stored,
        )?;
        page.counts("folded_events", "Events that one read of aggregates looked at", &meters.folded)
    }

    fn write_holdings(&self, page: &mut Page<'_>) -> fmt::Result {
        let roots = self.tally.roots.iter().take(LABELS_MAX);
        let roots = roots.map(|root| ([root.name.as_str()], root.events));
        let rest = self.tally.roots.iter().skip(LABELS_MAX).map(|root| root.events);
        let rest = (self.tally.roots.len() > LABELS_MAX).then(|| ([OTHERS], rest.sum()));
        page.gauge_family("events", "Events held, by root", None, ["root"], roots.chain(rest))?;
        let bytes = Some(Unit::Bytes);
        if let Some(size) = self.condition.size_bytes {
            page.gauge("store_size", "What the store takes", bytes.as_ref(), size)?;
        }
        if let Some(left) = self.condition.left_bytes() {
            let help = "What may still be written, up to the bound or on the disk";
            page.gauge("store_left", help, bytes.as_ref(), left)?;
        }
        Ok(())
    }

    fn write_doubts(&self, page: &mut Page<'_>) -> fmt::Result {
        let forks = self.fork_count as u64;
        page.gauge("forks", "Origins of which there are two histories", None, forks)?;
        let held_back = (self.fork_count + self.damaged_count) as u64;
        let help = "Origins of which no further events are taken or given";
        page.gauge("held_back_origins", help, None, held_back)?;
        let unreadable: u64 = self.tally.roots.iter().map(|root| root.unreadable).sum();
        let help = "Events that no fold can read, and that every state leaves out";
        page.gauge("unreadable_events", help, None, unreadable)?;
        if self.tells_all {
            let counters = self.tally.counters;
            let help = "Events whose stamp was too far ahead to be believed";
            page.gauge("clock_suspect_events", help, None, counters.clock_suspect)?;
            let help = "Events that claim a future too far ahead";
            page.gauge("future_events", help, None, counters.future)?;
        }
        Ok(())
    }

    fn write_sync(&self, page: &mut Page<'_>) -> fmt::Result {
        let count = self.callers.len() as u64;
        page.gauge("peers", "Replicas and addresses that synced lately", None, count)?;
        let (pages, bytes) = self.traffic();
        let labels = ["peer", "direction"];
        page.counter_family(
            "sync_pages",
            "Pages of events that peers were given, or were taken of them",
            labels,
            pages.iter().map(|(peer, direction, count)| ([peer.as_str(), *direction], *count)),
        )?;
        page.counter_family(
            "sync_page_bytes",
            "Bytes of those on the wire",
            labels,
            bytes.iter().map(|(peer, direction, count)| ([peer.as_str(), *direction], *count)),
        )?;
        let known: Vec<(String, u64, u64)> = self
            .callers
            .iter()
            .filter_map(|it| Some((label(it), it.lacks?, it.behind_seconds?)))
            .take(LABELS_MAX)
            .collect();
        page.gauge_family(
            "peer_lacks_events",
            "Events that a peer lacks, as far as is known, or at most",
            None,
            ["peer"],
            known.iter().map(|(peer, lacks, _)| ([peer.as_str()], *lacks)),
        )?;
        page.gauge_family(
            "peer_behind",
            "How long a peer has lacked the first of them",
            Some(&Unit::Seconds),
            ["peer"],
            known.iter().map(|(peer, _, seconds)| ([peer.as_str()], *seconds)),
        )?;
        let meters = &self.app.meters;
        let syncs = self::count(&meters.syncs);
        let help = "Syncs with servers that this one keeps in sync with, that came to their end";
        page.counter("peer_syncs", help, None, syncs)?;
        let failures = self::count(&meters.sync_failures);
        page.counter("peer_sync_failures", "Those that failed", None, failures)?;
        match self.pending {
            None => Ok(()),
            Some(pending) => page.gauge(
                "pending_events",
                "Events of this server that no other server is known to hold",
                None,
                pending,
            ),
        }
    }

    /// Pages and bytes by peer and direction.
    fn traffic(&self) -> (Vec<Directed>, Vec<Directed>) {
        let mut peers: Vec<(String, Traffic)> = Vec::new();
        let mut others = self.forgotten;
        for (index, caller) in self.callers.iter().enumerate() {
            if index < LABELS_MAX {
                peers.push((label(caller), caller.traffic));
            } else {
                others.add(caller.traffic);
            }
        }
        if others != Traffic::default() {
            peers.push((OTHERS.to_owned(), others));
        }
        let both = |given: fn(&Traffic) -> u64, taken: fn(&Traffic) -> u64| {
            let cells = peers.iter().flat_map(move |(peer, traffic)| {
                [(peer.clone(), "given", given(traffic)), (peer.clone(), "taken", taken(traffic))]
            });
            cells.collect()
        };
        (
            both(|it| it.pages_given, |it| it.pages_taken),
            both(|it| it.bytes_given, |it| it.bytes_taken),
        )
    }
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Whom a caller is known as: its id, or else its address.
fn label(caller: &Surveyed) -> String {
    let replica = caller.replica.map(|id| id.to_string());
    replica.or(caller.address.map(|address| address.to_string())).unwrap_or_default()
}
