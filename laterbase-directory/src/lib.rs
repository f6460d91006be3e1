//! The data directory of a store: what every disk engine needs before it opens its files.
//!
//! ```text
//! DIRECTORY/
//!   laterbase.stamp      which engine wrote this, in which format
//!   laterbase.lock       locked for as long as the store is open
//!   laterbase.readers    locked, together, by those who read beside the owner of the lock
//!   laterbase.open       there while the store is open: whoever finds it was not closed
//!   laterbase.identity   where the store lives: its file number tells a copy from the original
//!   …                    the engine's own files
//! ```
//!
//! [`Directory::open`] makes or checks the first two and the last, in the order lock, stamp, identity. A directory
//! that is refused is left as it was found. What is made is for its owner only (files 0600, folders
//! 0700), whatever the umask. The crate also holds the few functions of [`environment`] that
//! a shell hands to the core: the clock and the random source.

mod directory;
pub mod environment;
mod glance;
mod home;
mod open_error;
mod owner_only;
mod set_aside;
mod size;
mod stamp;

pub use directory::{Directory, free_bytes};
pub use glance::Glance;
pub use open_error::OpenError;
pub use owner_only::{close_to_others, make_folder, open_file};
pub use set_aside::{DISK_RESERVE_BYTES, is_no_fault_of_files, note, set_folder_aside};
pub use size::{SizeError, parse_size};
pub use stamp::Stamp;
