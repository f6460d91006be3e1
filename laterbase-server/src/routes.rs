//! The routes, and what none of them answers.

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, Uri};
use axum::middleware;
use axum::routing::{get, post};

use crate::app::App;
use crate::encoding;
use crate::problem::{Kind, Problem};

mod aggregate;
mod feed;
mod status;
mod sync;
mod write;

/// All routes of the contract.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(status::replica))
        .route("/healthz", get(status::health))
        .route("/readyz", get(status::readiness))
        .route("/e/{root}", get(feed::read).post(write::write))
        .route("/sync", get(sync::arrivals::read).post(sync::push::merge))
        .route("/sync/heads", get(sync::heads::read))
        .route("/sync/wants", post(sync::wants::answer))
        .route("/a/{root}", get(aggregate::list))
        .route("/a/{root}/{id}", get(aggregate::state))
        .route("/a/{root}/{id}/events", get(aggregate::events))
        .method_not_allowed_fallback(no_such_method)
        .fallback(no_such_route)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), encoding::compress_answers))
        .with_state(app)
}

async fn no_such_method(method: Method) -> Problem {
    Problem::new(Kind::MethodNotAllowed).detail(format!("the route has no {method}"))
}

async fn no_such_route(uri: Uri) -> Problem {
    Problem::new(Kind::UnknownRoute).detail(format!("there is nothing at {}", uri.path()))
}
