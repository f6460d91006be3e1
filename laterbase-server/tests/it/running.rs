//! A server in this process, on a port of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use laterbase_core::event::Event;
use laterbase_core::fold::{Aggregate, FoldError, MergePatch, Refusal};
use laterbase_server::{Builder, ServeError, Server, ServerHandle};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::connection::Connection;

pub struct Running {
    pub address: SocketAddr,
    pub handle: ServerHandle,
    task: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    pub async fn start(builder: Builder) -> Self {
        let server = builder.build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let handle = server.handle();
        Self { address, handle, task: tokio::spawn(server.serve(listener)) }
    }

    pub async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// Stops the server and waits for its end.
    pub async fn stop(self) {
        self.handle.stop();
        self.task.await.unwrap().unwrap();
    }
}

/// A server in memory with the roots of the tests: `shipment` is typed, the others are merged.
pub fn in_memory() -> Builder {
    Server::builder()
        .aggregate::<Shipment>("shipment")
        .fold("shipment", Arc::new(MergePatch))
        .fold("order", Arc::new(MergePatch))
}

/// A typed aggregate with a hook that refuses, and a fold that fails.
#[derive(Default, Serialize, Deserialize)]
pub struct Shipment {
    at: Option<String>,
    stops: u32,
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum ShipmentEvent {
    Arrived { at: String },
    Failed {},
    Panicked {},
}

impl Aggregate for Shipment {
    type Event = ShipmentEvent;
    const NAME: &'static str = "shipment";

    fn validate(event: &ShipmentEvent) -> Result<(), Refusal> {
        match event {
            ShipmentEvent::Arrived { at } if at.is_empty() => Err("where did it arrive?".into()),
            _ => Ok(()),
        }
    }

    fn apply(&mut self, event: ShipmentEvent, _: &Event<'_>) -> Result<(), FoldError> {
        match event {
            ShipmentEvent::Arrived { at } => {
                self.stops += 1;
                self.at = Some(at);
                Ok(())
            }
            ShipmentEvent::Failed {} => Err("a secret of the fold".into()),
            ShipmentEvent::Panicked {} => panic!("a secret of the fold"),
        }
    }
}

/// An event of an order, whose data says its number.
pub fn order(id: &str, number: usize) -> String {
    format!(r#"{{"aggregate_id":"{id}","type":"Changed","data":{{"n": {number}}}}}"#)
}
