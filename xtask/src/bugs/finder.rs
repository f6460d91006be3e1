//! What looks for a bug.

use std::{
    fmt,
    fs::File,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    str::FromStr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::command;

/// A bug may make a test endless; that is found, too. The simulator sees by itself whether a seed
/// does not end.
const PATIENCE: Duration = Duration::from_secs(300);

const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What looks for a bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finder {
    /// So many seeds of the simulator.
    Sim { seeds: u64 },
    /// The tests of a package whose names contain a text.
    Test { package: String, filter: String },
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    /// The seed or the test.
    pub(super) by: String,
    /// In the finder's words.
    pub(super) says: String,
}

impl FromStr for Finder {
    type Err = ();

    fn from_str(words: &str) -> Result<Self, ()> {
        match words.split_whitespace().collect::<Vec<_>>()[..] {
            ["sim", seeds] => Ok(Self::Sim { seeds: seeds.parse().map_err(|_no_number| ())? }),
            ["test", package, filter] => {
                Ok(Self::Test { package: package.to_owned(), filter: filter.to_owned() })
            }
            _ => Err(()),
        }
    }
}

impl fmt::Display for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sim { seeds } => write!(f, "sim {seeds}"),
            Self::Test { package, filter } => write!(f, "test {package} {filter}"),
        }
    }
}

impl Finder {
    /// The command that builds what [`Self::run`] runs.
    pub(super) fn build(&self, workspace: &Path, target: &Path) -> Command {
        let mut build = cargo(workspace, target);
        match self {
            Self::Sim { .. } => {
                build.args(["build", "--package", "laterbase-testkit", "--example", "simulate"])
            }
            Self::Test { package, .. } => build.args(["test", "--no-run", "--package", package]),
        };
        build
    }

    /// Looks for a bug. `None` if there seems to be none.
    pub(super) fn run(&self, workspace: &Path, target: &Path) -> Result<Option<Found>> {
        let said = target.join("said.txt");
        let mut run = match self {
            Self::Sim { seeds } => {
                let mut run = Command::new(target.join("debug/examples/simulate"));
                run.arg(seeds.to_string());
                run
            }
            Self::Test { package, filter } => {
                let mut run = cargo(workspace, target);
                run.args(["test", "--quiet", "--package", package, filter]);
                run
            }
        };
        let child = run.stdout(File::create(&said)?).stderr(Stdio::null()).spawn();
        let child = child.with_context(|| format!("cannot start {}", command::line(&run)))?;
        let patience = match self {
            Self::Sim { .. } => Duration::MAX,
            Self::Test { .. } => PATIENCE,
        };
        let status = wait(child, patience)?;
        let text = std::fs::read_to_string(&said)?;
        let first = text.lines().next().unwrap_or_default();
        Ok(match (status, self) {
            (Some(status), _) if status.success() => None,
            (None, _) => Some(Found { by: self.to_string(), says: "it never ends".to_owned() }),
            (Some(_), Self::Sim { .. }) => {
                let (seed, says) = first.split_once(": ").unwrap_or((first, "it ends by itself"));
                Some(Found { by: seed.to_owned(), says: says.to_owned() })
            }
            (Some(_), Self::Test { package, filter }) => {
                let says = String::new();
                Some(Found { by: format!("`{filter}` of {package}"), says })
            }
        })
    }
}

fn cargo(workspace: &Path, target: &Path) -> Command {
    let mut cargo = command::cargo();
    cargo.current_dir(workspace).env("CARGO_TARGET_DIR", target);
    cargo
}

/// Waits for a process, and ends it when that takes too long.
fn wait(mut child: Child, patience: Duration) -> Result<Option<ExitStatus>> {
    let started = Instant::now();
    while started.elapsed() < patience {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(LOOK_INTERVAL);
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}
