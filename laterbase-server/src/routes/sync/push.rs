//! `POST /sync`: a delta of any roots.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use laterbase_core::limits::BATCH_BYTES_MAX;
use serde_json::json;

use super::{set_replica, with};
use crate::app::App;
use crate::body::{self, AdmittedBody};
use crate::callers::{Asking, Deal};
use crate::parameters::choose;
use crate::problem::{Problem, Result};
use crate::routes::write::stop_check;
use crate::wire::{self, DELTA, JSON};
use crate::writer::{DecodedDelta, Landed};

pub(crate) async fn merge(
    State(app): State<Arc<App>>,
    asking: Asking,
    headers: HeaderMap,
    mut body: Body,
) -> Result<Response> {
    let done = match admit(&app, &headers) {
        Ok(admitted) => {
            let deal = app.callers.deals(&asking, app.writer.now());
            let taken = take(&app, admitted, &mut body).await;
            taken.map(|response| with(response, deal.map(Deal::taking)))
        }
        Err(problem) => Err(problem),
    };
    if done.is_err() {
        body::discard(body);
    }
    done
}

fn admit(app: &App, headers: &HeaderMap) -> Result<AdmittedBody> {
    choose(headers, &[JSON])?;
    wire::require_media_type(headers, DELTA)?;
    AdmittedBody::check(app, headers, BATCH_BYTES_MAX)
}

async fn take(app: &Arc<App>, admitted: AdmittedBody, body: &mut Body) -> Result<Response> {
    let content = admitted.read(app, body).await?;
    let (taking, bytes) = (Arc::clone(app), content.bytes.clone());
    let delta = app.take_in(move || decode(&taking, bytes)).await?;
    stop_check(app)?;
    let landed = app.writer.merge(delta).await.map_err(Problem::without_vv)?;
    let Landed { stored, known, before, after } = landed;
    let document = json!({
        "stored": stored,
        "known": known,
        "before": before.to_string(),
        "after": after.to_string(),
    });
    let mut response = wire::respond(StatusCode::OK, JSON, document.to_string().into_bytes());
    set_replica(&mut response, app.reader());
    Ok(response)
}

/// Reads a delta, all of whose roots must take part in sync.
fn decode(app: &App, bytes: Bytes) -> Result<DecodedDelta> {
    let delta = DecodedDelta::decode(bytes)?;
    match delta.borrow_dependent().runs.iter().find(|run| !app.syncs(&run.root)) {
        None => Ok(delta),
        Some(run) => Err(Problem::unknown_root(run.root.as_str()).root(&run.root)),
    }
}
