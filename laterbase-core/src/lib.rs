//! The pure heart of Laterbase.
//!
//! Everything here is a function of its arguments and of an ordered key-value [`store::Store`]:
//! no clock, no files, no threads, no sockets, no logging. Shells (the server, the client, the
//! simulator) bring those and call in.

pub mod backup;
pub mod chain;
pub mod codec;
pub mod cursor;
pub mod delta;
pub mod event;
pub mod fold;
pub mod fork;
pub mod heads;
mod healing;
pub mod hlc;
pub mod id;
pub mod json;
pub mod limits;
pub mod memory_store;
pub mod printable;
pub mod reader;
pub mod renewal;
pub mod replica;
pub mod selection;
pub mod snapshot;
pub mod store;
pub mod sync;
pub mod time;
pub mod typed;
pub mod verify;
pub mod version_vector;
pub mod wants;

mod entry;
mod flushed;
mod front;
mod hot;
mod keys;
mod maintenance;
mod prepared;
mod sealed;
mod shared;
mod target;
mod turns;
mod view;

pub use keys::Place;
pub use maintenance::Maintenance;
pub use prepared::{EventError, Precondition, PreparedBatch};
pub use shared::Counters;
