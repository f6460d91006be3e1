//! The archive, and the checksums of everything.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{VERSION, layout::Layout, target::Target};
use crate::command;

/// The file with the checksums.
pub(super) const SUMS: &str = "SHA256SUMS";

/// Packs the layout as `laterbase-0.1.0-x86_64-linux-musl.tar.gz`, with one folder of this name in
/// it. Packed again, it is the same to the byte.
pub(super) fn pack(layout: &Layout, target: Target, time: u64, out: &Path) -> Result<()> {
    let name = format!("laterbase-{VERSION}-{}-linux-musl", target.architecture());
    let mut tar = Command::new("tar");
    tar.args(["--create", "--use-compress-program=gzip -n9", "--sort=name", "--numeric-owner"]);
    tar.args(["--owner=0", "--group=0", "--mode=u=rwX,go=rX", &format!("--mtime=@{time}")]);
    tar.arg(format!("--transform=s,^\\.,{name},")).arg("--file");
    tar.arg(out.join(format!("{name}.tar.gz"))).arg("--directory").arg(layout.folder());
    command::run(tar.arg("."))
}

/// Writes the checksums of all files in the folder.
pub(super) fn sum(out: &Path) -> Result<()> {
    let names = names(out)?;
    let sums = command::output(Command::new("sha256sum").current_dir(out).args(names))?;
    Ok(fs::write(out.join(SUMS), sums)?)
}

/// Says what was made, with sizes.
pub(super) fn list(out: &Path) -> Result<()> {
    println!("\nmade in {}:", out.display());
    for name in names(out)? {
        println!("{:>12}  {name}", fs::metadata(out.join(&name))?.len());
    }
    Ok(())
}

fn names(out: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(out)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
