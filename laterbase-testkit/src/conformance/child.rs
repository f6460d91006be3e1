//! Child processes: the test's own binary, started again to run one test in another role.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Set in a child only: the directory of the store that it is to open.
const DIRECTORY: &str = "LATERBASE_CONFORMANCE_DIRECTORY";

/// Shell text that starts a program with `SIGXFSZ` ignored.
///
/// A write beyond the file size limit then fails with an error, as on a full disk, instead of
/// ending the process. What a shell ignores stays ignored in the program that takes its place.
const WITHOUT_SIGXFSZ: &str = r#"trap "" XFSZ; exec "$0" "$@""#;

/// The directory that this process was started for, if it is a child.
pub(super) fn directory() -> Option<PathBuf> {
    env::var_os(DIRECTORY).map(PathBuf::from)
}

/// Tells the parent something, on a line of its own whatever the test runner has printed.
pub(super) fn tell(word: &str, number: u64) {
    let mut parent = std::io::stdout().lock();
    let told = write!(parent, "\n{word} {number}\n").and_then(|()| parent.flush());
    told.expect("the parent listens");
}

/// A child, and what it says.
pub(super) struct Writer {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Writer {
    /// Starts the test of this path (`module_path!()` and name) again, on a store's directory.
    pub(super) fn start(test: &str, directory: &Path) -> Self {
        // The test runner leaves out the crate's name.
        let (_, test) = test.split_once("::").expect("a test is in a module");
        let binary = env::current_exe().expect("the test has a binary");
        let mut command = Command::new("sh");
        command.arg("-c").arg(WITHOUT_SIGXFSZ).arg(binary);
        command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
        command.env(DIRECTORY, directory).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the test can be started again");
        let lines = BufReader::new(child.stdout.take().expect("the output is piped"));
        Self { child, lines }
    }

    /// The next thing that the child told in full; none when it has ended.
    pub(super) fn hear(&mut self) -> Option<(String, u64)> {
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
    pub(super) fn kill(&mut self) {
        self.child.kill().expect("the child can be killed");
    }

    /// Waits for the child's end and gives whether it ended well.
    pub(super) fn wait(mut self) -> bool {
        self.child.wait().expect("the child can be waited for").success()
    }
}
