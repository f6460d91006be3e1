//! What strangers install: static programs for Linux as an archive, a Debian package and an image,
//! each with its licences and a bill of materials, and the checksums of all of it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use self::{layout::Layout, packages::Packages, target::Target};
use crate::command;

mod archive;
mod bill;
mod debian;
mod image;
mod layout;
mod licences;
mod packages;
mod target;

#[cfg(test)]
mod tests;

/// What is released, as all packages of the workspace are.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The packages whose programs are installed, and those programs.
const PACKAGES: [&str; 2] = ["laterbase-server", "laterbase-client"];
const PROGRAMS: [&str; 2] = ["laterbase-server", "laterbase"];

/// What is made, and where it goes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// What the programs are built for; without it, all of them that can be built here
    #[arg(long = "target", value_name = "TRIPLE", value_enum)]
    targets: Vec<Target>,

    /// The folder for all that is made, which is emptied first [default: target/dist]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Makes everything, and says by name what cannot be made here.
pub(crate) fn run(options: &Options) -> Result<()> {
    let targets = buildable(&options.targets)?;
    let target_folder = command::target_folder()?;
    let out = options.out.clone().unwrap_or_else(|| target_folder.join("dist"));
    let stage = tempfile::Builder::new().prefix("dist").tempdir_in(&target_folder)?;
    empty(&out)?;
    let mut built = Vec::new();
    for target in targets {
        built.push((target, target.build(stage.path())?));
    }
    let pages = layout::write_pages(&built, stage.path())?;
    let time = time_of_source()?;
    for (target, programs) in &built {
        let stage = stage.path().join(target.architecture());
        let packages = Packages::linked_into(*target)?;
        let layout = Layout::below(&stage, programs, pages.as_deref(), &packages)?;
        archive::pack(&layout, *target, time, &out)?;
        bill::write(&packages, *target, &out)?;
        debian::build(&layout, *target, time, &out)?;
        image::build(&layout, *target, time, &out)?;
    }
    archive::sum(&out)?;
    archive::list(&out)
}

/// The targets that are asked for, each of which must be there; or those that are, when none is.
fn buildable(asked: &[Target]) -> Result<Vec<Target>> {
    if !asked.is_empty() {
        asked.iter().try_for_each(|target| target.require())?;
        return Ok(asked.to_vec());
    }
    let mut buildable = Vec::new();
    for target in Target::ALL {
        match target.require() {
            Ok(()) => buildable.push(target),
            Err(error) => println!("left out: everything for {}: {error:#}", target.triple()),
        }
    }
    if buildable.is_empty() {
        bail!("nothing can be built here; what is missing is above");
    }
    Ok(buildable)
}

/// Makes the folder new. One with other things in it is somebody's.
fn empty(out: &Path) -> Result<()> {
    let at = || format!("cannot use the folder {}", out.display());
    if out.exists() {
        let mut entries = fs::read_dir(out).with_context(at)?;
        if !out.join(archive::SUMS).is_file() && entries.next().is_some() {
            bail!(
                "{} holds things that no `cargo xtask dist` has left: name another",
                out.display()
            );
        }
        fs::remove_dir_all(out).with_context(at)?;
    }
    fs::create_dir_all(out).with_context(at)
}

/// The time that all files have, in seconds since 1970: that of the commit, so that what is made of
/// it again is the same.
fn time_of_source() -> Result<u64> {
    if let Ok(time) = std::env::var("SOURCE_DATE_EPOCH") {
        return time.parse().with_context(|| format!("SOURCE_DATE_EPOCH cannot be {time:?}"));
    }
    let mut log = std::process::Command::new("git");
    log.current_dir(command::root()).args(["log", "-1", "--format=%ct"]);
    Ok(command::output(&mut log)?.trim().parse()?)
}

/// Whether a program is there to be started; if not, says what is left out without it.
fn is_there(program: &str, package: &str, without_it: &str) -> bool {
    let is_there = crate::toolchain::answers(program.as_ref());
    if !is_there {
        println!("left out: {without_it}, as there is no {program} (Debian's package {package})");
    }
    is_there
}
