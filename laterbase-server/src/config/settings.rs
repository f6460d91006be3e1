//! Every option of the server, once: its flag, variable and key, its meaning, and its default.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::{Arg, Args as _, Command};
use serde::{Deserialize, Serialize};

/// What may stand in the file as well, under the name of the flag. All values have the form in
/// which they are said.
#[derive(Clone, Debug, Default, Deserialize, Serialize, clap::Args)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// The data directory
    #[arg(
        long,
        env = "LATERBASE_DATA",
        value_name = "DIR",
        default_value = "laterbase-server-data"
    )]
    pub data: Option<PathBuf>,

    /// The address to listen on; port 0 picks one
    #[arg(long, env = "LATERBASE_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:4920")]
    pub listen: Option<String>,

    /// A root to take, and the fold it is read by: merge-patch, latest or by-type [default: all
    /// roots, by merge-patch]
    #[arg(long, env = "LATERBASE_ROOT", value_name = "NAME[=FOLD]", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub root: Vec<String>,

    /// A root and a file with the JSON Schemas of its events, such as shipment=shipment.json; what
    /// they do not take is refused
    #[arg(long, env = "LATERBASE_SCHEMA", value_name = "NAME=FILE", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schema: Vec<String>,

    /// The storage engine: lmdb, rocks or memory
    #[arg(long, env = "LATERBASE_ENGINE", value_name = "ENGINE", default_value = "lmdb")]
    pub store: Option<String>,

    /// When a write is acknowledged: durable (on disk) or relaxed
    #[arg(long, env = "LATERBASE_DURABILITY", value_name = "WHEN", default_value = "durable")]
    pub durability: Option<String>,

    /// How far into the future a write may place an event: a duration such as "2h" or "5 days", or
    /// none for planned times
    #[arg(
        long,
        env = "LATERBASE_MAX_FUTURE",
        value_name = "DURATION|none",
        allow_hyphen_values = true,
        default_value = "60s"
    )]
    pub max_future: Option<String>,

    /// Which roots take part in sync: any or known
    #[arg(long, env = "LATERBASE_SYNC_ROOTS", value_name = "WHICH", default_value = "any")]
    pub sync_roots: Option<String>,

    /// Another server to keep in sync with; give one side of a pair the other
    #[arg(long, env = "LATERBASE_PEER", value_name = "URL", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub peer: Vec<String>,

    /// A name or address that the server is known by, beside loopback and --listen
    #[arg(long, env = "LATERBASE_HOST", value_name = "NAME", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub host: Vec<String>,

    /// An origin whose pages in browsers may read and write, such as https://app.example
    #[arg(long, env = "LATERBASE_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_origin: Vec<String>,

    /// What is logged: levels, and names with one, such as warn,access=info
    #[arg(long, env = "LATERBASE_LOG", value_name = "FILTER", default_value = "info")]
    pub log: Option<String>,

    /// How the log looks: text or json
    #[arg(long, env = "LATERBASE_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: Option<String>,

    /// Most bytes that the store may take, such as 500M or 20G; beyond them writes are turned away
    /// [default: what the disk has]
    #[arg(long, env = "LATERBASE_MAX_STORE_SIZE", value_name = "SIZE")]
    pub max_store_size: Option<String>,

    /// A folder in which the server keeps backups of itself; POST /backup takes one
    #[arg(long, env = "LATERBASE_BACKUP_DIR", value_name = "DIR")]
    pub backup_dir: Option<PathBuf>,

    /// How long after the last backup the next one is taken, such as 1h or "1 day" [default: never]
    #[arg(long, env = "LATERBASE_BACKUP_EVERY", value_name = "DURATION")]
    pub backup_every: Option<String>,

    /// How many backups stay in the folder [default: all]
    #[arg(long, env = "LATERBASE_BACKUP_KEEP", value_name = "COUNT")]
    pub backup_keep: Option<NonZeroUsize>,

    /// Most requests that wait for the writer before others are turned away
    #[arg(long, env = "LATERBASE_QUEUE_LENGTH", value_name = "REQUESTS", default_value = "1024")]
    pub queue_length: Option<NonZeroUsize>,

    /// Most connections at once [default: as file descriptors allow, at most 16384]
    #[arg(long, env = "LATERBASE_CONNECTIONS", value_name = "COUNT")]
    pub connections: Option<NonZeroUsize>,

    /// Most connections at once from one address [default: half of the others]
    #[arg(long, env = "LATERBASE_CONNECTIONS_PER_ADDRESS", value_name = "COUNT")]
    pub connections_per_address: Option<NonZeroUsize>,

    /// How long the head of a request may take
    #[arg(long, env = "LATERBASE_HEAD_SECONDS", value_name = "SECONDS", default_value = "30")]
    pub head_seconds: Option<NonZeroU64>,

    /// How long a connection may be without a request
    #[arg(long, env = "LATERBASE_IDLE_SECONDS", value_name = "SECONDS", default_value = "60")]
    pub idle_seconds: Option<NonZeroU64>,

    /// How long a body or an answer may be slower than --bytes-per-second-min
    #[arg(long, env = "LATERBASE_LAG_SECONDS", value_name = "SECONDS", default_value = "30")]
    pub lag_seconds: Option<NonZeroU64>,

    /// What a body or an answer must come to
    #[arg(
        long,
        env = "LATERBASE_BYTES_PER_SECOND_MIN",
        value_name = "BYTES",
        default_value = "2048"
    )]
    pub bytes_per_second_min: Option<NonZeroU64>,

    /// Most bytes of request bodies in memory at once
    #[arg(long, env = "LATERBASE_BODY_BYTES", value_name = "BYTES", default_value = "268435456")]
    pub body_bytes: Option<NonZeroUsize>,

    /// Most bytes of answers in memory at once
    #[arg(long, env = "LATERBASE_ANSWER_BYTES", value_name = "BYTES", default_value = "67108864")]
    pub answer_bytes: Option<NonZeroUsize>,

    /// How long requests under way may take to end once the server is told to stop
    #[arg(long, env = "LATERBASE_STOP_SECONDS", value_name = "SECONDS", default_value = "10")]
    pub stop_seconds: Option<NonZeroU64>,

    /// Whether there are pages for people at /ui
    #[arg(long, env = "LATERBASE_CONSOLE", value_name = "true|false", default_value = "true")]
    pub console: Option<bool>,

    /// How long one read may fold before it is turned away
    #[arg(long, env = "LATERBASE_FOLD_SECONDS", value_name = "SECONDS", default_value = "30")]
    pub fold_seconds: Option<NonZeroU64>,

    /// Longest state of an aggregate, as JSON, that is read
    #[arg(long, env = "LATERBASE_STATE_BYTES", value_name = "BYTES", default_value = "16777216")]
    pub state_bytes: Option<NonZeroUsize>,
}

impl Settings {
    /// The options, in the order in which they are told of.
    pub(crate) fn options() -> Vec<Arg> {
        Self::augment_args(Command::new("settings")).get_arguments().cloned().collect()
    }
}

/// The name of an option: its flag without dashes, and its key in the file.
pub(crate) fn key(option: &Arg) -> &str {
    option.get_long().unwrap_or_default()
}

/// An option's meaning, and what is so where it is not said, in words or as it would be said.
pub(crate) fn meaning_and_default(option: &Arg) -> (String, Option<String>) {
    let help = option.get_help().map(ToString::to_string).unwrap_or_default();
    let in_words = help.split_once(" [default: ").and_then(|(meaning, default)| {
        Some((meaning.to_owned(), default.strip_suffix(']')?.to_owned()))
    });
    match in_words {
        Some((meaning, default)) => (meaning, Some(default)),
        None => {
            let value = option.get_default_values().first();
            (help, value.map(|value| value.to_string_lossy().into_owned()))
        }
    }
}
