//! The real server and the real client over a simulated network, which delays, holds, loses and
//! cuts, while hosts crash and come back.
//!
//! # How far a seed repeats a run
//!
//! The network, the hosts' clocks and all faults are `turmoil`'s and drawn from the seed. Every
//! host has a runtime of its own on one thread, whose clock only moves when none of its tasks can
//! run and none of its `spawn_blocking` work is under way: reads take no simulated time. The
//! server's writer is a real thread, of which the runtime knows nothing, so that the clock would
//! run on while a commit is made, by as much as the machine happens to need.
//! [`standstill`] therefore stops it from the end of a write's body to its answer. So a commit
//! takes no simulated time either, and between two steps of the simulation no write is under way:
//! a crash finds it either stored, with its answer on the way, or not begun.
//! What happens within a commit is for the simulator of `laterbase-testkit` and for the tests
//! that kill processes.
//!
//! What is left to the system is the order in which blocking work of one host ends that was begun
//! in the same step, the branch that `tokio::select!` looks at first, and the writer's choice of
//! what goes into one commit. It shows where several connections are busy in one step, so runs
//! are alike rather than equal bit for bit; with one connection at a time they are equal, which
//! [`scenarios`] checks. What is to hold at the end holds in every order.

mod faults;
mod office;
mod scenarios;
mod screen;
mod site;
mod standstill;
mod swarm;
mod truck;
mod wire;
mod world;
