//! What the server says of itself.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use laterbase_core::reader::Status;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::problem::{Kind, Problem, Result};
use crate::wire::{self, JSON};

/// `GET /`
pub(super) async fn replica(State(app): State<Arc<App>>) -> Result<Response> {
    let status = app.read(|reader| Ok(reader.status()?)).await?;
    Ok(wire::respond(StatusCode::OK, JSON, document(&status).to_string().into_bytes()))
}

fn document(status: &Status) -> Value {
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
