//! The reference server as a process of its own, which can be killed.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::Connection;

/// The program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_laterbase-server");

/// A running `laterbase-server`. Killed when dropped, without a chance to tidy up.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
}

impl Process {
    /// Starts a server on a data directory, and waits until it says where it is.
    pub fn start(data: &Path, arguments: &[&str]) -> Self {
        Self::start_logging(data, arguments, Stdio::inherit())
    }

    /// The same, with its log going elsewhere.
    pub fn start_logging(data: &Path, arguments: &[&str], log: impl Into<Stdio>) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["--listen", "127.0.0.1:0", "--data"]).arg(data).args(arguments);
        Self::start_by(command.env("LATERBASE_LOG", "warn").stderr(log))
    }

    /// Starts a server by a command, and waits until it says where it is.
    pub fn start_by(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").map(str::parse);
        let address = address.unwrap_or_else(|| panic!("the server said {line:?}")).unwrap();
        Self { child, address }
    }

    /// Its number in the system.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// SIGKILL: what is not on disk is gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// What it says on stderr from now on, which is piped.
    pub fn log(&mut self) -> Log {
        Log::of(self.child.stderr.take().expect("it was piped"))
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, name: &str) {
        let arguments = [format!("-{name}"), self.id().to_string()];
        let sent = Command::new("kill").args(arguments).status();
        assert!(sent.unwrap().success());
    }

    /// Nobody reads what it says on stderr any more.
    pub fn stop_listening(&mut self) {
        drop(self.child.stderr.take().expect("it was piped"));
    }

    /// SIGTERM: the server may tidy up. Waits for its end.
    pub fn terminate(mut self) -> ExitStatus {
        self.ask_to_end();
        self.child.wait().unwrap()
    }

    /// The same, but killed if it takes longer than a minute.
    pub fn terminate_soon(mut self) -> ExitStatus {
        self.ask_to_end();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the server does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn ask_to_end(&self) {
        self.signal("TERM");
    }
}

/// The lines that a server logs, each with its end.
pub struct Log(mpsc::Receiver<String>);

impl Log {
    /// Longest wait for a line.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn of(stderr: ChildStderr) -> Self {
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut stderr = BufReader::new(stderr);
            let mut line = String::new();
            while stderr.read_line(&mut line).is_ok_and(|length| length > 0) {
                if sender.send(std::mem::take(&mut line)).is_err() {
                    return;
                }
            }
        });
        Self(lines)
    }

    /// Waits for a line with a text, and gives all lines up to it.
    pub fn until(&mut self, text: &str) -> String {
        let deadline = Instant::now() + Self::PATIENCE;
        let mut seen = String::new();
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            let line = match self.0.recv_timeout(rest) {
                Ok(line) => line,
                Err(error) => panic!("the log has no {text:?} ({error}):\n{seen}"),
            };
            seen.push_str(&line);
            if line.contains(text) {
                return seen;
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
