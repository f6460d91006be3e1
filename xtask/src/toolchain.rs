//! What the tests need beside Rust: for RocksDB a C++ compiler, and libclang for its bindings; and
//! `faketime`, which some can do without.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Result, bail};

use crate::command;

pub(crate) mod browser;
pub(crate) mod deny;

#[cfg(test)]
mod tests;

/// Folders in and below which libclang lies, where a system's packages put it.
const LIBRARY_FOLDERS: [&str; 6] = [
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/opt/homebrew/opt/llvm/lib",
    "/Library/Developer/CommandLineTools/usr/lib",
    "/Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib",
];

/// `/usr/lib/llvm-14/lib` is the deepest place that systems use.
const LIBRARY_DEPTH_MAX: u32 = 2;

/// Something that must be there, by the name its users know and by its packages' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    Compiler,
    Libclang,
}

/// Where packages come from on this system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packages {
    Apt,
    Dnf,
    Xcode,
    Unknown,
}

/// An error unless the tools are there; on Debian and Ubuntu they are installed when run as root.
pub(crate) fn require() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        println!("a C++ compiler and libclang are there");
        return Ok(());
    }
    let packages = Packages::of_this_system();
    if packages == Packages::Apt && rustix::process::geteuid().is_root() {
        command::run(Command::new("apt-get").arg("update"))?;
        let install = ["install", "--yes", "--no-install-recommends"];
        let names = missing.iter().map(|tool| tool.package(packages));
        command::run(Command::new("apt-get").args(install).args(names))?;
        if self::missing().is_empty() {
            return Ok(());
        }
    }
    bail!("RocksDB cannot be built here: {}", advice(&missing, packages))
}

/// Puts `faketime` in place where it can, and else says which tests are left out without it.
pub(crate) fn offer_faketime() {
    let is_there = || answers(OsStr::new("faketime"));
    if !is_there() {
        try_install(&["faketime"]);
    }
    if is_there() {
        println!("faketime is there");
    } else {
        println!(
            "left out: the tests of a server under a wrong wall clock, as there is no faketime \
             (Debian's package of this name)"
        );
    }
}

/// Installs packages of Debian and Ubuntu when run as root. Whether they could be had shows when they
/// are asked for.
fn try_install(packages: &[&str]) {
    if Packages::of_this_system() == Packages::Apt && rustix::process::geteuid().is_root() {
        let install = ["install", "--yes", "--no-install-recommends"];
        let _ = command::run(Command::new("apt-get").args(install).args(packages));
    }
}

fn missing() -> Vec<Tool> {
    let mut missing = Vec::new();
    let compiler = env::var_os("CXX").unwrap_or_else(|| "c++".into());
    if !answers(&compiler) {
        missing.push(Tool::Compiler);
    }
    if !libclang_folders().iter().any(|folder| holds_libclang(folder, LIBRARY_DEPTH_MAX)) {
        missing.push(Tool::Libclang);
    }
    missing
}

/// True if `program` can be started and knows its version.
pub(crate) fn answers(program: &OsStr) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn libclang_folders() -> Vec<PathBuf> {
    let named = env::var_os("LIBCLANG_PATH").map(PathBuf::from);
    named.into_iter().chain(LIBRARY_FOLDERS.map(PathBuf::from)).collect()
}

/// True if libclang is in `folder` (or is that very path), or at most `depth` folders below it.
fn holds_libclang(folder: &Path, depth: u32) -> bool {
    if is_libclang(folder) {
        return folder.is_file();
    }
    let Ok(entries) = fs::read_dir(folder) else { return false };
    let mut folders = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        if is_libclang(&path) {
            return true;
        }
        if depth > 0 && path.is_dir() {
            folders.push(path);
        }
    }
    folders.iter().any(|folder| holds_libclang(folder, depth - 1))
}

/// True for `libclang.so`, `libclang-14.so.1`, `libclang.dylib`; false for `libclang-cpp.so.14`.
fn is_libclang(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some(rest) = name.strip_prefix("libclang") else { return false };
    let (version, kind) = rest.split_once('.').unwrap_or((rest, ""));
    let versioned = version.is_empty()
        || version.strip_prefix('-').is_some_and(|number| number.starts_with(char::is_numeric));
    // In `libclang-14.0.6.so` the first dot belongs to the version.
    let kind = kind.trim_start_matches(|byte: char| byte.is_numeric() || byte == '.');
    versioned && (kind == "so" || kind.starts_with("so.") || kind == "dylib")
}

impl Tool {
    fn package(self, packages: Packages) -> &'static str {
        match (self, packages) {
            (Self::Compiler, Packages::Dnf) => "gcc-c++",
            (Self::Compiler, _) => "g++",
            (Self::Libclang, Packages::Dnf) => "clang-devel",
            (Self::Libclang, _) => "libclang-dev",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Compiler => "a C++ compiler (c++, or what CXX names)",
            Self::Libclang => "libclang (where LIBCLANG_PATH says, or where the system keeps it)",
        }
    }
}

impl Packages {
    fn of_this_system() -> Self {
        if cfg!(target_os = "macos") {
            Self::Xcode
        } else if answers(OsStr::new("apt-get")) {
            Self::Apt
        } else if answers(OsStr::new("dnf")) {
            Self::Dnf
        } else {
            Self::Unknown
        }
    }
}

/// What is missing and the command that mends it.
fn advice(missing: &[Tool], packages: Packages) -> String {
    let names: Vec<_> = missing.iter().map(|tool| tool.name()).collect();
    let wanted: Vec<_> = missing.iter().map(|tool| tool.package(packages)).collect();
    let wanted = wanted.join(" ");
    let remedy = match packages {
        Packages::Apt => format!("sudo apt-get update && sudo apt-get install --yes {wanted}"),
        Packages::Dnf => format!("sudo dnf install --assumeyes {wanted}"),
        Packages::Xcode => "xcode-select --install".to_owned(),
        Packages::Unknown => format!("(with this system's package manager) install {wanted}"),
    };
    format!("{} is missing.\nRun this and try again:\n    {remedy}", names.join(" and "))
}
