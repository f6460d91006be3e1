//! A million real events through the command line, in bounded memory.
//!
//! Takes seconds in a release build, so it runs where `LATERBASE_SCALE` is set.

use std::env;
use std::process::{Command, Stdio};

use laterbase_server::{Engine, Server};
use serde_json::Value;

use crate::command::Workplace;
use crate::depot::{Listening, holdings};
use crate::sample;

/// Most private memory that the command may take, in KiB: threads' stacks included, the store's
/// mapped file not.
const MEMORY_KIB_MAX: u64 = 128 * 1024;

/// Runs the command under a bound on its private memory, and gives its summary.
fn bounded(place: &Workplace, arguments: &str) -> Value {
    let program = env!("CARGO_BIN_EXE_laterbase");
    let script = format!("ulimit -d {MEMORY_KIB_MAX}; exec {program} {arguments} --json");
    let mut command = Command::new("sh");
    command.current_dir(place.path(".")).arg("-c").arg(script).stdin(Stdio::null());
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments}: {stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_million_events_are_recorded_and_synced_in_bounded_memory() {
    if env::var_os("LATERBASE_SCALE").is_none() || cfg!(not(target_os = "linux")) {
        eprintln!("left out: runs on Linux with LATERBASE_SCALE set");
        return;
    }
    let Some(lines) = sample::real_lines("nycflights.jsonl.zst") else { return };
    let place = Workplace::new();
    place.write("flights.ndjson", &lines);
    let count = lines.len() as u64;
    drop(lines);
    assert_eq!(count, 1_001_615);
    assert_eq!(bounded(&place, "record flights.ndjson")["recorded"], count);

    let server = Server::builder().data_in(place.path("server"), Engine::default());
    let server = server.fallback(std::sync::Arc::new(laterbase_core::fold::MergePatch));
    let server = server.build().unwrap();
    let reader = server.reader().clone();
    let listening = Listening::start(server);
    let sync = format!("sync --server {}", listening.url());
    assert_eq!(bounded(&place, &sync)["pushed"], count);
    assert_eq!(bounded(&place, &format!("{sync} --store other"))["pulled"], count);
    let expected = holdings(&reader)["flight"].clone();
    assert_eq!((expected.0, expected.1), (count, 336_776));
    for store in ["laterbase-data", "other"] {
        let status = bounded(&place, &format!("status --store {store}"));
        assert_eq!(status["roots"]["flight"]["digest"], expected.2);
        assert_eq!(status["roots"]["flight"]["pending"], 0);
        assert_eq!(bounded(&place, &format!("verify --store {store}"))["fault_count"], 0);
    }
    assert_eq!(bounded(&place, "export flights.lbd")["exported"], count);
    assert_eq!(bounded(&place, "import flights.lbd --store third")["imported"], count);
}
