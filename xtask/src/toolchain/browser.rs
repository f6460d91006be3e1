//! What the test of the pages needs: Chromium with its driver, and axe-core, which judges whether a
//! page can be used in other ways than with eyes and a mouse. Both are tools and no part of what is
//! built; what cannot be had is left out by name.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use anyhow::{Result, bail};

use super::{answers, try_install};
use crate::command;

/// The version whose rules the pages are held to.
const AXE: &str = "axe-core@4.14.1";

/// Where the test looks for it, below the folder that Cargo gives tests.
const AXE_FOLDER: &str = "tmp/axe-core";
const AXE_FILE: &str = "package/axe.min.js";

/// Puts both in place where it can, and else says what is left out without them.
pub(crate) fn offer() {
    let is_there =
        || ["chromium", "chromedriver"].iter().all(|program| answers(OsStr::new(program)));
    if !is_there() {
        try_install(&["chromium", "chromium-driver"]);
    }
    if !is_there() {
        println!(
            "left out: the test of the pages in a browser, as there is no Chromium with its driver \
             (Debian's packages chromium and chromium-driver)"
        );
        return;
    }
    println!("Chromium and its driver are there");
    match fetch_axe() {
        Ok(()) => println!("axe-core is there"),
        Err(error) => println!(
            "left out: whether the pages can be used by everybody, as axe-core cannot be had by \
             `npm pack {AXE}`: {error:#}"
        ),
    }
}

fn fetch_axe() -> Result<()> {
    let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let folder = target.unwrap_or_else(|| command::root().join("target")).join(AXE_FOLDER);
    if folder.join(AXE_FILE).is_file() {
        return Ok(());
    }
    fs::create_dir_all(&folder)?;
    let packed =
        command::output(Command::new("npm").args(["pack", "--silent", AXE]).current_dir(&folder))?;
    let Some(archive) = packed.lines().last() else { bail!("npm names no file") };
    let mut unpack = Command::new("tar");
    command::run(unpack.args(["xzf", archive, AXE_FILE]).current_dir(&folder))
}
