//! `POST /sync/wants`: events by origin and seq, for callers that compared heads.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use laterbase_core::codec::CodecError;
use laterbase_core::id::RootName;
use laterbase_core::limits::{BATCH_BYTES_MAX, WANTS_BYTES_MAX};
use laterbase_core::sync::answer::Answering;
use laterbase_core::wants::Wants;

use super::{set_replica, with};
use crate::app::App;
use crate::body::{self, AdmittedBody};
use crate::callers::Asking;
use crate::parameters::{Parameters, choose};
use crate::problem::{Kind, Problem, Result};
use crate::wire::{self, DELTA, WANTS};

pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    asking: Asking,
    parameters: Parameters,
    headers: HeaderMap,
    mut body: Body,
) -> Result<Response> {
    let done = match admit(&app, &parameters, &headers) {
        Ok((limit, admitted)) => {
            let deal = app.callers.deals(&asking, app.writer.now());
            let given = give(&app, limit, admitted, &mut body).await;
            given.map(|response| with(response, deal.map(|deal| deal.giving(None))))
        }
        Err(problem) => Err(problem),
    };
    if done.is_err() {
        body::discard(body);
    }
    done
}

fn admit(app: &App, parameters: &Parameters, headers: &HeaderMap) -> Result<(usize, AdmittedBody)> {
    choose(headers, &[DELTA])?;
    wire::require_media_type(headers, WANTS)?;
    Ok((parameters.limit()?, AdmittedBody::check(app, headers, WANTS_BYTES_MAX)?))
}

async fn give(
    app: &Arc<App>,
    limit: usize,
    admitted: AdmittedBody,
    body: &mut Body,
) -> Result<Response> {
    let content = admitted.read(app, body).await?;
    let wants = Wants::decode(&content.bytes).map_err(malformed)?;
    drop(content);
    let giving = Arc::clone(app);
    app.read_page(BATCH_BYTES_MAX, move |reader, bytes_max| {
        let gives = |root: &RootName| giving.syncs(root);
        let page = Answering { reader, gives: &gives }.wanted(wants, limit, bytes_max)?;
        let mut response = wire::respond(StatusCode::OK, DELTA, page.bytes);
        wire::set_more(&mut response, !page.complete);
        set_replica(&mut response, reader);
        Ok(response)
    })
    .await
}

fn malformed(error: CodecError) -> Problem {
    Problem::new(Kind::MalformedWants).detail(error.to_string())
}
