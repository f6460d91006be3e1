//! `GET /metrics`: what the server counts.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::App;
use crate::metrics::{self, OPEN_METRICS};
use crate::problem::Result;
use crate::wire;

/// `GET /metrics`
pub(super) async fn read(State(app): State<Arc<App>>) -> Result<Response> {
    let asked = Arc::clone(&app);
    let text = app.read(move |reader| Ok(metrics::text(&asked, reader)?)).await?;
    Ok(wire::respond(StatusCode::OK, OPEN_METRICS, text.into_bytes()))
}
