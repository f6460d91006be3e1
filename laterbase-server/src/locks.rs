//! The locks that the writer's queue is built on.
//!
//! In the unit tests of this crate they are those of `shuttle`, whose scheduler tries many orders
//! of what threads do between them. They work within such a test only.

#[cfg(test)]
pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(test))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
