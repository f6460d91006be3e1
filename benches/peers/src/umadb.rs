//! UmaDB, over gRPC, by its own client.

use std::{net::SocketAddr, path::Path, process::Command};

use anyhow::Result;
use futures_util::StreamExt;
use tempfile::TempDir;
use umadb_client::{AsyncUmaDbClient, UmaDbClient};
use umadb_dcb::{DcbEvent, DcbEventStoreAsync};

use crate::{
    load,
    process::{Process, free_address},
};

pub(crate) struct UmaDb {
    address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl UmaDb {
    pub(crate) fn start(program: &Path) -> Result<Self> {
        let (folder, address) = (TempDir::new()?, free_address()?);
        let mut command = Command::new(program);
        command.arg("--db-path").arg(folder.path().join("uma.db"));
        command.arg("--listen").arg(address.to_string());
        let process = Process::start(&mut command, address)?;
        Ok(Self { address, _process: process, _folder: folder })
    }
}

impl load::Server for UmaDb {
    type Connection = Connection;

    async fn connect(&self) -> Result<Connection> {
        let client = UmaDbClient::new(format!("http://{}", self.address));
        Ok(Connection { client: client.connect_async().await? })
    }
}

pub(crate) struct Connection {
    client: AsyncUmaDbClient,
}

impl load::Connection for Connection {
    async fn write(&mut self, aggregates: &[u64], payload: &str) -> Result<()> {
        let event = |aggregate: &u64| {
            DcbEvent::new()
                .event_type("Departed")
                .tags([format!("shipment-{aggregate}")])
                .data(payload.as_bytes())
        };
        self.client.append(aggregates.iter().map(event).collect(), None, None).await?;
        Ok(())
    }

    async fn read(&mut self, limit: usize) -> Result<usize> {
        let limit = u32::try_from(limit)?;
        let mut events = self.client.read(None, None, false, Some(limit)).await?;
        let mut count = 0;
        while let Some(event) = events.next().await {
            std::hint::black_box(event?);
            count += 1;
        }
        Ok(count)
    }
}
