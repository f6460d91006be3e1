//! The Debian package. Its programs are static, so it depends on no library and goes onto Debian and
//! Ubuntu of any age; that leaves so little to work out that `dpkg-deb` does it all.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::layout::{copy, copy_all};
use super::{PROGRAMS, VERSION, is_there, layout::Layout, target::Target};
use crate::command;

/// Files of the layout, and where Debian has them.
const PLACES: [(&str, &str); 7] = [
    ("laterbase-server.service", "usr/lib/systemd/system/laterbase-server.service"),
    ("server.toml", "etc/laterbase/server.toml"),
    ("licences/third-party.txt", "usr/share/doc/laterbase/third-party.txt"),
    ("INSTALL.md", "usr/share/doc/laterbase/INSTALL.md"),
    ("completions/laterbase.bash", "usr/share/bash-completion/completions/laterbase"),
    ("completions/_laterbase", "usr/share/zsh/vendor-completions/_laterbase"),
    ("completions/laterbase.fish", "usr/share/fish/vendor_completions.d/laterbase.fish"),
];

const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// Builds `laterbase_0.1.0_amd64.deb`, where there is `dpkg-deb`.
pub(super) fn build(layout: &Layout, target: Target, time: u64, out: &Path) -> Result<()> {
    if !is_there("dpkg-deb", "dpkg", "the Debian package") {
        return Ok(());
    }
    let root = layout.folder().with_file_name("debian");
    let size = lay_out(layout, &root)?;
    let scripts = root.join("DEBIAN");
    fs::create_dir_all(&scripts)?;
    fs::write(scripts.join("control"), control(VERSION, target, size))?;
    fs::write(scripts.join("conffiles"), "/etc/laterbase/server.toml\n")?;
    for script in SCRIPTS {
        copy(&packaging(script), &scripts.join(script))?;
    }
    let mode = Command::new("chmod").args(["-R", "u=rwX,go=rX"]).arg(&root).status();
    mode.context("cannot start chmod")?;
    let name = format!("laterbase_{}_{}.deb", version(VERSION), target.package_architecture());
    let mut pack = Command::new("dpkg-deb");
    pack.env("SOURCE_DATE_EPOCH", time.to_string());
    pack.args(["--root-owner-group", "-Zxz", "--build"]).arg(&root);
    command::run(pack.arg(out.join(name)))
}

fn packaging(name: &str) -> PathBuf {
    command::root().join("packaging/debian").join(name)
}

/// Puts files where Debian has them and returns their size in KiB.
fn lay_out(layout: &Layout, root: &Path) -> Result<u64> {
    for program in PROGRAMS {
        let file = format!("bin/{program}");
        copy(&layout.path(&file), &root.join("usr").join(&file))?;
    }
    for (from, to) in PLACES {
        // Pages and completions may have been left out.
        let from = layout.path(from);
        if from.exists() {
            copy(&from, &root.join(to))?;
        }
    }
    copy(&packaging("copyright"), &root.join("usr/share/doc/laterbase/copyright"))?;
    let manual = root.join("usr/share/man");
    if layout.path("man").exists() {
        copy_all(&layout.path("man"), &manual)?;
        let mut pack = Command::new("gzip");
        command::run(pack.args(["--no-name", "--best", "--recursive"]).arg(&manual))?;
    }
    let used = command::output(Command::new("du").args(["-sk"]).arg(root))?;
    Ok(used.split('\t').next().unwrap_or_default().parse()?)
}

/// What dpkg is told of the package.
pub(super) fn control(release: &str, target: Target, size: u64) -> String {
    format!(
        "Package: laterbase\n\
         Version: {}\n\
         Architecture: {}\n\
         Maintainer: The maintainers of Laterbase <https://github.com/laterbase/laterbase>\n\
         Installed-Size: {size}\n\
         Depends: passwd\n\
         Recommends: ca-certificates\n\
         Section: database\n\
         Priority: optional\n\
         Homepage: https://github.com/laterbase/laterbase\n\
         Description: event store that records offline and syncs\n \
         A server and a command for events on two time axes: when something\n \
         happened, and when it was known. Replicas record without a network and\n \
         converge when there is one.\n",
        version(release),
        target.package_architecture(),
    )
}

/// `0.2.0-rc.1` comes before `0.2.0`, which is written with a tilde there.
pub(super) fn version(release: &str) -> String {
    release.replace('-', "~")
}
