//! Child processes: the test's own binary, started again to run one test in another role.
//!
//! A test that has a directory ([`directory()`]) is a child: it plays its role and tells of it
//! ([`tell()`]). Without one it is the parent: it starts children ([`Child`]), hears what they
//! tell, and ends them.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Set in a child only: the directory of the store that it is to open.
const DIRECTORY: &str = "LATERBASE_CONFORMANCE_DIRECTORY";

/// Set in a child only: what it is to do, in words of the test's own.
const TASK: &str = "LATERBASE_CONFORMANCE_TASK";

/// Shell text that starts a program with `SIGXFSZ` ignored.
///
/// A write beyond the file size limit then fails with an error, as on a full disk, instead of
/// ending the process. What a shell ignores stays ignored in the program that takes its place.
const WITHOUT_SIGXFSZ: &str = r#"trap "" XFSZ; exec "$0" "$@""#;

/// The directory that this process was started for, if it is a child.
pub fn directory() -> Option<PathBuf> {
    env::var_os(DIRECTORY).map(PathBuf::from)
}

/// What this child is to do, in the words given to [`Child::start_for`].
pub fn task() -> String {
    env::var(TASK).unwrap_or_default()
}

/// Tells the parent something, on a line of its own whatever the test runner has printed.
pub fn tell(word: &str, number: u64) {
    let mut parent = std::io::stdout().lock();
    let told = write!(parent, "\n{word} {number}\n").and_then(|()| parent.flush());
    told.expect("the parent listens");
}

/// A child, and what it says.
#[derive(Debug)]
pub struct Child {
    process: process::Child,
    lines: BufReader<ChildStdout>,
}

impl Child {
    /// Starts the test of this path (`module_path!()` and name) again, on a store's directory.
    pub fn start(test: &str, directory: &Path) -> Self {
        Self::start_for(test, directory, "")
    }

    /// The same, with a task.
    pub fn start_for(test: &str, directory: &Path, task: &str) -> Self {
        Self::start_with(test, directory, task, Stdio::inherit())
    }

    /// The same, for a child that may end badly, and whose last words nobody needs.
    pub fn start_quiet(test: &str, directory: &Path, task: &str) -> Self {
        Self::start_with(test, directory, task, Stdio::null())
    }

    fn start_with(test: &str, directory: &Path, task: &str, errors: Stdio) -> Self {
        // The test runner leaves out the crate's name.
        let (_, test) = test.split_once("::").expect("a test is in a module");
        let binary = env::current_exe().expect("the test has a binary");
        let mut command = Command::new("sh");
        command.arg("-c").arg(WITHOUT_SIGXFSZ).arg(binary);
        command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
        command.env(DIRECTORY, directory).env(TASK, task).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(errors);
        let mut process = command.spawn().expect("the test can be started again");
        let lines = BufReader::new(process.stdout.take().expect("the output is piped"));
        Self { process, lines }
    }

    /// The next thing that the child told in full; none when it has ended.
    pub fn hear(&mut self) -> Option<(String, u64)> {
        loop {
            let mut line = String::new();
            self.lines.read_line(&mut line).expect("the child's output can be read");
            // A killed child can leave half a number behind.
            let line = line.strip_suffix('\n')?;
            let told = line.split_once(' ');
            let told =
                told.and_then(|(word, number)| Some((word.to_owned(), number.parse().ok()?)));
            if told.is_some() {
                return told;
            }
        }
    }

    /// Ends the child where it stands.
    pub fn kill(&mut self) {
        self.process.kill().expect("the child can be killed");
    }

    /// A way to end the child where it stands while it is being heard. Not to be used once
    /// somebody has waited for its end.
    pub fn killer(&self) -> impl Fn() + Send + Sync + use<> {
        let process = Pid::from_child(&self.process);
        move || {
            // It may have ended by itself.
            let _ = kill_process(process, Signal::KILL);
        }
    }

    /// Waits for the child's end and gives whether it ended well.
    pub fn wait(self) -> bool {
        self.end().success()
    }

    /// Waits for the child's end and says how it came.
    pub fn end(mut self) -> ExitStatus {
        self.process.wait().expect("the child can be waited for")
    }
}

impl Drop for Child {
    /// Leaves no process behind, also where a test fails.
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether a process ended by `SIGKILL`.
pub fn was_killed(ended: ExitStatus) -> bool {
    ended.signal() == Some(Signal::KILL.as_raw())
}
