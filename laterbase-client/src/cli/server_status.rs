//! `laterbase status --server`: what a server holds, and who is behind.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Context as _;
use laterbase_client::client::{Client, ServerPeer, ServerUrl};
use laterbase_client::transport::HttpTransport;
use laterbase_core::printable::Printable;
use laterbase_core::time::parse_time;
use serde::Serialize;

use super::Common;
use super::output::Output;
use super::zone::Zone;

#[derive(Serialize)]
struct ServerSummary {
    server: String,
    replica: String,
    engine: String,
    roots: BTreeMap<String, RootSummary>,
    peers: Vec<ServerPeer>,
    /// When each of them was seen, for people.
    #[serde(skip)]
    seen: Vec<String>,
}

#[derive(Serialize)]
struct RootSummary {
    events: u64,
    aggregates: u64,
    digest: String,
}

pub(super) fn run(common: &Common, url: &ServerUrl, output: &mut Output) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the network")?;
    let client = Client::new(url.clone(), HttpTransport::new()?);
    let asked = runtime.block_on(async { Ok((client.status().await?, client.peers().await?)) });
    let (status, peers) = asked
        .map_err(|error: laterbase_client::client::ClientError| anyhow::Error::new(error))
        .with_context(|| format!("cannot ask {url}"))?;
    let zone = Zone::new(common.utc);
    let seen = |peer: &ServerPeer| match parse_time(&peer.seen_at) {
        Ok(time) => zone.minute(time),
        Err(_no_time) => "?".to_owned(),
    };
    let roots = status.roots.into_iter().map(|(name, root)| {
        let (events, aggregates) = (root.events, root.aggregates);
        (name.to_string(), RootSummary { events, aggregates, digest: root.digest })
    });
    let summary = ServerSummary {
        server: url.to_string(),
        replica: status.replica.to_string(),
        engine: status.engine,
        roots: roots.collect(),
        seen: peers.iter().map(seen).collect(),
        peers,
    };
    output.summary(&summary, &summary)
}

impl fmt::Display for ServerSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: replica {} on {}", self.server, self.replica, Printable(&self.engine))?;
        let width = self.roots.keys().map(String::len).max().unwrap_or(0).max("root".len());
        write!(f, "\n{:width$}  {:>10}  {:>10}  digest", "root", "events", "aggregates")?;
        for (name, RootSummary { events, aggregates, digest }) in &self.roots {
            let short: String = Printable(digest).to_string().chars().take(16).collect();
            write!(f, "\n{name:width$}  {events:>10}  {aggregates:>10}  {short}…")?;
        }
        if self.peers.is_empty() {
            return write!(f, "\nnobody has asked it to sync since it was started");
        }
        write!(f, "\n{:32}  {:16}  {:>10}  {:>8}  address", "peer", "seen", "lacks", "behind")?;
        for (peer, seen) in self.peers.iter().zip(&self.seen) {
            let unknown = || "?".to_owned();
            let name = peer.replica.clone().unwrap_or_else(unknown);
            let at_most = if peer.lacks_at_most { "≤" } else { "" };
            let lacks = peer.lacks.map_or_else(unknown, |count| format!("{at_most}{count}"));
            let behind = peer.behind_seconds.map_or_else(unknown, span);
            let address = peer.address.clone().unwrap_or_else(unknown);
            let (name, address) = (Printable(name).to_string(), Printable(address));
            write!(f, "\n{name:32}  {seen:16}  {lacks:>10}  {behind:>8}  {address}")?;
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
