//! What figures depend on beside the code.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use serde::{Deserialize, Serialize};

/// Machine, system and versions. What cannot be found out is `unknown`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Threads that can run at the same time.
    pub cores: usize,
    /// Memory, in MiB.
    pub memory_mib: u64,
    /// Operating system and kernel.
    pub system: String,
    /// The file system of the folder that stores were made in.
    pub file_system: String,
    /// Processes that wanted a core before the run, on average over a minute.
    pub load: String,
    /// The compiler.
    pub compiler: String,
    /// The commit that was measured, `+` if the tree differed from it.
    pub commit: String,
    /// Seconds since 1970 at the start.
    pub time: u64,
}

const UNKNOWN: &str = "unknown";

impl Machine {
    /// Looks around. `folder` is where stores are made.
    pub fn look(folder: &Path) -> Self {
        let cpus = read("/proc/cpuinfo");
        let memory = read("/proc/meminfo");
        let kib = field(&memory, "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok());
        let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self {
            processor: field(&cpus, "model name").unwrap_or(UNKNOWN).to_owned(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory_mib: kib.unwrap_or(0_u64) / 1024,
            system: output("uname", &["-sr"]),
            file_system: file_system(folder),
            load: load(),
            compiler: output("rustc", &["--version"]),
            commit: commit(),
            time: since.as_secs(),
        }
    }
}

/// Processes that wanted a core in the last minute, on average.
pub fn load() -> String {
    read("/proc/loadavg")
        .split(' ')
        .next()
        .filter(|text| !text.is_empty())
        .unwrap_or(UNKNOWN)
        .into()
}

/// The type of the file system, from its longest mount point above the folder.
fn file_system(folder: &Path) -> String {
    let Ok(folder) = folder.canonicalize() else { return UNKNOWN.to_owned() };
    let mounts = read("/proc/mounts");
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let above = mounts.filter(|(point, _)| folder.starts_with(point));
    above.max_by_key(|(point, _)| point.len()).map_or(UNKNOWN, |(_, kind)| kind).to_owned()
}

fn commit() -> String {
    let commit = output("git", &["rev-parse", "--short=12", "HEAD"]);
    let changes = output("git", &["status", "--porcelain"]);
    if commit == UNKNOWN || changes.is_empty() { commit } else { commit + "+" }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

fn output(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => UNKNOWN.to_owned(),
    }
}
