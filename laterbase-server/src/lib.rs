//! Serves a Laterbase replica over HTTP.
//!
//! Bring your folds, name the roots, and there is a server:
//!
//! ```no_run
//! use laterbase_core::event::{Event, Record};
//! use laterbase_core::fold::{Aggregate, FoldError};
//! use laterbase_server::Server;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Shipment {
//!     place: Option<String>,
//! }
//!
//! #[derive(Deserialize)]
//! #[serde(tag = "type", content = "data")]
//! enum ShipmentEvent {
//!     Departed { from: String },
//! }
//!
//! impl Aggregate for Shipment {
//!     type Event = ShipmentEvent;
//!     const NAME: &'static str = "shipment";
//!
//!     fn apply(&mut self, event: ShipmentEvent, _: &Event<'_>) -> Result<(), FoldError> {
//!         let ShipmentEvent::Departed { from } = event;
//!         self.place = Some(from);
//!         Ok(())
//!     }
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::builder().aggregate::<Shipment>("shipment").data("./data").build()?;
//! server.run("127.0.0.1:4920".parse()?, |address| println!("http://{address}")).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Server::router`] gives the same as an axum router, to be mounted in an application of your
//! own. [`Server::handle`] is for the program around it: it writes typed events and reads typed
//! states in the words that a client of the server has for them too ([`laterbase_core::typed`]).

mod access_log;
mod answers;
mod app;
#[cfg(feature = "backups")]
mod backups;
mod below;
mod body;
mod bounds;
mod builder;
mod callers;
mod conditions;
mod connection;
mod connections;
mod encoding;
mod engine;
mod gate;
mod handle;
mod held_back;
mod live;
mod locks;
mod maintenance;
mod meters;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "peers")]
mod neighbours;
mod observing;
mod pace;
#[cfg(feature = "console")]
mod page;
mod parameters;
#[cfg(feature = "peers")]
mod peering;
mod problem;
mod progress;
mod pulse;
mod queue;
mod reading;
mod room;
mod routes;
mod server;
mod shutdown;
mod wire;
mod work;
mod writer;

#[cfg(feature = "backups")]
pub use backups::BackupOptions;
pub use bounds::{Bounds, TIME_MAX, TIME_MIN};
pub use builder::{BuildError, Builder, SyncRoots, WallClock};
pub use engine::{Engine, UnknownEngine};
pub use handle::{AggregateError, AppendError, ServerHandle};
#[cfg(feature = "peers")]
pub use peering::PeerOptions;
pub use server::{ServeError, Server};
