//! What the reference server is told: flags, over environment, over a file.

use std::env;
use std::fs;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::builder::Resettable;
use clap::{Args as _, CommandFactory, FromArgMatches, Parser};
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
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use crate::logging::{self, Format};

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

    /// A root to take, and the fold it is read by: merge-patch (the default), latest or by-type
    #[arg(long, env = "LATERBASE_ROOT", value_name = "NAME[=FOLD]", value_delimiter = ',')]
    root: Vec<String>,

    /// A root and a file with the JSON Schemas of its events, such as shipment=shipment.json; what
    /// they do not take is refused
    #[arg(long, env = "LATERBASE_SCHEMA", value_name = "NAME=FILE", value_delimiter = ',')]
    schema: Vec<String>,

    /// The storage engine: lmdb (the default), rocks or memory
    #[arg(long, env = "LATERBASE_ENGINE", value_name = "ENGINE")]
    store: Option<String>,

    /// When a write is acknowledged: durable (on disk, the default) or relaxed
    #[arg(long, env = "LATERBASE_DURABILITY", value_name = "WHEN")]
    durability: Option<String>,

    /// How far into the future a write may place an event: a duration such as "2h" or "5 days", or
    /// none for planned times [default: 60s]
    #[arg(
        long,
        env = "LATERBASE_MAX_FUTURE",
        value_name = "DURATION|none",
        allow_hyphen_values = true
    )]
    max_future: Option<String>,

    /// Which roots take part in sync: any (the default) or known
    #[arg(long, env = "LATERBASE_SYNC_ROOTS", value_name = "WHICH")]
    sync_roots: Option<String>,

    /// Another server to keep in sync with; give one side of a pair the other
    #[arg(long, env = "LATERBASE_PEER", value_name = "URL", value_delimiter = ',')]
    peer: Vec<String>,

    /// A name or address that the server is known by, beside loopback and --listen
    #[arg(long, env = "LATERBASE_HOST", value_name = "NAME", value_delimiter = ',')]
    host: Vec<String>,

    /// An origin whose pages in browsers may read and write, such as https://app.example
    #[arg(long, env = "LATERBASE_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    allow_origin: Vec<String>,

    /// What is logged: levels, and names with one, such as warn,access=info [default: info]
    #[arg(long, env = "LATERBASE_LOG", value_name = "FILTER")]
    log: Option<String>,

    /// How the log looks: text (the default) or json
    #[arg(long, env = "LATERBASE_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<String>,

    /// Most bytes that the store may take, such as 500M or 20G; beyond them writes are turned away
    #[arg(long, env = "LATERBASE_MAX_STORE_SIZE", value_name = "SIZE")]
    max_store_size: Option<String>,

    /// A folder in which the server keeps backups of itself; POST /backup takes one
    #[arg(long, env = "LATERBASE_BACKUP_DIR", value_name = "DIR")]
    backup_dir: Option<PathBuf>,

    /// How long after the last backup the next one is taken, such as 1h or "1 day"
    #[arg(long, env = "LATERBASE_BACKUP_EVERY", value_name = "DURATION")]
    backup_every: Option<String>,

    /// How many backups stay in the folder [default: all]
    #[arg(long, env = "LATERBASE_BACKUP_KEEP", value_name = "COUNT")]
    backup_keep: Option<NonZeroUsize>,

    /// Most requests that wait for the writer before others are turned away [default: 1024]
    #[arg(long, env = "LATERBASE_QUEUE_LENGTH", value_name = "REQUESTS")]
    queue_length: Option<NonZeroUsize>,

    /// Most connections at once [default: as file descriptors allow, at most 16384]
    #[arg(long, env = "LATERBASE_CONNECTIONS", value_name = "COUNT")]
    connections: Option<NonZeroUsize>,

    /// Most connections at once from one address [default: half of the others]
    #[arg(long, env = "LATERBASE_CONNECTIONS_PER_ADDRESS", value_name = "COUNT")]
    connections_per_address: Option<NonZeroUsize>,

    /// How long the head of a request may take [default: 30]
    #[arg(long, env = "LATERBASE_HEAD_SECONDS", value_name = "SECONDS")]
    head_seconds: Option<NonZeroU64>,

    /// How long a connection may be without a request [default: 60]
    #[arg(long, env = "LATERBASE_IDLE_SECONDS", value_name = "SECONDS")]
    idle_seconds: Option<NonZeroU64>,

    /// How long a body or an answer may be slower than --bytes-per-second-min [default: 30]
    #[arg(long, env = "LATERBASE_LAG_SECONDS", value_name = "SECONDS")]
    lag_seconds: Option<NonZeroU64>,

    /// What a body or an answer must come to [default: 2048]
    #[arg(long, env = "LATERBASE_BYTES_PER_SECOND_MIN", value_name = "BYTES")]
    bytes_per_second_min: Option<NonZeroU64>,

    /// Most bytes of request bodies in memory at once [default: 268435456]
    #[arg(long, env = "LATERBASE_BODY_BYTES", value_name = "BYTES")]
    body_bytes: Option<NonZeroUsize>,

    /// Most bytes of answers in memory at once [default: 67108864]
    #[arg(long, env = "LATERBASE_ANSWER_BYTES", value_name = "BYTES")]
    answer_bytes: Option<NonZeroUsize>,

    /// How long requests under way may take to end once the server is told to stop [default: 10]
    #[arg(long, env = "LATERBASE_STOP_SECONDS", value_name = "SECONDS")]
    stop_seconds: Option<NonZeroU64>,

    /// Whether there are pages for people at /ui [default: true]
    #[arg(long, env = "LATERBASE_CONSOLE", value_name = "true|false")]
    console: Option<bool>,

    /// How long one read may fold before it is turned away [default: 30]
    #[arg(long, env = "LATERBASE_FOLD_SECONDS", value_name = "SECONDS")]
    fold_seconds: Option<NonZeroU64>,

    /// Longest state of an aggregate, as JSON, that is read [default: 16777216]
    #[arg(long, env = "LATERBASE_STATE_BYTES", value_name = "BYTES")]
    state_bytes: Option<NonZeroUsize>,
}

impl Config {
    /// Reads flags and environment. Ends the process where they cannot be understood.
    pub(crate) fn read() -> Self {
        let found = Self::command_without_empties().get_matches();
        Self::from_arg_matches(&found).unwrap_or_else(|error| error.exit())
    }

    /// The command line, for which an environment variable that is empty is not set. That is how
    /// shells, units and compose files leave one out.
    fn command_without_empties() -> clap::Command {
        Self::command().mut_args(|argument| {
            let is_empty = argument
                .get_env()
                .and_then(env::var_os)
                .is_some_and(|value| value.to_str().is_some_and(|text| text.trim().is_empty()));
            if is_empty { argument.env(Resettable::Reset) } else { argument }
        })
    }

    /// Fills in from the file what flags and environment left open.
    pub(crate) fn complete(mut self) -> anyhow::Result<Self> {
        if let Some(path) = &self.config {
            let at = || format!("cannot use the configuration file {}", path.display());
            let text = fs::read_to_string(path).with_context(at)?;
            let table: toml::Table = toml::from_str(&text).with_context(at)?;
            known_keys(&table).with_context(at)?;
            let file: Settings = toml::from_str(&text).with_context(at)?;
            self.settings = self.settings.or(file);
        }
        trim("--root", &mut self.settings.root)?;
        trim("--peer", &mut self.settings.peer)?;
        trim("--host", &mut self.settings.host)?;
        trim("--allow-origin", &mut self.settings.allow_origin)?;
        Ok(self)
    }

    /// What is logged, and how it looks.
    pub(crate) fn log(&self) -> anyhow::Result<(EnvFilter, Format)> {
        let format = Format::of(self.settings.log_format.as_deref())?;
        Ok((logging::filter(self.settings.log.as_deref())?, format))
    }

    /// Takes the address to listen on, so that nothing is opened where it is in use.
    pub(crate) fn listener(&self) -> anyhow::Result<TcpListener> {
        let address = self.address()?;
        let at = || format!("cannot listen on {address}");
        let listener = TcpListener::bind(address).with_context(at)?;
        listener.set_nonblocking(true).with_context(at)?;
        Ok(listener)
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

    /// How long requests under way may take to end.
    pub(crate) fn stop_time_max(&self) -> Duration {
        self.settings.bounds().stop_time_max
    }

    /// The server, still to be built.
    pub(crate) fn server(&self) -> anyhow::Result<Builder> {
        let settings = &self.settings;
        let data = settings.data.clone().unwrap_or_else(|| DATA_DEFAULT.into());
        let engine = settings.store.as_deref().map(str::parse::<Engine>).transpose()?;
        let mut options =
            ReplicaOptions { new_identity: self.new_identity, ..ReplicaOptions::default() };
        if let Some(text) = &settings.max_future {
            let at = || format!("the bound on the future cannot be {text:?}");
            options.future_nanos_max = parse_bound_ahead(text).with_context(at)?;
        }
        let mut server = Server::builder()
            .data_in(data, engine.unwrap_or_default())
            .durability(durability(settings.durability.as_deref())?)
            .sync_roots(sync_roots(settings.sync_roots.as_deref())?)
            .replica_options(options);
        if let Some(size) = settings.max_store_size.as_deref().filter(|size| !size.is_empty()) {
            server = server.max_store_size(parse_size(size).with_context(|| size.to_owned())?);
        }
        if let Some(length) = settings.queue_length {
            server = server.queue_length_max(length.get());
        }
        server = settings.backed_up(server)?;
        server = server.bounds(settings.bounds());
        server = settings.host.iter().fold(server, |server, host| server.host(host));
        let origins = settings.allow_origin.iter();
        server = origins.fold(server, |server, origin| server.allow_origin(origin));
        if let Some(seconds) = settings.fold_seconds {
            server = server.fold_time_max(Duration::from_secs(seconds.get()));
        }
        if let Some(bytes) = settings.state_bytes {
            server = server.state_bytes_max(bytes.get());
        }
        settings.folds(settings.console(server)?)
    }
}

impl Settings {
    /// Says whether there are pages.
    #[cfg(feature = "console")]
    fn console(&self, server: Builder) -> anyhow::Result<Builder> {
        Ok(server.console(self.console.unwrap_or(true)))
    }

    /// Without the feature there are none.
    #[cfg(not(feature = "console"))]
    fn console(&self, server: Builder) -> anyhow::Result<Builder> {
        if self.console == Some(true) {
            bail!("this program was built without pages; build it with the feature `console`");
        }
        Ok(server)
    }

    /// Registers the folds of the roots, each behind the root's schemas.
    fn folds(&self, mut server: Builder) -> anyhow::Result<Builder> {
        let mut schemas = RootSchemas::default();
        for entry in &self.schema {
            let (root, file) = RootSchemas::split(entry)?;
            schemas.read(&root, file)?;
        }
        for text in &self.root {
            server = with_root(server, text, &schemas)?;
        }
        let is_named = |schema: &str| self.root.iter().any(|text| name_and_fold(text).0 == schema);
        let others: Vec<&str> = schemas.roots().filter(|root| !is_named(root)).collect();
        match (self.root.is_empty(), others.first()) {
            (true, _) => {
                server = server.fallback(Arc::new(MergePatch));
                others
                    .into_iter()
                    .try_fold(server, |server, root| with_root(server, root, &schemas))
            }
            (false, None) => Ok(server),
            (false, Some(root)) => bail!("{root} has a schema, but is none of the roots of --root"),
        }
    }

    #[cfg(feature = "backups")]
    fn backed_up(&self, server: Builder) -> anyhow::Result<Builder> {
        let Some(directory) = self.backup_dir.clone() else {
            return match (&self.backup_every, self.backup_keep) {
                (None, None) => Ok(server),
                _ => bail!("--backup-every and --backup-keep need --backup-dir"),
            };
        };
        let every = |text: &String| {
            let at = || format!("the time between backups cannot be {text:?}");
            let nanos = parse_bound_ahead(text).with_context(at)?;
            let seconds = nanos.unsigned_abs() / 1_000_000_000;
            if nanos == i64::MAX || seconds == 0 {
                bail!("the time between backups is at least a second, and not {text:?}");
            }
            Ok(Duration::from_secs(seconds))
        };
        let every = self.backup_every.as_ref().map(every).transpose()?;
        Ok(server.backups(BackupOptions { directory, every, keep: self.backup_keep }))
    }

    #[cfg(not(feature = "backups"))]
    fn backed_up(&self, server: Builder) -> anyhow::Result<Builder> {
        match (&self.backup_dir, &self.backup_every, self.backup_keep) {
            (None, None, None) => Ok(server),
            _ => bail!("this program was built without backups; build it with that feature"),
        }
    }

    fn or(self, file: Self) -> Self {
        Self {
            data: self.data.or(file.data),
            listen: self.listen.or(file.listen),
            root: if self.root.is_empty() { file.root } else { self.root },
            schema: if self.schema.is_empty() { file.schema } else { self.schema },
            store: self.store.or(file.store),
            durability: self.durability.or(file.durability),
            max_future: self.max_future.or(file.max_future),
            sync_roots: self.sync_roots.or(file.sync_roots),
            log: self.log.or(file.log),
            log_format: self.log_format.or(file.log_format),
            max_store_size: self.max_store_size.or(file.max_store_size),
            peer: if self.peer.is_empty() { file.peer } else { self.peer },
            host: if self.host.is_empty() { file.host } else { self.host },
            allow_origin: if self.allow_origin.is_empty() {
                file.allow_origin
            } else {
                self.allow_origin
            },
            backup_dir: self.backup_dir.or(file.backup_dir),
            backup_every: self.backup_every.or(file.backup_every),
            backup_keep: self.backup_keep.or(file.backup_keep),
            queue_length: self.queue_length.or(file.queue_length),
            connections: self.connections.or(file.connections),
            connections_per_address: self.connections_per_address.or(file.connections_per_address),
            head_seconds: self.head_seconds.or(file.head_seconds),
            idle_seconds: self.idle_seconds.or(file.idle_seconds),
            lag_seconds: self.lag_seconds.or(file.lag_seconds),
            bytes_per_second_min: self.bytes_per_second_min.or(file.bytes_per_second_min),
            body_bytes: self.body_bytes.or(file.body_bytes),
            answer_bytes: self.answer_bytes.or(file.answer_bytes),
            stop_seconds: self.stop_seconds.or(file.stop_seconds),
            console: self.console.or(file.console),
            fold_seconds: self.fold_seconds.or(file.fold_seconds),
            state_bytes: self.state_bytes.or(file.state_bytes),
        }
    }

    fn bounds(&self) -> Bounds {
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

/// Refuses a key that the file does not have, and names the nearest one that there is.
fn known_keys(table: &toml::Table) -> anyhow::Result<()> {
    let settings = Settings::augment_args(clap::Command::new("settings"));
    let known: Vec<&str> = settings.get_arguments().filter_map(clap::Arg::get_long).collect();
    if let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) {
        let likeness = |known: &str| strsim::normalized_damerau_levenshtein(key, known);
        let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        bail!("there is no {key}; the nearest is {}", nearest.copied().unwrap_or_default());
    }
    Ok(())
}

/// Takes the spaces of `a, b` away, and the empty entry behind a last comma.
fn trim(flag: &str, list: &mut Vec<String>) -> anyhow::Result<()> {
    let was_said = !list.is_empty();
    for entry in &mut *list {
        *entry = entry.trim().to_owned();
    }
    list.retain(|entry| !entry.is_empty());
    // Nothing said means every root; that is not to come out of a variable that was not set.
    if was_said && list.is_empty() {
        bail!("{flag} is given and names nothing");
    }
    Ok(())
}

/// Reads `shipment=latest`.
fn name_and_fold(text: &str) -> (&str, &str) {
    text.split_once('=').unwrap_or((text, "merge-patch"))
}

/// Takes a root by all built-in folds, the one that is asked for first.
fn with_root(server: Builder, text: &str, schemas: &RootSchemas) -> anyhow::Result<Builder> {
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
