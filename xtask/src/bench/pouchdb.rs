//! PouchDB and pouchdb-server: packages of npm, installed in the cache beside the other peers.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

use crate::command;

#[cfg(test)]
mod tests;

/// What the peers' folder holds of ours: the packages with their versions, and our program.
const FILES: [&str; 3] = [MANIFEST, LOCK, "device.mjs"];

const MANIFEST: &str = "package.json";
const LOCK: &str = "package-lock.json";

/// The oldest Node.js that our program runs on.
const NODE_MAJOR_MIN: u32 = 20;

/// Packages that are ready to run.
#[derive(Debug)]
pub(super) struct PouchDb {
    pub(super) folder: PathBuf,
    /// Names and versions, as a report says them.
    pub(super) what: String,
}

/// Installs what is missing. `None`, and a word about it, where that cannot be done.
pub(super) fn prepare(cache: &Path) -> Result<Option<PouchDb>> {
    for program in ["node", "npm"] {
        if !answers(program) {
            println!("there is no {program}: replication beside PouchDB is left out");
            return Ok(None);
        }
    }
    let node = command::output(Command::new("node").arg("--version"))?;
    if major(&node).is_none_or(|major| major < NODE_MAJOR_MIN) {
        let node = node.trim_end();
        println!("Node.js {node} is too old: replication beside PouchDB is left out");
        return Ok(None);
    }
    let source = command::root().join("benches/peers/pouchdb");
    let (folder, what) = (cache.join("pouchdb"), versions(&source)?);
    let is_installed = is_installed(&source, &folder)?;
    fs::create_dir_all(&folder)?;
    for file in FILES {
        fs::copy(source.join(file), folder.join(file))
            .with_context(|| format!("cannot copy {file} to {}", folder.display()))?;
    }
    if !is_installed {
        println!("installing {what} once, in {}", folder.display());
        let mut install = Command::new("npm");
        // The packages bring LevelDB along, built; nothing of theirs needs to run for that.
        install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        if let Err(error) = command::run(install.current_dir(&folder)) {
            println!("{error:#}: replication beside PouchDB is left out");
            return Ok(None);
        }
    }
    Ok(Some(PouchDb { folder, what: format!("{what}, Node.js {}", node.trim_end()) }))
}

fn answers(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The 20 in `v20.11.1`.
fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// True if npm has finished with the very packages that the source asks for.
fn is_installed(source: &Path, folder: &Path) -> Result<bool> {
    let wanted = fs::read(source.join(LOCK))?;
    // npm writes this list of what it has put there when it is done.
    let is_done = folder.join("node_modules/.package-lock.json").is_file();
    Ok(is_done && fs::read(folder.join(LOCK)).is_ok_and(|installed| installed == wanted))
}

/// `pouchdb 9.0.0, pouchdb-server 4.2.0`.
fn versions(source: &Path) -> Result<String> {
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(source.join(MANIFEST))?)?;
    let packages = manifest["dependencies"].as_object().context("a manifest without packages")?;
    let names = packages.iter().map(|(name, version)| {
        let version = version.as_str().context("a package without a version")?;
        Ok(format!("{name} {version}"))
    });
    Ok(names.collect::<Result<Vec<_>>>()?.join(", "))
}
