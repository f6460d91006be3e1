//! The reference server as a process of its own, which can be killed.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::connection::Connection;

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
        let mut child = Command::new(env!("CARGO_BIN_EXE_laterbase-server"))
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(arguments)
            .env("LATERBASE_LOG", "warn")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
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

    /// SIGTERM: the server may tidy up. Waits for its end.
    pub fn terminate(mut self) -> ExitStatus {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
