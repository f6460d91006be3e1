//! The data directory of a store: what every disk engine needs before it opens its files.
//!
//! ```text
//! DIRECTORY/
//!   laterbase.stamp      which engine wrote this, in which format
//!   laterbase.lock       locked for as long as the store is open
//!   laterbase.identity   where the store lives: its file number tells a copy from the original
//!   …                    the engine's own files
//! ```
//!
//! [`Directory::open`] makes or checks all three, in the order lock, stamp, identity. A directory
//! that is refused is left as it was found. The crate also holds the few functions of
//! [`environment`] that a shell hands to the core: the clock and the random source.

mod directory;
pub mod environment;
mod glance;
mod home;
mod open_error;
mod stamp;

pub use directory::Directory;
pub use glance::Glance;
pub use open_error::OpenError;
pub use stamp::Stamp;
