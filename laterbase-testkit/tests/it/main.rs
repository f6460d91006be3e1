//! The suite on stores that keep the contract, and on stores that break it on purpose.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod fault;
mod histories;
mod laws;
mod memory;
mod mutant_store;
mod mutants;
mod simulator;
mod simulator_regressions;
