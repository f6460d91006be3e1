//! What the reference server is told: flags, over environment, over a file.

use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Parser;
#[cfg(feature = "peers")]
use laterbase_client::client::ServerUrl;
use laterbase_core::fold::{Fold, Latest, MergePatch};
use laterbase_core::replica::ReplicaOptions;
use laterbase_core::store::Durability;
use laterbase_server::{Builder, Engine, Server, SyncRoots};
use serde::Deserialize;

const DATA_DEFAULT: &str = "laterbase-server-data";
const LISTEN_DEFAULT: &str = "127.0.0.1:4920";

/// Serves a Laterbase replica over HTTP.
///
/// Without --root it takes every root and folds it by merge-patch.
#[derive(Debug, Default, Parser)]
#[command(name = "laterbase-server", version)]
pub(crate) struct Config {
    #[command(flatten)]
    settings: Settings,

    /// A TOML file with any of the long options above, such as `listen = "0.0.0.0:4920"`
    #[arg(long, env = "LATERBASE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Take a new replica id, as after a restored backup
    #[arg(long)]
    new_identity: bool,
}

/// What may stand in the file as well. Nothing said anywhere means the default.
#[derive(Debug, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct Settings {
    /// The data directory [default: ./laterbase-server-data]
    #[arg(long, env = "LATERBASE_DATA", value_name = "DIR")]
    data: Option<PathBuf>,

    /// The address to listen on; port 0 picks one [default: 127.0.0.1:4920]
    #[arg(long, env = "LATERBASE_LISTEN", value_name = "ADDR")]
    listen: Option<String>,

    /// A root to take, and the fold it is read by: merge-patch (the default) or latest
    #[arg(long, env = "LATERBASE_ROOT", value_name = "NAME[=FOLD]", value_delimiter = ',')]
    root: Vec<String>,

    /// The storage engine: lmdb (the default), rocks or memory
    #[arg(long, env = "LATERBASE_STORE", value_name = "ENGINE")]
    store: Option<String>,

    /// When a write is acknowledged: durable (on disk, the default) or relaxed
    #[arg(long, env = "LATERBASE_DURABILITY", value_name = "WHEN")]
    durability: Option<String>,

    /// Which roots take part in sync: any (the default) or known
    #[arg(long, env = "LATERBASE_SYNC_ROOTS", value_name = "WHICH")]
    sync_roots: Option<String>,

    /// Another server to keep in sync with; give one side of a pair the other
    #[arg(long, env = "LATERBASE_PEER", value_name = "URL", value_delimiter = ',')]
    peer: Vec<String>,

    /// Most requests that wait for the writer before others are turned away [default: 1024]
    #[arg(long, env = "LATERBASE_QUEUE_LENGTH", value_name = "REQUESTS")]
    queue_length: Option<usize>,
}

impl Config {
    /// Fills in from the file what flags and environment left open.
    pub(crate) fn complete(mut self) -> anyhow::Result<Self> {
        if let Some(path) = &self.config {
            let at = || format!("cannot use the configuration file {}", path.display());
            let text = fs::read_to_string(path).with_context(at)?;
            let file: Settings = toml::from_str(&text).with_context(at)?;
            self.settings = self.settings.or(file);
        }
        Ok(self)
    }

    /// The address to listen on.
    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        let text = self.settings.listen.as_deref().unwrap_or(LISTEN_DEFAULT);
        let mut found = text.to_socket_addrs().with_context(|| {
            format!("{text:?} is no address to listen on, such as {LISTEN_DEFAULT}")
        })?;
        found.next().with_context(|| format!("{text:?} leads to no address"))
    }

    /// The servers to keep in sync with.
    #[cfg(feature = "peers")]
    pub(crate) fn peers(&self) -> anyhow::Result<Vec<ServerUrl>> {
        let urls = self.settings.peer.iter().map(|url| {
            url.parse::<ServerUrl>().with_context(|| format!("{url:?} is no server's URL"))
        });
        urls.collect()
    }

    /// Without the feature there are none.
    #[cfg(not(feature = "peers"))]
    pub(crate) fn peers(&self) -> anyhow::Result<Vec<std::convert::Infallible>> {
        if !self.settings.peer.is_empty() {
            bail!("this program was built without peers; build it with that feature");
        }
        Ok(Vec::new())
    }

    /// The server, still to be built.
    pub(crate) fn server(&self) -> anyhow::Result<Builder> {
        let settings = &self.settings;
        let data = settings.data.clone().unwrap_or_else(|| DATA_DEFAULT.into());
        let engine = settings.store.as_deref().map(str::parse::<Engine>).transpose()?;
        let options =
            ReplicaOptions { new_identity: self.new_identity, ..ReplicaOptions::default() };
        let mut server = Server::builder()
            .data_in(data, engine.unwrap_or_default())
            .durability(durability(settings.durability.as_deref())?)
            .sync_roots(sync_roots(settings.sync_roots.as_deref())?)
            .replica_options(options);
        if let Some(length) = settings.queue_length {
            server = server.queue_length_max(length);
        }
        if settings.root.is_empty() {
            return Ok(server.fallback(Arc::new(MergePatch)));
        }
        settings.root.iter().try_fold(server, |server, root| with_root(server, root))
    }
}

impl Settings {
    fn or(self, file: Self) -> Self {
        Self {
            data: self.data.or(file.data),
            listen: self.listen.or(file.listen),
            root: if self.root.is_empty() { file.root } else { self.root },
            store: self.store.or(file.store),
            durability: self.durability.or(file.durability),
            sync_roots: self.sync_roots.or(file.sync_roots),
            peer: if self.peer.is_empty() { file.peer } else { self.peer },
            queue_length: self.queue_length.or(file.queue_length),
        }
    }
}

/// Takes a root by both built-in folds, the one that is asked for first.
fn with_root(server: Builder, text: &str) -> anyhow::Result<Builder> {
    let (name, fold) = text.split_once('=').unwrap_or((text, "merge-patch"));
    let mut folds: [Arc<dyn Fold>; 2] = [Arc::new(MergePatch), Arc::new(Latest)];
    match folds.iter().position(|candidate| candidate.name() == fold) {
        Some(index) => folds.rotate_left(index),
        None => bail!("there is no fold {fold:?} for the root {name}: merge-patch or latest"),
    }
    Ok(folds.into_iter().fold(server, |server, fold| server.fold(name, fold)))
}

fn durability(text: Option<&str>) -> anyhow::Result<Durability> {
    match text {
        None | Some("durable") => Ok(Durability::Durable),
        Some("relaxed") => Ok(Durability::Relaxed),
        Some(other) => bail!("a durability is durable or relaxed, not {other:?}"),
    }
}

fn sync_roots(text: Option<&str>) -> anyhow::Result<SyncRoots> {
    match text {
        None | Some("any") => Ok(SyncRoots::Any),
        Some("known") => Ok(SyncRoots::Known),
        Some(other) => bail!("the roots of sync are any or known, not {other:?}"),
    }
}

#[cfg(test)]
mod tests;
