//! Servers side by side: ours, UmaDB and PostgreSQL; and replication: ours and PouchDB's.
//!
//! Peers and the program that drives them are built in the cache, outside the workspace, so that
//! nobody else pays for them. PostgreSQL comes from the system's packages.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::{SAMPLES, binary, pouchdb};
use crate::{command, rocksdb};

#[cfg(test)]
mod tests;

/// The version of UmaDB that design and report speak of.
const UMADB: &str = "0.7.8";

/// Where Debian's packages put PostgreSQL's programs: a folder a version.
const POSTGRES_FOLDER: &str = "/usr/lib/postgresql";

/// Builds what is missing, puts the same load on all servers, and replicates the same events.
pub(super) fn run(target: &Path, out: &Path, quick: bool) -> Result<()> {
    let cache = rocksdb::cache()?.join("peers");
    require_protoc()?;
    let umadb = umadb(&cache)?;
    let driver = driver(&cache)?;
    let mut what = format!("peers: UmaDB {UMADB}");
    let mut arguments: Vec<OsString> = vec![driver.into(), "--laterbase".into()];
    arguments.push(binary(target, "laterbase-server").into());
    arguments.extend(["--engine", "lmdb", "--engine", "rocks", "--umadb"].map(Into::into));
    arguments.push(umadb.into());
    match postgres() {
        Some((folder, version)) => {
            what += &format!(", PostgreSQL {version}");
            arguments.extend(["--postgres".into(), folder.into()]);
        }
        None => println!("PostgreSQL is not in {POSTGRES_FOLDER}: it is left out"),
    }
    if let Some(pouchdb) = pouchdb::prepare(&cache)? {
        what += &format!(", {}", pouchdb.what);
        arguments.extend(["--pouchdb".into(), pouchdb.folder.into()]);
    }
    arguments.extend(["--device".into(), binary(target, "laterbase").into()]);
    arguments.extend(["--samples".into(), command::root().join(SAMPLES).into()]);
    let length = if quick {
        "--milliseconds 1000 --rounds 1 --read 10000 --replicate 10000"
    } else {
        "--milliseconds 3000 --rounds 3 --read 1000000 --replicate 100000"
    };
    arguments.extend(length.split(' ').map(Into::into));
    let mut bench = Command::new(binary(target, "laterbase-bench"));
    bench.current_dir(command::root()).args(["peers", "--what", &what, "--out"]).arg(out);
    command::run(bench.arg("--").args(arguments))
}

/// UmaDB's server, built once.
fn umadb(cache: &Path) -> Result<PathBuf> {
    let root = cache.join(format!("umadb-{UMADB}"));
    let program = root.join("bin/umadb");
    if !program.is_file() {
        println!("building UmaDB {UMADB} once, for some minutes, in {}", root.display());
        let mut install = command::cargo();
        install.args(["install", "umadb", "--locked", "--version", UMADB, "--root"]).arg(&root);
        command::run(install.arg("--target-dir").arg(cache.join("target")))?;
    }
    Ok(program)
}

/// The program that drives all servers.
fn driver(cache: &Path) -> Result<PathBuf> {
    let (manifest, target) =
        (command::root().join("benches/peers/Cargo.toml"), cache.join("target"));
    let mut build = command::cargo();
    build.args(["build", "--release", "--locked", "--manifest-path"]).arg(manifest);
    command::run(build.arg("--target-dir").arg(&target))?;
    Ok(binary(&target, "laterbase-peers"))
}

fn require_protoc() -> Result<()> {
    let protoc = Command::new("protoc").arg("--version").stdout(Stdio::null()).status();
    if protoc.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    bail!("UmaDB needs protoc.\nRun this and try again:\n    apt-get install protobuf-compiler")
}

/// The folder of PostgreSQL's newest programs, and their version.
fn postgres() -> Option<(PathBuf, String)> {
    let versions = fs::read_dir(POSTGRES_FOLDER).ok()?;
    let names = versions.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let newest = names.filter_map(|name| name.parse::<u32>().ok()).max()?;
    let folder = Path::new(POSTGRES_FOLDER).join(newest.to_string()).join("bin");
    let version = version(&folder.join("postgres")).ok()?;
    Some((folder, version))
}

fn version(program: &Path) -> Result<String> {
    let text = command::output(Command::new(program).arg("--version"))?;
    number(&text).with_context(|| format!("a version without a number: {text}"))
}

/// The number in `postgres (PostgreSQL) 15.14 (Debian …)`.
fn number(text: &str) -> Option<String> {
    let number = text.split(' ').find(|word| word.starts_with(|first: char| first.is_numeric()))?;
    Some(number.trim_end().to_owned())
}
