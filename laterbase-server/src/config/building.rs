//! From what was said to a server that is still to be built.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
#[cfg(feature = "peers")]
use laterbase_client::client::ServerUrl;
use laterbase_core::fold::{BUILT_IN_NAMES, MergePatch, built_in};
use laterbase_core::replica::ReplicaOptions;
use laterbase_core::store::Durability;
use laterbase_core::time::parse_bound_ahead;
use laterbase_directory::parse_size;
use laterbase_schema::RootSchemas;
#[cfg(feature = "backups")]
use laterbase_server::BackupOptions;
use laterbase_server::{Bounds, Builder, Engine, Server, SyncRoots};

use super::settings::Settings;

#[cfg(feature = "peers")]
pub(crate) type PeerUrl = ServerUrl;
/// Without the feature there are none.
#[cfg(not(feature = "peers"))]
pub(crate) type PeerUrl = std::convert::Infallible;

impl Settings {
    /// The server, still to be built.
    pub(crate) fn server(&self, new_identity: bool) -> anyhow::Result<Builder> {
        let mut options = ReplicaOptions { new_identity, ..ReplicaOptions::default() };
        if let Some(nanos) = self.future_nanos_max()? {
            options.future_nanos_max = nanos;
        }
        let mut server = Server::builder()
            .data_in(self.data.clone().unwrap_or_default(), self.engine()?)
            .durability(self.durability()?)
            .sync_roots(self.sync_roots()?)
            .replica_options(options);
        if let Some(bytes) = self.store_bytes_max()? {
            server = server.max_store_size(bytes);
        }
        if let Some(length) = self.queue_length {
            server = server.queue_length_max(length.get());
        }
        server = self.backed_up(server)?.bounds(self.bounds());
        server = self.host.iter().fold(server, |server, host| server.host(host));
        server = self.allow_origin.iter().fold(server, |server, it| server.allow_origin(it));
        if let Some(seconds) = self.fold_seconds {
            server = server.fold_time_max(Duration::from_secs(seconds.get()));
        }
        if let Some(bytes) = self.state_bytes {
            server = server.state_bytes_max(bytes.get());
        }
        self.folds(self.console(server)?)
    }

    /// The address to listen on.
    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        let text = self.listen.as_deref().unwrap_or_default();
        let mut found = text.to_socket_addrs().with_context(|| {
            format!("{text:?} is no address to listen on, such as 127.0.0.1:4920")
        })?;
        found.next().with_context(|| format!("{text:?} leads to no address"))
    }

    /// The servers to keep in sync with.
    pub(crate) fn peers(&self) -> anyhow::Result<Vec<PeerUrl>> {
        self.peer.iter().map(|url| peer(url)).collect()
    }

    pub(super) fn engine(&self) -> anyhow::Result<Engine> {
        let text = self.store.as_deref().unwrap_or_default();
        text.parse().with_context(|| format!("there is no store {text:?}"))
    }

    pub(super) fn durability(&self) -> anyhow::Result<Durability> {
        match self.durability.as_deref() {
            None | Some("durable") => Ok(Durability::Durable),
            Some("relaxed") => Ok(Durability::Relaxed),
            Some(other) => bail!("a durability is durable or relaxed, not {other:?}"),
        }
    }

    pub(super) fn sync_roots(&self) -> anyhow::Result<SyncRoots> {
        match self.sync_roots.as_deref() {
            None | Some("any") => Ok(SyncRoots::Any),
            Some("known") => Ok(SyncRoots::Known),
            Some(other) => bail!("the roots of sync are any or known, not {other:?}"),
        }
    }

    pub(super) fn future_nanos_max(&self) -> anyhow::Result<Option<i64>> {
        let Some(text) = &self.max_future else { return Ok(None) };
        let at = || format!("the bound on the future cannot be {text:?}");
        parse_bound_ahead(text).with_context(at).map(Some)
    }

    pub(super) fn store_bytes_max(&self) -> anyhow::Result<Option<u64>> {
        let size = self.max_store_size.as_deref().filter(|size| !size.is_empty());
        size.map(|size| parse_size(size).with_context(|| format!("{size:?} is no size")))
            .transpose()
    }

    /// Says whether there are pages.
    #[cfg(feature = "console")]
    pub(super) fn console(&self, server: Builder) -> anyhow::Result<Builder> {
        Ok(server.console(self.console.unwrap_or(true)))
    }

    /// Without the feature there are none.
    #[cfg(not(feature = "console"))]
    pub(super) fn console(&self, server: Builder) -> anyhow::Result<Builder> {
        Ok(server)
    }

    /// Registers the folds of the roots, each behind the root's schemas.
    fn folds(&self, mut server: Builder) -> anyhow::Result<Builder> {
        let schemas = self.schemas()?;
        for text in &self.root {
            server = with_root(server, text, &schemas)?;
        }
        if !self.root.is_empty() {
            return Ok(server);
        }
        server = server.fallback(Arc::new(MergePatch));
        schemas.roots().try_fold(server, |server, root| with_root(server, root, &schemas))
    }

    /// The schemas of the roots, each of which is taken.
    fn schemas(&self) -> anyhow::Result<RootSchemas> {
        let mut schemas = RootSchemas::default();
        self.schema.iter().try_for_each(|entry| self.read_schema(entry, &mut schemas))?;
        Ok(schemas)
    }

    pub(super) fn read_schema(&self, entry: &str, into: &mut RootSchemas) -> anyhow::Result<()> {
        let (root, file) = RootSchemas::split(entry)?;
        let is_named = self.root.iter().any(|text| name_and_fold(text).0 == root.as_str());
        if !self.root.is_empty() && !is_named {
            bail!("{root} has a schema, but is none of the roots of --root");
        }
        Ok(into.read(&root, file)?)
    }

    /// How often a backup is taken.
    pub(super) fn backup_period(&self) -> anyhow::Result<Option<Duration>> {
        let Some(text) = &self.backup_every else { return Ok(None) };
        let at = || format!("the time between backups cannot be {text:?}");
        let nanos = parse_bound_ahead(text).with_context(at)?;
        let seconds = nanos.unsigned_abs() / 1_000_000_000;
        if nanos == i64::MAX || seconds == 0 {
            bail!("the time between backups is at least a second, and not {text:?}");
        }
        Ok(Some(Duration::from_secs(seconds)))
    }

    #[cfg(feature = "backups")]
    fn backed_up(&self, server: Builder) -> anyhow::Result<Builder> {
        let Some(directory) = self.backup_dir.clone() else { return Ok(server) };
        let (every, keep) = (self.backup_period()?, self.backup_keep);
        Ok(server.backups(BackupOptions { directory, every, keep }))
    }

    #[cfg(not(feature = "backups"))]
    fn backed_up(&self, server: Builder) -> anyhow::Result<Builder> {
        Ok(server)
    }

    pub(crate) fn bounds(&self) -> Bounds {
        let default = Bounds::default();
        let seconds = |set: Option<NonZeroU64>, default| {
            set.map_or(default, |seconds| Duration::from_secs(seconds.get()))
        };
        let size = |set: Option<NonZeroUsize>, default| {
            set.map_or(default, |size: NonZeroUsize| size.get())
        };
        Bounds {
            connections_max: self.connections.map(NonZeroUsize::get),
            connections_per_address_max: self.connections_per_address.map(NonZeroUsize::get),
            head_time_max: seconds(self.head_seconds, default.head_time_max),
            idle_time_max: seconds(self.idle_seconds, default.idle_time_max),
            lag_time_max: seconds(self.lag_seconds, default.lag_time_max),
            bytes_per_second_min: self
                .bytes_per_second_min
                .map_or(default.bytes_per_second_min, NonZeroU64::get),
            body_bytes_max: size(self.body_bytes, default.body_bytes_max),
            answer_bytes_max: size(self.answer_bytes, default.answer_bytes_max),
            stop_time_max: seconds(self.stop_seconds, default.stop_time_max),
        }
    }
}

#[cfg(feature = "peers")]
pub(super) fn peer(url: &str) -> anyhow::Result<PeerUrl> {
    url.parse::<ServerUrl>().with_context(|| format!("{url:?} is no server's URL"))
}

#[cfg(not(feature = "peers"))]
pub(super) fn peer(_url: &str) -> anyhow::Result<PeerUrl> {
    bail!("this program was built without peers; build it with that feature")
}

/// Reads `shipment=latest`.
fn name_and_fold(text: &str) -> (&str, &str) {
    text.split_once('=').unwrap_or((text, "merge-patch"))
}

/// Takes a root by all built-in folds, the one that is asked for first.
pub(super) fn with_root(
    server: Builder,
    text: &str,
    schemas: &RootSchemas,
) -> anyhow::Result<Builder> {
    let (name, fold) = name_and_fold(text);
    let mut folds = built_in();
    match folds.iter().position(|candidate| candidate.name() == fold) {
        Some(index) => folds.rotate_left(index),
        None => {
            bail!("there is no fold {fold:?} for the root {name}: {}", BUILT_IN_NAMES.join(", "))
        }
    }
    Ok(folds.into_iter().fold(server, |server, fold| server.fold(name, schemas.before(name, fold))))
}
