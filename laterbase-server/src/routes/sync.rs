//! `/sync`: how replicas exchange events of all roots with this server.

use std::borrow::Cow;
use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::Response;
use laterbase_core::cursor::Cursor;
use laterbase_core::id::{IdError, ReplicaId, RootName};
use laterbase_core::limits::PEER_NAME_BYTES_MAX;
use laterbase_core::reader::Reader;
use laterbase_core::selection::RootSelection;
use percent_encoding::percent_decode_str;

use crate::app::App;
use crate::callers::{Asking, Caller, Deal, Said};
use crate::parameters::Parameters;
use crate::problem::{Problem, Result};
use crate::wire::{self, CURSOR_HEADER, REPLICA_HEADER};

pub(super) mod arrivals;
pub(super) mod heads;
mod live;
pub(super) mod push;
pub(super) mod wants;

/// Origins that a caller may leave out.
const LEFT_OUT_MAX: usize = 16;

/// The origins whose events a caller has, as it wrote them.
fn left_out(parameters: &Parameters) -> Result<Vec<ReplicaId>> {
    let texts = parameters.all("not");
    if texts.len() > LEFT_OUT_MAX {
        let detail = format!("given more than {LEFT_OUT_MAX} times");
        return Err(Problem::parameter("not", detail));
    }
    let id = |text: &String| -> std::result::Result<ReplicaId, IdError> { text.parse() };
    let ids: std::result::Result<_, _> = texts.iter().map(id).collect();
    ids.map_err(|error| Problem::parameter("not", error.to_string()))
}

/// Which roots' events a request is about: those that the caller takes and the server gives.
fn is_taken<'t>(app: &'t App, selection: &'t RootSelection) -> impl Fn(&RootName) -> bool + 't {
    move |root| selection.takes(root) && app.syncs(root)
}

/// Says who answers. A caller that finds another replica behind an address begins anew.
fn set_replica(response: &mut Response, reader: &Reader) {
    wire::set(response, REPLICA_HEADER, &reader.replica_id().to_string());
}

/// Has an answer take along what it does once it was sent.
fn with(mut response: Response, deal: Option<Deal>) -> Response {
    if let Some(deal) = deal {
        response.extensions_mut().insert(deal);
    }
    response
}

impl<S: Send + Sync> FromRequestParts<S> for Asking {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, Infallible> {
        // Whoever serves an embedded router does not say.
        let caller = parts.extensions.get().cloned().unwrap_or_else(|| Caller::at(None));
        let said = parts.headers.get(REPLICA_HEADER).and_then(|value| value.to_str().ok());
        let (replica, said) = said.map(introduction).unwrap_or_default();
        Ok(Self { caller, replica, said })
    }
}

/// Reads who asks: an id, and what else is said of it. What makes no sense was not said.
fn introduction(text: &str) -> (Option<ReplicaId>, Said) {
    let mut parts = text.split(';').map(str::trim);
    let replica = parts.next().and_then(|id| id.parse().ok());
    let mut said = Said::default();
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match name {
            "time" => said.time = value.parse().ok(),
            "name" => {
                let name = percent_decode_str(value).decode_utf8().ok();
                let is_short =
                    |name: &Cow<'_, str>| (1..=PEER_NAME_BYTES_MAX).contains(&name.len());
                said.name = name.filter(is_short).map(Cow::into_owned);
            }
            _ => {}
        }
    }
    (replica, said)
}

fn set_cursor(response: &mut Response, cursor: &Cursor) {
    wire::set(response, CURSOR_HEADER, &cursor.to_string());
}
