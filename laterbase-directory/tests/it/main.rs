//! Behaviour of data directories on the file system of the machine that runs the tests.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod home;
mod opening;
