//! `docs/operations.md` as an operator follows it: its commands, one after the other, as they stand
//! there.
#![cfg(unix)]

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::PROGRAM;

const PAGE: &str = include_str!("../../../docs/operations.md");

/// Longer than the page ever takes.
const TIME_MAX: Duration = Duration::from_secs(300);

/// The blocks that can be typed as they stand, in their order.
fn commands() -> String {
    let blocks = PAGE.split("\n```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap()).collect()
}

/// The folder with both programs. The command is of another package: where only this one is
/// tested, it may not be built yet.
fn programs() -> PathBuf {
    let folder = Path::new(PROGRAM).parent().unwrap();
    if !folder.join("laterbase").exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "laterbase-client", "--bin", "laterbase"]);
        build.arg("--target-dir").arg(folder.parent().unwrap());
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success());
    }
    folder.to_owned()
}

/// A shell, and all that it starts: ended when it is dropped.
struct Shell(Child);

impl Shell {
    fn run(script: &str, folder: &Path) -> Self {
        let path = format!("{}:{}", programs().display(), std::env::var("PATH").unwrap());
        let output = File::create(folder.join("transcript")).unwrap();
        let mut shell = Command::new("sh");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LATERBASE_") {
                shell.env_remove(name);
            }
        }
        shell.args(["-eux", "-c", script]).current_dir(folder).env("PATH", path);
        shell.stdout(output.try_clone().unwrap()).stderr(output).process_group(0);
        Self(shell.spawn().unwrap())
    }

    fn wait(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + TIME_MAX;
        while Instant::now() < deadline {
            if let Some(status) = self.0.try_wait().unwrap() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // The servers are of its group, and go on without it.
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.0.wait();
    }
}

#[test]
fn every_command_of_the_page_for_operators_works() {
    // Held at once, so that they differ.
    let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [first, second] = ports.map(|it| it.local_addr().unwrap().port().to_string());
    let script = commands().replace(":4920", &format!(":{first}"));
    let script = script.replace(":4921", &format!(":{second}"));
    let place = TempDir::new().unwrap();
    let mut shell = Shell::run(&script, place.path());
    let ended = shell.wait();
    let read = |name: &str| fs::read_to_string(place.path().join(name)).unwrap_or_default();
    let told = || {
        let names = ["transcript", "depot.log", "kumasi.log"];
        names.map(|name| format!("{name}:\n{}", read(name))).join("\n")
    };
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}\n{}", told());
    let log = read("depot.log");
    assert!(log.matches("a backup was taken").count() >= 2, "{}", told());
    assert!(!log.contains("ERROR") && !read("kumasi.log").contains("ERROR"), "{}", told());
}
