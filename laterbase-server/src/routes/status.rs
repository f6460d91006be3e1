//! What the server says of itself.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use laterbase_core::fork::Fork;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::reader::{Damaged, Reader, Status};
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::problem::{Kind, Problem, Result};
use crate::wire::{self, JSON};

/// `GET /`
pub(super) async fn replica(State(app): State<Arc<App>>) -> Result<Response> {
    let document = app.read(|reader| Ok(document(&reader.status()?, &doubts(reader)))).await?;
    Ok(wire::respond(StatusCode::OK, JSON, document.to_string().into_bytes()))
}

/// Origins of which further events are held back.
struct Doubts {
    forks: Vec<Fork>,
    damaged: Vec<Damaged>,
}

fn doubts(reader: &Reader) -> Doubts {
    Doubts { forks: reader.forks(), damaged: reader.damaged() }
}

impl Doubts {
    fn forks(&self) -> Value {
        let fork = |fork: &Fork| {
            json!({
                "root": fork.root.to_string(),
                "origin": fork.origin.to_string(),
                "seq": fork.seq,
                "located": fork.is_located,
                "ours": fork.ours,
                "theirs": fork.theirs,
            })
        };
        self.forks.iter().map(fork).collect()
    }

    fn held_back(&self) -> Value {
        let origin = |root: &RootName, origin: ReplicaId, seq: u64, reason: &str| {
            json!({
                "root": root.to_string(),
                "origin": origin.to_string(),
                "seq": seq,
                "reason": reason,
            })
        };
        let forks = self.forks.iter().map(|it| origin(&it.root, it.origin, it.seq, "fork"));
        let damaged = self.damaged.iter();
        let damaged = damaged.map(|it| origin(&it.root, it.origin, it.seq, "damaged"));
        forks.chain(damaged).collect()
    }
}

fn document(status: &Status, doubts: &Doubts) -> Value {
    let roots: Map<String, Value> = status
        .roots
        .iter()
        .map(|root| {
            let document = json!({
                "events": root.events,
                "aggregates": root.aggregates,
                "digest": root.digest,
                "vv": root.vv.to_string(),
            });
            (root.name.to_string(), document)
        })
        .collect();
    json!({
        "replica": status.replica.to_string(),
        "engine": status.engine,
        "roots": roots,
        "clock_suspect": status.counters.clock_suspect,
        "future": status.counters.future,
        "forks": doubts.forks(),
        "held_back": doubts.held_back(),
    })
}

/// `GET /healthz`: the process answers.
pub(super) async fn health() -> Response {
    say("alive")
}

/// `GET /readyz`: a write has a chance.
pub(super) async fn readiness(State(app): State<Arc<App>>) -> Response {
    if app.is_stopping() {
        Problem::new(Kind::ShuttingDown).into_response()
    } else if app.writer.is_ready() {
        say("ready")
    } else {
        Problem::new(Kind::ReadOnly).into_response()
    }
}

fn say(status: &str) -> Response {
    wire::respond(StatusCode::OK, JSON, json!({ "status": status }).to_string().into_bytes())
}
