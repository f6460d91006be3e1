//! The suite on stores that keep the contract, and on stores that break it on purpose.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod fault;
mod fuzzing;
mod histories;
mod laws;
mod lost_truth;
mod made_by_hand;
mod memory;
mod model;
mod mutant_store;
mod mutants;
mod simulator;
mod simulator_regressions;
