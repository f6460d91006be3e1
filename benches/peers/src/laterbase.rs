//! Laterbase's reference server, over HTTP/1.1.

use std::{fmt::Write as _, net::SocketAddr, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1::{self, SendRequest},
    header::{ACCEPT, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::{
    load,
    process::{Process, free_address},
};

/// Most events a page.
const PAGE_EVENTS: usize = 10_000;

pub(crate) struct Laterbase {
    name: String,
    address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl Laterbase {
    pub(crate) fn start(program: &Path, engine: &str) -> Result<Self> {
        let (folder, address) = (TempDir::new()?, free_address()?);
        let mut command = Command::new(program);
        command.arg("--data").arg(folder.path().join("data")).arg("--store").arg(engine);
        command.arg("--listen").arg(address.to_string());
        command.env("LATERBASE_LOG", "error");
        let process = Process::start(&mut command, address)?;
        Ok(Self {
            name: format!("Laterbase {engine}"),
            address,
            _process: process,
            _folder: folder,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl load::Server for Laterbase {
    type Connection = Connection;

    async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender; what goes wrong before is seen there.
        tokio::spawn(async { connection.await.ok() });
        Ok(Connection { sender, host: self.address.to_string() })
    }
}

pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    async fn answer(&mut self, request: Request<Full<Bytes>>) -> Result<hyper::Response<Incoming>> {
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }
}

impl load::Connection for Connection {
    async fn write(&mut self, aggregates: &[u64], payload: &str) -> Result<()> {
        let mut body = String::with_capacity(aggregates.len() * (payload.len() + 80) + 2);
        body.push('[');
        for (index, aggregate) in aggregates.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(
                body,
                r#"{comma}{{"aggregate_id":"shipment-{aggregate}","type":"Departed","data":{payload}}}"#
            )?;
        }
        body.push(']');
        let request = Request::post("/e/shipment")
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body))?;
        let answer = self.answer(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(status == StatusCode::CREATED, "{status}: {}", String::from_utf8_lossy(&body));
        Ok(())
    }

    async fn read(&mut self, limit: usize) -> Result<usize> {
        let (mut count, mut after) = (0, String::new());
        while count < limit {
            let page = PAGE_EVENTS.min(limit - count);
            let from = if after.is_empty() { String::new() } else { format!("&after={after}") };
            let request = Request::get(format!("/e/shipment?limit={page}{from}"))
                .header(HOST, &self.host)
                .header(ACCEPT, "application/x-ndjson")
                .body(Full::default())?;
            let answer = self.answer(request).await?;
            ensure!(answer.status() == StatusCode::OK, "a page was refused: {}", answer.status());
            let header = answer.headers().get("laterbase-after").context("a page without an end")?;
            after = header.to_str()?.to_owned();
            let body = answer.into_body().collect().await?.to_bytes();
            let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
            ensure!(lines > 0, "the feed ends after {count} events");
            count += lines;
        }
        Ok(count)
    }
}
