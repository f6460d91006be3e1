//! `laterbase status --server`: what a server holds, and who is behind.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use anyhow::Context as _;
use laterbase_client::client::{Client, ServerPeer, ServerRoot, ServerStorage, ServerUrl};
use laterbase_client::device::DeviceError;
use laterbase_client::sync::{Distance, distances};
use laterbase_client::transport::HttpTransport;
use laterbase_core::id::RootName;
use laterbase_core::printable::Printable;
use laterbase_core::reader::Reader;
use laterbase_core::replica::OpenError;
use laterbase_core::selection::RootSelection;
use laterbase_core::time::parse_time;
use serde::Serialize;

use super::Common;
use super::output::Output;
use super::room::amount;
use super::zone::Zone;

/// From how many seconds on it is said that two clocks differ.
pub(super) const CLOCK_TOLD: i64 = 5;
pub(super) const CLOCK_BEHIND_TOLD: i64 = -CLOCK_TOLD;

#[derive(Serialize)]
struct ServerSummary {
    server: String,
    replica: String,
    engine: String,
    storage: ServerStorage,
    roots: BTreeMap<String, RootSummary>,
    peers: Vec<ServerPeer>,
    /// When each of them was seen, for people.
    #[serde(skip)]
    seen: Vec<String>,
}

/// A root as the server has it.
#[derive(Default, Serialize)]
struct RootSummary {
    events: u64,
    aggregates: u64,
    /// `None` if this store has the root alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// How far this store and the server are behind each other, where there is a store.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    distance: Option<DistanceSummary>,
}

#[derive(Clone, Copy, Default, Serialize)]
struct DistanceSummary {
    /// Events that the server holds and this store does not.
    here_lacks: u64,
    /// Events that this store holds and the server does not.
    server_lacks: u64,
}

pub(super) fn run(common: &Common, url: &ServerUrl, output: &mut Output) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the network")?;
    let client = Client::new(url.clone(), HttpTransport::new()?);
    let reader = store(common)?;
    let asked = runtime.block_on(async {
        let (status, peers) = (client.status().await?, client.peers().await?);
        let distances = match &reader {
            Some(reader) => Some(distances(reader, &client, &RootSelection::default()).await?),
            None => None,
        };
        Ok((status, peers, distances))
    });
    let (status, peers, distances) = asked
        .map_err(|error: laterbase_client::client::ClientError| anyhow::Error::new(error))
        .with_context(|| format!("cannot ask {url}"))?;
    let zone = Zone::new(common.utc);
    let seen = |peer: &ServerPeer| match parse_time(&peer.seen_at) {
        Ok(time) => zone.minute(time),
        Err(_no_time) => "?".to_owned(),
    };
    let roots = roots_of(status.roots, distances.as_ref());
    let summary = ServerSummary {
        server: url.to_string(),
        replica: status.replica.to_string(),
        engine: status.engine,
        storage: status.storage,
        roots,
        seen: peers.iter().map(seen).collect(),
        peers,
    };
    output.summary(&summary, &summary)
}

/// The store, if there is one, as it is now: asking a server keeps nobody else from it.
fn store(common: &Common) -> anyhow::Result<Option<Reader>> {
    if !common.has_store()? {
        return Ok(None);
    }
    let folds = common.options().folds;
    let frozen = common.freeze().and_then(|store| Ok(Reader::of_frozen(store, Arc::new(folds))?));
    match frozen {
        Ok(reader) => Ok(Some(reader)),
        Err(DeviceError::Replica(OpenError::Unmade)) => Ok(None),
        Err(error) => Err(error).context("cannot read the store"),
    }
}

/// The roots that either side has.
fn roots_of(
    held: impl IntoIterator<Item = (RootName, ServerRoot)>,
    distances: Option<&BTreeMap<RootName, Distance>>,
) -> BTreeMap<String, RootSummary> {
    let mut roots: BTreeMap<String, RootSummary> = BTreeMap::new();
    for (name, root) in held {
        let summary = roots.entry(name.to_string()).or_default();
        (summary.events, summary.aggregates) = (root.events, root.aggregates);
        summary.digest = Some(root.digest);
    }
    for (name, &Distance { here_lacks, server_lacks }) in distances.into_iter().flatten() {
        let summary = roots.entry(name.to_string()).or_default();
        summary.distance = Some(DistanceSummary { here_lacks, server_lacks });
    }
    roots
}

impl fmt::Display for ServerSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: replica {} on {}", self.server, self.replica, Printable(&self.engine))?;
        if let (Some(taken), Some(left)) = (self.storage.size_bytes, self.storage.left_bytes) {
            write!(f, "\n{}, {} left", amount(taken), amount(left))?;
        }
        let width = self.roots.keys().map(String::len).max().unwrap_or(0).max("root".len());
        let compares = self.roots.values().any(|root| root.distance.is_some());
        write!(f, "\n{:width$}  {:>10}  {:>10}", "root", "events", "aggregates")?;
        if compares {
            write!(f, "  {:>10}  {:>10}", "here lacks", "it lacks")?;
        }
        write!(f, "  digest")?;
        for (name, RootSummary { events, aggregates, digest, distance }) in &self.roots {
            write!(f, "\n{name:width$}  {events:>10}  {aggregates:>10}")?;
            if compares {
                let DistanceSummary { here_lacks, server_lacks } = distance.unwrap_or_default();
                write!(f, "  {here_lacks:>10}  {server_lacks:>10}")?;
            }
            match digest {
                Some(digest) => {
                    let short: String = Printable(digest).to_string().chars().take(16).collect();
                    write!(f, "  {short}…")?;
                }
                None => write!(f, "  -")?,
            }
        }
        if self.peers.is_empty() {
            return write!(f, "\nnobody has asked it to sync since it was started");
        }
        write!(f, "\n{:32}  {:16}  {:>10}  {:>8}  address", "peer", "seen", "lacks", "behind")?;
        write!(f, "  called")?;
        for (peer, seen) in self.peers.iter().zip(&self.seen) {
            let unknown = || "?".to_owned();
            let name = peer.replica.clone().unwrap_or_else(unknown);
            let at_most = if peer.lacks_at_most { "≤" } else { "" };
            let lacks = peer.lacks.map_or_else(unknown, |count| format!("{at_most}{count}"));
            let behind = peer.behind_seconds.map_or_else(unknown, span);
            let address = peer.address.clone().unwrap_or_else(unknown);
            let (name, address) = (Printable(name).to_string(), Printable(address));
            write!(f, "\n{name:32}  {seen:16}  {lacks:>10}  {behind:>8}  {address}")?;
            if let Some(called) = &peer.name {
                write!(f, "  {}", Printable(called))?;
            }
            match peer.clock_ahead {
                Some(ahead @ CLOCK_TOLD..) => write!(f, "  its clock is {ahead} s ahead")?,
                Some(behind @ ..=CLOCK_BEHIND_TOLD) => {
                    write!(f, "  its clock is {} s behind", behind.unsigned_abs())?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A time in the largest unit that it fills.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}
