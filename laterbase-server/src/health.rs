//! `laterbase-server health`: asks a running server whether it takes writes. For containers without
//! a shell, whose health check can start nothing but the program itself.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, Uri, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long the server may take. It answers without looking at its data.
const TIME_MAX: Duration = Duration::from_secs(5);

/// Most bytes of an answer that are read: a server's are shorter, other programs' may be anything.
const ANSWER_BYTES_MAX: usize = 4096;

/// Says that the server is ready, or is an error that says what it answered.
pub(crate) fn run(url: Option<&str>, listen: SocketAddr) -> anyhow::Result<()> {
    let url = match url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{}", from_here(listen)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(ask_in_time(&url))?;
    // Whoever does not listen any more goes by the exit code.
    let _ = writeln!(io::stdout(), "ready");
    Ok(())
}

/// The address at which a server on this machine is reached. One that listens on all of the
/// machine's addresses listens on loopback too.
fn from_here(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listen.port())
}

async fn ask_in_time(url: &str) -> anyhow::Result<()> {
    let asked = tokio::time::timeout(TIME_MAX, ask(url)).await;
    asked.with_context(|| format!("{url} does not answer within {TIME_MAX:?}"))?
}

async fn ask(url: &str) -> anyhow::Result<()> {
    let at = || format!("cannot ask {url}");
    let response = get(&format!("{url}/readyz")).await.with_context(at)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    if status.is_success() {
        return Ok(());
    }
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let said: String = String::from_utf8_lossy(&body).chars().filter(|c| !c.is_control()).collect();
    bail!("{url} is not ready: {status} {said}")
}

async fn get(url: &str) -> anyhow::Result<Response<Incoming>> {
    let uri: Option<Uri> = url.parse().ok();
    let uri = uri.filter(|uri| uri.scheme_str() == Some("http"));
    let Some((uri, host)) = uri.as_ref().and_then(|uri| Some((uri, uri.host()?))) else {
        bail!("name the server itself, such as http://127.0.0.1:4920, and no proxy before it");
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((bare, uri.port_u16().unwrap_or(80))).await?;
    let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with this program, or with its server.
    tokio::spawn(connection);
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let request = Request::get(target).header(header::HOST, authority);
    Ok(requests.send_request(request.body(Empty::<Bytes>::new())?).await?)
}

#[cfg(test)]
mod tests;
