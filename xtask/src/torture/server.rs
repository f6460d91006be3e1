//! A server as a child process, and what is asked of it over HTTP.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{
    deadline::Deadline,
    events::{NewEvent, lines},
    held::{Held, Ledger},
    http::{Answer, Request, ask},
    replica::{Replica, State, Status},
};

/// What the server prints, with its URL, once it is ready.
const READY: &str = "listening on http://";

/// The form of events, a line each.
pub(super) const LINES: &str = "application/x-ndjson";

pub(super) struct Server {
    name: String,
    program: PathBuf,
    data: PathBuf,
    options: Vec<String>,
    environment: Vec<(String, String)>,
    deadline: Deadline,
    child: Option<Child>,
    address: SocketAddr,
}

impl Server {
    /// A server that is not started yet.
    pub(super) fn new(name: &str, program: &Path, folder: &Path, deadline: Deadline) -> Self {
        Self {
            name: name.to_owned(),
            program: program.to_owned(),
            data: folder.join(name),
            options: Vec::new(),
            environment: Vec::new(),
            deadline,
            child: None,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        }
    }

    pub(super) fn with(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|&option| option.to_owned()));
        self
    }

    /// The folder of its store.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From the next start on, it has this clock.
    pub(super) fn set_clock(&mut self, environment: &[(String, String)]) {
        self.environment = environment.to_vec();
    }

    /// Starts it, at the address that it had before if it had one, and waits until it is ready.
    pub(super) fn start(&mut self) -> Result<()> {
        let log = self.data.with_extension("log");
        let mut command = Command::new(&self.program);
        command.arg("--data").arg(&self.data).args(["--listen", &self.address.to_string()]);
        let settings = std::env::vars().filter(|(name, _)| name.starts_with("LATERBASE_"));
        settings.for_each(|(name, _)| {
            command.env_remove(name);
        });
        command.args(&self.options).envs(self.environment.iter().cloned());
        let stderr: File = OpenOptions::new().create(true).append(true).open(&log)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let child = self.child.insert(command.spawn().context("cannot start the server")?);
        let address = ready(child.stdout.take().context("a child without stdout")?);
        let what = format!("the start of {}", self.name);
        let address = address.recv_timeout(self.deadline.left(&what)?);
        let address = address.with_context(|| format!("{what} failed, see {}", log.display()))?;
        self.address = address.parse().with_context(|| format!("it listens on {address}"))?;
        Ok(())
    }

    /// Asks it to stop, and waits until it has.
    pub(super) fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let id = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        let what = format!("the stop of {}", self.name);
        let status = self.deadline.wait_for(&what, || Ok(child.try_wait()?));
        let status = status.inspect_err(|_| {
            child.kill().and_then(|()| child.wait()).ok();
        })?;
        ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }

    /// Ends it by SIGKILL.
    pub(super) fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    pub(super) fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.start()
    }

    pub(super) fn get(&self, target: &str, accept: &str) -> Result<Answer> {
        let headers = [("Accept", accept)];
        self.ask(&Request { method: "GET", target, headers: &headers, body: &[] })?
            .expect(&[200], target)
    }

    pub(super) fn ask(&self, request: &Request<'_>) -> Result<Answer> {
        ask(self.address, request, self.deadline)
    }

    pub(super) fn post(&self, target: &str, events: &[NewEvent]) -> Result<Answer> {
        let (headers, body) = ([("Content-Type", LINES)], lines(events));
        self.ask(&Request { method: "POST", target, headers: &headers, body: body.as_bytes() })
    }

    /// Writes events of one root in one request, and notes the ids that it answers.
    pub(super) fn write(&self, events: &[NewEvent], ledger: &mut Ledger) -> Result<()> {
        let target = format!("/e/{}", events.first().context("no events")?.root);
        let answer = self.post(&target, events)?.expect(&[201], "a write")?;
        ledger.note(&ids(&answer.json()?["ids"])?, events)
    }

    /// One page of what follows a cursor at `path`, as lines, with the next cursor and whether there
    /// is more.
    pub(super) fn page(&self, path: &str, after: &str) -> Result<Page> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let after = if after.is_empty() { String::new() } else { format!("&after={after}") };
        let answer = self.get(&format!("{path}{joint}limit=4000{after}"), LINES)?;
        Ok(Page {
            lines: answer.text()?.to_owned(),
            after: answer.header("laterbase-after").map(str::to_owned),
            has_more: answer.header("laterbase-more") == Some("true"),
            unreadable: answer.header("laterbase-unreadable").map_or(Ok(0), str::parse)?,
        })
    }
}

/// A page of events.
pub(super) struct Page {
    pub(super) lines: String,
    pub(super) after: Option<String>,
    pub(super) has_more: bool,
    /// Entries that were passed over, as they are damaged.
    pub(super) unreadable: u64,
}

/// Ids in an answer.
pub(super) fn ids(value: &Value) -> Result<Vec<String>> {
    let ids = value.as_array().context("no ids")?.iter();
    ids.map(|id| Ok(id.as_str().context("an id is a text")?.to_owned())).collect()
}

/// The address that a server prints. The channel ends without one if the server does; whatever it
/// prints later is read, too.
fn ready(stdout: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some((_, address)) = line.split_once(READY) {
                sender.send(address.trim_end().trim_end_matches('/').to_owned()).ok();
            }
        }
    });
    receiver
}

impl Replica for Server {
    fn name(&self) -> &str {
        &self.name
    }

    fn held(&self, root: &str) -> Result<Held> {
        let (mut held, mut after) = (Held::default(), String::new());
        loop {
            let page = self.page(&format!("/e/{root}"), &after)?;
            held.take(&page.lines)?;
            if !page.has_more {
                return Ok(held);
            }
            after = page.after.context("a page with more behind it has no cursor")?;
        }
    }

    fn status(&self) -> Result<Status> {
        Ok(serde_json::from_value(self.get("/", "application/json")?.json()?)?)
    }

    fn state(&self, root: &str, aggregate: &str, question: Option<(&str, &str)>) -> Result<State> {
        let question = question.map(|(name, value)| format!("?{name}={value}"));
        let target = format!("/a/{root}/{aggregate}{}", question.unwrap_or_default());
        let answer = self.get(&target, "application/json")?;
        let refused = answer.header("laterbase-refused-count").map_or(Ok(0), str::parse)?;
        let etag = answer.header("etag").context("no etag")?.trim_matches('"').to_owned();
        Ok(State { value: answer.json()?, etag, refused })
    }
}

impl Drop for Server {
    /// Leaves no server behind when a row fails half-way.
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().and_then(|()| child.wait()).ok();
        }
    }
}
