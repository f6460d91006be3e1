//! A replica that is a device or a server, whichever the moment asks for.

use std::sync::Arc;

use laterbase_client::client::Client;
use laterbase_client::device::{Device, DeviceOptions, UpkeepMode};
use laterbase_client::sync::{PageOptions, SyncOptions, SyncReport, sync};
use laterbase_client::transport::ServiceTransport;
use laterbase_core::fold::MergePatch;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::Reader;
use laterbase_core::store::Store;
use laterbase_server::Server;

use crate::depot::{Holdings, holdings, impatient};

/// A store that is opened for every step and closed behind it.
pub(crate) struct Node {
    name: String,
    store: MemoryStore,
}

impl Node {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), store: MemoryStore::new() }
    }

    /// Another machine with the same data, which does not know that it is a copy: it is reached
    /// under the same address.
    pub(crate) fn backup(&self) -> Self {
        Self { name: self.name.clone(), store: self.store.after_power_loss() }
    }

    /// The store itself, whatever replica is open on it.
    pub(crate) const fn store(&self) -> &MemoryStore {
        &self.store
    }

    pub(crate) fn device(&self) -> Device {
        let options = DeviceOptions { upkeep: UpkeepMode::Writer, ..DeviceOptions::default() };
        Device::over(Arc::new(self.store.reopen()), options).unwrap()
    }

    pub(crate) fn server(&self) -> Server {
        let store: Arc<dyn Store> = Arc::new(self.store.reopen());
        Server::builder().fallback(Arc::new(MergePatch)).store(store).build().unwrap()
    }

    /// Where it is reached as a server.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.name)
    }

    /// Looks at what is there.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Reader) -> R) -> R {
        look(self.device().reader())
    }

    pub(crate) fn holdings(&self) -> Holdings {
        self.look(holdings)
    }

    pub(crate) fn event_count(&self) -> u64 {
        self.look(Reader::head)
    }

    pub(crate) fn pending(&self) -> u64 {
        self.device().pending().unwrap().values().sum()
    }

    /// Syncs with a server.
    pub(crate) async fn sync(&self, peer: &Self) -> SyncReport {
        self.sync_as(peer, &impatient(1)).await
    }

    pub(crate) async fn sync_as(&self, peer: &Self, options: &SyncOptions) -> SyncReport {
        let (device, server) = (self.device(), peer.server());
        let transport = ServiceTransport::new(server.router());
        let client = Client::new(peer.url().parse().unwrap(), transport);
        sync(&device, &client, options, &mut |_progress| {}).await.unwrap()
    }
}

/// Pages of a few events and heads each.
pub(crate) fn tiny_pages() -> SyncOptions {
    let pages =
        PageOptions { events_start: 7, events_max: 11, heads_max: 2, ..PageOptions::default() };
    SyncOptions { pages, ..impatient(1) }
}
