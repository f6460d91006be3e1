//! `GET /peers`: who synced with this server lately, and how far behind they are.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use laterbase_core::time::format_time;
use serde_json::{Value, json};

use crate::app::App;
use crate::callers::{Surveyed, Traffic};
use crate::parameters::choose;
use crate::problem::Result;
use crate::wire::{self, JSON};

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// `GET /peers`
pub(super) async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response> {
    choose(&headers, &[JSON])?;
    let asked = Arc::clone(&app);
    let (peers, _) = app.read(move |reader| Ok(asked.callers.survey(&asked, reader)?)).await?;
    let now = app.writer.now();
    let peers: Vec<Value> = peers.iter().map(|peer| document(peer, now)).collect();
    let document = json!({ "peers": peers });
    Ok(wire::respond(StatusCode::OK, JSON, document.to_string().into_bytes()))
}

fn document(peer: &Surveyed, now: i64) -> Value {
    let Traffic { pages_given, bytes_given, pages_taken, bytes_taken } = peer.traffic;
    json!({
        "replica": peer.replica.map(|id| id.to_string()),
        "name": peer.called,
        "clock_ahead": peer.clock_ahead,
        "address": peer.address.map(|address| address.to_string()),
        "seen_at": format_time(peer.seen),
        "seen_seconds": now.saturating_sub(peer.seen).max(0) / NANOS_PER_SECOND,
        "roots": peer.roots,
        "lacks": peer.lacks,
        "lacks_at_most": peer.lacks_at_most,
        "behind_seconds": peer.behind_seconds,
        "held": peer.held,
        "pages_given": pages_given,
        "bytes_given": bytes_given,
        "pages_taken": pages_taken,
        "bytes_taken": bytes_taken,
    })
}
