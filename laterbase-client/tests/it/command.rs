//! The built `laterbase` command, on a store of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A directory with a store in it, and other files beside it.
pub(crate) struct Workplace {
    directory: TempDir,
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Workplace {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes lines to a file and gives its path.
    pub(crate) fn write(&self, name: &str, lines: &[String]) -> String {
        let path = self.path(name);
        std::fs::write(&path, lines.join("\n")).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The command, to be run in the directory.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_laterbase"));
        command.current_dir(self.directory.path()).args(arguments);
        command.env("TZ", "UTC").env_remove("COLUMNS");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).stdin(Stdio::null()).output().unwrap().into()
    }

    /// Runs a command that must succeed, and gives its stdout.
    #[track_caller]
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{arguments:?}");
        ended.stdout
    }

    /// Runs a command with `--json` that must succeed, and gives its summary.
    #[track_caller]
    pub(crate) fn summary(&self, arguments: &[&str]) -> Value {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        serde_json::from_str(&self.succeed(&arguments)).unwrap()
    }

    /// Runs a command that must fail, and gives its stderr.
    #[track_caller]
    pub(crate) fn fail(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{}", ended.stderr);
        ended.stderr
    }

    /// Runs a command with something on its stdin.
    pub(crate) fn feed(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap().into()
    }

    /// How many events the store holds; 0 if it is empty or not there.
    #[track_caller]
    pub(crate) fn event_count(&self) -> u64 {
        if !Path::exists(&self.path("laterbase-data")) {
            return 0;
        }
        let status = self.summary(&["status"]);
        let roots = status["roots"].as_object().unwrap();
        roots.values().map(|root| root["events"].as_u64().unwrap()).sum()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("ended by itself, not by a signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
