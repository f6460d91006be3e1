//! The image of the server, for Docker, Podman and Kubernetes.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::layout::{copy, copy_all};
use super::{PROGRAMS, VERSION, is_there, layout::Layout, target::Target};
use crate::command;

/// Builds `laterbase-0.1.0-x86_64-image.tar`, where there is `buildah`. `docker load` and
/// `podman load` read it.
pub(super) fn build(layout: &Layout, target: Target, time: u64, out: &Path) -> Result<()> {
    if !is_there("buildah", "buildah", "the image") {
        return Ok(());
    }
    let stage = layout.folder().with_file_name("image");
    let context = stage.join("context");
    for program in PROGRAMS {
        let file = format!("bin/{program}");
        copy(&layout.path(&file), &context.join(&file))?;
    }
    copy_all(&layout.path("licences"), &context.join("licences"))?;
    fs::create_dir_all(context.join("data"))?;
    let name = format!("laterbase-server:{VERSION}");
    let architecture = target.package_architecture();
    let mut build = buildah(&stage);
    // The format of Docker keeps the health check, which OCI's has no place for.
    build.args(["build", "--format=docker", "--layers=false", "--quiet", "--arch", architecture]);
    build.args(["--timestamp", &time.to_string(), "--tag", &name, "--file"]);
    build.arg(layout.path("Containerfile"));
    command::run(build.arg(&context))?;
    let file = out.join(format!("laterbase-{VERSION}-{}-image.tar", target.architecture()));
    let archive = format!("docker-archive:{}:{name}", file.display());
    command::run(buildah(&stage).args(["push", "--quiet", &name, &archive]))
}

/// With a store of its own, so that nothing is left in the user's; no step runs anything.
fn buildah(stage: &Path) -> Command {
    let mut buildah = Command::new("buildah");
    buildah.arg("--root").arg(stage.join("store")).arg("--runroot").arg(stage.join("run"));
    buildah.args(["--storage-driver", "vfs"]).env("BUILDAH_ISOLATION", "chroot");
    buildah
}
