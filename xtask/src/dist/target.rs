//! What programs are built for, and what that needs.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{PACKAGES, PROGRAMS};
use crate::{command, toolchain::answers};

/// Linux on two architectures, with the C library inside: the programs run on every distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Target {
    #[value(name = "x86_64-unknown-linux-musl")]
    X86,
    #[value(name = "aarch64-unknown-linux-musl")]
    Arm,
}

impl Target {
    pub(super) const ALL: [Self; 2] = [Self::X86, Self::Arm];

    /// As Rust calls it.
    pub(super) fn triple(self) -> String {
        format!("{}-unknown-linux-musl", self.architecture())
    }

    /// As the kernel calls it.
    pub(super) fn architecture(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm => "aarch64",
        }
    }

    /// As Debian and images call it.
    pub(super) fn package_architecture(self) -> &'static str {
        match self {
            Self::X86 => "amd64",
            Self::Arm => "arm64",
        }
    }

    /// True if its programs can be started here.
    pub(super) fn runs_here(self) -> bool {
        cfg!(target_os = "linux") && self.architecture() == std::env::consts::ARCH
    }

    /// An error that says what is missing, and how one gets it.
    pub(super) fn require(self) -> Result<()> {
        let triple = self.triple();
        let root = command::output(Command::new("rustc").args(["--print", "sysroot"]))?;
        if !Path::new(root.trim()).join("lib/rustlib").join(&triple).is_dir() {
            bail!("there is no standard library of Rust for it (`rustup target add {triple}`)");
        }
        self.compiler().map(|_| ())
    }

    /// What compiles LMDB and the other C for it.
    fn compiler(self) -> Result<Compiler> {
        let architecture = self.architecture();
        let named = format!("{architecture}-linux-musl-gcc");
        if answers(named.as_ref()) {
            return Ok(Compiler::Named(named));
        }
        if self.runs_here() && answers("musl-gcc".as_ref()) {
            return Ok(Compiler::Named("musl-gcc".to_owned()));
        }
        for zig in ["zig", "python3 -m ziglang"] {
            let mut version = Command::new("sh");
            version.args(["-c", &format!("{zig} version >/dev/null 2>&1")]);
            if version.status().is_ok_and(|status| status.success()) {
                return Ok(Compiler::Zig(zig));
            }
        }
        let package = if self.runs_here() { "Debian's package musl-tools, or " } else { "" };
        bail!("there is no C compiler for it: {named} ({package}`pip install ziglang`)")
    }

    /// Builds the programs and returns their folder.
    pub(super) fn build(self, stage: &Path) -> Result<PathBuf> {
        let triple = self.triple();
        let mut build = command::cargo();
        build.args(["build", "--locked", "--release", "--bins", "--target", &triple]);
        build.args(PACKAGES.map(|package| format!("--package={package}")));
        build.env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
        self.compiler()?.apply(self, stage, &mut build)?;
        command::run(&mut build)?;
        let folder = command::target_folder()?.join(triple).join("release");
        PROGRAMS.iter().try_for_each(|program| check_static(&folder.join(program)))?;
        Ok(folder)
    }
}

/// A C compiler that makes code for another system than this one.
enum Compiler {
    Named(String),
    /// Knows all systems, and is started by this.
    Zig(&'static str),
}

impl Compiler {
    /// Tells Cargo and the build scripts of C code to use it.
    fn apply(&self, target: Target, stage: &Path, build: &mut Command) -> Result<()> {
        let triple = target.triple().replace('-', "_");
        match self {
            Self::Named(name) => {
                build.env(format!("CC_{triple}"), name);
            }
            Self::Zig(zig) => {
                let compile = script(stage, "compile", &compile_by_zig(zig, target))?;
                build.env(format!("CC_{triple}"), compile);
                let gather =
                    script(stage, "gather", &format!("#!/bin/sh\nexec {zig} ar \"$@\"\n"))?;
                build.env(format!("AR_{triple}"), gather);
            }
        }
        if !target.runs_here() {
            // Rust's own: the linker of this system may know this system only.
            let linker = format!("CARGO_TARGET_{}_LINKER", triple.to_uppercase());
            build.env(linker, "rust-lld");
        }
        Ok(())
    }
}

/// Build scripts name targets as Rust does, which zig does not know.
fn compile_by_zig(zig: &str, target: Target) -> String {
    format!(
        "#!/bin/sh\n\
         for word; do\n\
         shift\n\
         case $word in --target=*) ;; *) set -- \"$@\" \"$word\" ;; esac\n\
         done\n\
         exec {zig} cc -target {}-linux-musl \"$@\"\n",
        target.architecture()
    )
}

fn script(stage: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = stage.join(name);
    fs::write(&path, text)?;
    command::run(Command::new("chmod").args([OsStr::new("+x"), path.as_os_str()]))?;
    Ok(path)
}

fn check_static(program: &Path) -> Result<()> {
    let bytes = fs::read(program).with_context(|| format!("no {}", program.display()))?;
    match asks_for_loader(&bytes) {
        Some(false) => Ok(()),
        Some(true) => {
            bail!("{} needs libraries of the system: it is not static", program.display())
        }
        None => bail!("{} is no program for Linux", program.display()),
    }
}

/// Whether an ELF file of 64 bits names a loader, which brings shared libraries; nothing for others.
pub(super) fn asks_for_loader(file: &[u8]) -> Option<bool> {
    const LITTLE_64: &[u8] = b"\x7fELF\x02\x01";
    const INTERPRETER: [u8; 4] = 3_u32.to_le_bytes();
    let short = |at: usize| Some(u16::from_le_bytes(file.get(at..at + 2)?.try_into().ok()?));
    if !file.starts_with(LITTLE_64) {
        return None;
    }
    // The table of what is loaded: its place, the size of an entry, and how many there are.
    let place = u64::from_le_bytes(file.get(0x20..0x28)?.try_into().ok()?);
    let (size, count) = (short(0x36)?, short(0x38)?);
    let entries = file.get(usize::try_from(place).ok()?..)?.chunks_exact(size.into());
    Some(entries.take(count.into()).any(|entry| entry.starts_with(&INTERPRETER)))
}
