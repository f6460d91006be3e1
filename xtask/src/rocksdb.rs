//! RocksDB's C++, built once per machine.
//!
//! The bundled sources take a quarter of an hour to compile, and Cargo would do it again for every
//! profile and every clone. `librocksdb-sys` links a ready library instead when `ROCKSDB_LIB_DIR`
//! and `ROCKSDB_STATIC` are set; so the archive of the first bundled build is copied into a folder
//! outside the clone, and later builds are pointed at it. The folder's name holds everything that
//! the archive depends on, so that a stale one is never linked.

use std::{
    env, fs,
    fs::File,
    io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tempfile::NamedTempFile;

use crate::command;

#[cfg(test)]
mod tests;

/// The package whose build script compiles RocksDB.
const PACKAGE: &str = "librocksdb-sys";

/// The static library that it makes.
const ARCHIVE: &str = "librocksdb.a";

/// Variables that change what the C++ compiler makes of the same sources.
const FLAGS: [&str; 6] = [
    "CXX",
    "CXXFLAGS",
    "ROCKSDB_CXX_STD",
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "MACOSX_DEPLOYMENT_TARGET",
];

/// The library that a build links; to be applied to every Cargo command that may build RocksDB.
#[derive(Debug)]
pub(crate) struct Library {
    /// Holds the archive. `None`: Cargo does what the environment says.
    folder: Option<PathBuf>,
}

impl Library {
    /// Points `command` at the library.
    pub(crate) fn apply(&self, command: &mut Command) {
        if let Some(folder) = &self.folder {
            command.env("ROCKSDB_LIB_DIR", folder).env("ROCKSDB_STATIC", "1");
        }
    }
}

/// Makes the library ready: finds it in the cache, or builds it and keeps it there.
///
/// A caller's own `ROCKSDB_LIB_DIR` wins. Without the cache Cargo builds RocksDB in the target
/// folder, as it would without this program.
pub(crate) fn prepare(use_cache: bool) -> Result<Library> {
    if let Some(folder) = env::var_os("ROCKSDB_LIB_DIR") {
        println!("ROCKSDB_LIB_DIR is set: linking the library in {}", folder.display());
        return Ok(Library { folder: None });
    }
    if !use_cache {
        println!("without the cache: Cargo builds RocksDB where it needs it");
        return Ok(Library { folder: None });
    }
    let folder = cache()?.join(Build::of_this_machine()?.folder_name());
    if folder.join(ARCHIVE).is_file() {
        println!("found in {}", folder.display());
    } else {
        println!("building it once, for about a quarter of an hour, for {}", folder.display());
        keep(&build()?.join(ARCHIVE), &folder)?;
    }
    Ok(Library { folder: Some(folder) })
}

/// The folder for everything that outlives a clone.
pub(crate) fn cache() -> Result<PathBuf> {
    let folder = match env::var_os("LATERBASE_CACHE") {
        Some(folder) => PathBuf::from(folder),
        None => env::home_dir()
            .context("no home folder is known; set LATERBASE_CACHE to a folder for the cache")?
            .join(".cache/laterbase"),
    };
    Ok(std::path::absolute(folder)?)
}

/// All that the archive's content depends on.
#[derive(Clone, Debug)]
struct Build {
    /// Of `librocksdb-sys`, and with it of RocksDB.
    version: String,
    /// The target triple.
    target: String,
    /// Cargo features of `librocksdb-sys`, sorted.
    features: Vec<String>,
    /// What the C++ compiler says of itself.
    compiler: String,
    /// The variables of [`FLAGS`] with their values.
    flags: Vec<(String, String)>,
}

impl Build {
    fn of_this_machine() -> Result<Self> {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let rustc = command::output(Command::new(rustc).arg("-vV"))?;
        let target = rustc.lines().find_map(|line| line.strip_prefix("host: "));
        let compiler = env::var_os("CXX").unwrap_or_else(|| "c++".into());
        let mut metadata = command::cargo();
        metadata.args(["metadata", "--format-version=1", "--all-features"]);
        let (version, features) = version_and_features(&command::output(&mut metadata)?)?;
        let flags = FLAGS.iter().map(|name| {
            let value = env::var_os(name).unwrap_or_default();
            ((*name).to_owned(), value.to_string_lossy().into_owned())
        });
        Ok(Self {
            version,
            target: target.context("rustc -vV names no host")?.to_owned(),
            features,
            compiler: command::output(Command::new(compiler).arg("--version"))?,
            flags: flags.collect(),
        })
    }

    /// Differs whenever the archive may differ.
    fn folder_name(&self) -> String {
        let settings = format!("{:?} {:?} {:?}", self.features, self.compiler, self.flags);
        let hash = blake3::hash(settings.as_bytes()).to_hex();
        format!("rocksdb-{}-{}-{}", self.version, self.target, &hash[..16])
    }
}

/// The version of `librocksdb-sys` and its sorted features, from `cargo metadata`.
fn version_and_features(metadata: &str) -> Result<(String, Vec<String>)> {
    #[derive(Deserialize)]
    struct Metadata {
        resolve: Resolve,
    }
    #[derive(Deserialize)]
    struct Resolve {
        nodes: Vec<Node>,
    }
    #[derive(Deserialize)]
    struct Node {
        id: String,
        features: Vec<String>,
    }

    let metadata: Metadata = serde_json::from_str(metadata)?;
    let node = metadata.resolve.nodes.into_iter().find(|node| is_package(&node.id));
    let node = node.with_context(|| format!("no package here depends on {PACKAGE}"))?;
    let (_, version) = node.id.rsplit_once('@').context("a package id without a version")?;
    let mut features = node.features;
    features.sort();
    Ok((version.to_owned(), features))
}

/// True if the package id (`registry+https://…#librocksdb-sys@0.1.0`) is that of [`PACKAGE`].
fn is_package(id: &str) -> bool {
    let name = id.rsplit_once('#').map_or(id, |(_, name)| name);
    name.split_once('@').is_some_and(|(name, _)| name == PACKAGE)
}

/// Builds the bundled sources and returns the build script's output folder.
fn build() -> Result<PathBuf> {
    let mut build = command::cargo();
    build.args(["build", "--release", "--message-format=json-render-diagnostics"]);
    build.args(["--package", PACKAGE]);
    let messages = command::output(&mut build)?;
    output_folder(&messages)?.with_context(|| format!("the build script of {PACKAGE} did not run"))
}

/// Where the build script of [`PACKAGE`] wrote, from Cargo's messages, one JSON object a line.
fn output_folder(messages: &str) -> Result<Option<PathBuf>> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        #[serde(default)]
        package_id: String,
        out_dir: Option<PathBuf>,
    }

    for line in messages.lines() {
        let message: Message = serde_json::from_str(line)?;
        if message.reason == "build-script-executed" && is_package(&message.package_id) {
            return Ok(message.out_dir);
        }
    }
    Ok(None)
}

/// Copies `archive` into `folder`: either the whole file appears there under its name, or nothing.
fn keep(archive: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut source = File::open(archive).with_context(|| format!("no {}", archive.display()))?;
    let mut copy = NamedTempFile::new_in(folder)?;
    if io::copy(&mut source, &mut copy)? == 0 {
        bail!("{} is empty", archive.display());
    }
    copy.as_file().sync_all()?;
    copy.persist(folder.join(ARCHIVE))?;
    Ok(())
}
