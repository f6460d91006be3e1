//! The reference server as a child process.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use super::status::Status;

/// What the server prints, with its URL, once it is ready.
const READY: &str = "listening on ";

/// How long a graceful stop may take before the demo complains.
const STOP_TIME_MAX: Duration = Duration::from_secs(30);

pub(super) struct Server {
    child: Child,
    address: SocketAddr,
    url: String,
    /// Kept open, because a server that prints into a closed pipe would fail.
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a server on LMDB that serves `roots`, and waits until it is ready.
    pub(super) fn start(binary: &Path, folder: &Path, roots: &BTreeSet<String>) -> Result<Self> {
        let log = folder.join("server.log");
        let mut command = Command::new(binary);
        command.arg("--data").arg(folder.join("server")).args(["--listen", "127.0.0.1:0"]);
        for root in roots {
            command.args(["--root", root]);
        }
        command.stdout(Stdio::piped()).stderr(File::create(&log)?);
        let mut child =
            command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let mut stdout = BufReader::new(child.stdout.take().context("a child without stdout")?);
        let Some(url) = read_url(&mut stdout)? else {
            let status = child.wait()?;
            bail!("the server did not start ({status}): {}", fs::read_to_string(&log)?.trim_end());
        };
        let address = url.trim_start_matches("http://").trim_end_matches('/').parse();
        let address = address.with_context(|| format!("the server listens on {url:?}"))?;
        Ok(Self { child, address, url, _stdout: stdout })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks `GET /`.
    pub(super) fn status(&self) -> Result<Status> {
        let mut stream = TcpStream::connect(self.address)?;
        // Under HTTP/1.0 the body ends with the connection: no chunks to put together.
        write!(stream, "GET / HTTP/1.0\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        let (head, body) = response.split_once("\r\n\r\n").context("an answer without a body")?;
        let status = head.split(' ').nth(1);
        ensure!(status == Some("200"), "GET / answered {head}");
        serde_json::from_str(body).with_context(|| format!("GET / answered {body:?}"))
    }

    /// Asks the server to stop and waits until it has.
    pub(super) fn stop(mut self) -> Result<()> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        let asked = Instant::now();
        while asked.elapsed() < STOP_TIME_MAX {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the server ended with {status}");
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
        bail!("the server did not stop within {STOP_TIME_MAX:?}");
    }
}

impl Drop for Server {
    /// Leaves no server behind when the demo fails half-way.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.child.kill().and_then(|()| self.child.wait()).ok();
        }
    }
}

/// The URL that the server prints; `None` if it ends before that.
fn read_url(stdout: &mut impl BufRead) -> Result<Option<String>> {
    let mut line = String::new();
    while stdout.read_line(&mut line)? > 0 {
        if let Some((_, url)) = line.split_once(READY) {
            return Ok(Some(url.trim_end().to_owned()));
        }
        line.clear();
    }
    Ok(None)
}
