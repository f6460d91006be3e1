//! `POST /backup`: the server backs itself up, to its own folder.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::write::stop_check;
use crate::app::App;
use crate::parameters::choose;
use crate::problem::{Kind, Problem, Result};
use crate::wire::JSON;

/// `POST /backup`
pub(super) async fn take(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response> {
    choose(&headers, &[JSON])?;
    stop_check(&app)?;
    answer(app).await
}

#[cfg(feature = "backups")]
async fn answer(app: Arc<App>) -> Result<Response> {
    use crate::wire;
    use axum::http::StatusCode;
    use serde_json::json;

    if app.backups.is_none() {
        return Err(no_folder());
    }
    let taken = crate::app::blocking(move || {
        let backups = app.backups.as_ref().expect("it was there");
        Ok(backups.take(&app)?)
    });
    let taken = taken.await?;
    let document = json!({
        "file": taken.name,
        "events": taken.backed_up.events,
        "bytes": taken.backed_up.bytes,
    });
    Ok(wire::respond(StatusCode::CREATED, JSON, document.to_string().into_bytes()))
}

#[cfg(not(feature = "backups"))]
async fn answer(_: Arc<App>) -> Result<Response> {
    Err(no_folder())
}

fn no_folder() -> Problem {
    let detail = "the server has no folder for backups; it is started with --backup-dir for that";
    Problem::new(Kind::UnknownRoute).detail(detail)
}
