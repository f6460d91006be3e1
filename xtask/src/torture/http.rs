//! Just enough of HTTP: one request on a connection of its own, under HTTP/1.0, so that no answer
//! comes in chunks.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use anyhow::{Context, Result, bail, ensure};

use super::deadline::Deadline;

/// A request.
pub(super) struct Request<'r> {
    pub(super) method: &'r str,
    pub(super) target: &'r str,
    pub(super) headers: &'r [(&'r str, &'r str)],
    pub(super) body: &'r [u8],
}

/// An answer that came whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    /// The value of a header, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self) -> Result<&str> {
        str::from_utf8(&self.body).context("an answer that is no UTF-8")
    }

    pub(super) fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("no JSON: {}", self.brief()))
    }

    /// An error unless the status is one of these.
    pub(super) fn expect(self, statuses: &[u16], what: &str) -> Result<Self> {
        ensure!(statuses.contains(&self.status), "{what}: {} {}", self.status, self.brief());
        Ok(self)
    }

    fn brief(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(300).collect()
    }
}

/// Asks, and reads the whole answer.
pub(super) fn ask(
    address: SocketAddr,
    request: &Request<'_>,
    deadline: Deadline,
) -> Result<Answer> {
    let what = format!("{} {}", request.method, request.target);
    let mut stream = TcpStream::connect_timeout(&address, deadline.left(&what)?)?;
    stream.set_write_timeout(Some(deadline.left(&what)?))?;
    let mut head = format!("{what} HTTP/1.0\r\nHost: {address}\r\n");
    for (name, value) in request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if request.method == "POST" {
        head.push_str(&format!("Content-Length: {}\r\n", request.body.len()));
    }
    head.push_str("\r\n");
    // A server that refuses a body may stop reading it; what counts is whether it answers.
    let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(request.body));
    let mut bytes = Vec::new();
    let received = read_all(&mut stream, &mut bytes, &what, deadline);
    match parse(&bytes) {
        Ok(answer) => Ok(answer),
        Err(error) => {
            sent.with_context(|| what.clone())?;
            received?;
            Err(error.context(what))
        }
    }
}

fn read_all(
    stream: &mut TcpStream,
    bytes: &mut Vec<u8>,
    what: &str,
    deadline: Deadline,
) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        stream.set_read_timeout(Some(deadline.left(what)?))?;
        match stream.read(&mut buffer).with_context(|| what.to_owned())? {
            0 => return Ok(()),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Answer> {
    let end = head_end(bytes).context("the answer broke off in its head")?;
    let (head, body) = (str::from_utf8(&bytes[..end])?, &bytes[end..]);
    let status = head.split(' ').nth(1).context("an answer without a status")?.parse()?;
    let answer = Answer { status, headers: headers(head), body: body.to_vec() };
    if let Some(length) = answer.header("content-length")
        && length.parse() != Ok(body.len())
    {
        bail!("the answer broke off: {} of {length} bytes", body.len());
    }
    Ok(answer)
}

/// Where the body begins.
pub(super) fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// Names, in lower case, and values of a head's lines behind the first one.
pub(super) fn headers(head: &str) -> Vec<(String, String)> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect()
}
