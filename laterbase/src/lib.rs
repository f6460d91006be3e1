#![cfg_attr(all(feature = "server", feature = "client"), doc = include_str!("tutorial.md"))]
#![cfg_attr(
    not(all(feature = "server", feature = "client")),
    doc = "An event store that works without a network."
)]

pub mod prelude;
pub mod testing;

#[cfg(feature = "client")]
pub use laterbase_client as client;
pub use laterbase_core as core;
#[cfg(feature = "schema")]
pub use laterbase_schema as schema;
#[cfg(feature = "server")]
pub use laterbase_server as server;
#[cfg(feature = "lmdb")]
pub use laterbase_store_lmdb as lmdb;
#[cfg(feature = "rocks")]
pub use laterbase_store_rocks as rocks;

/// Compiles the example of the readme.
#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../../README.md")]
struct Readme;
