//! The routes, and what none of them answers.

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, Uri};
use axum::middleware;

use crate::app::App;
use crate::encoding;
use crate::problem::{Kind, Problem};

mod aggregate;
pub(crate) mod feed;
mod forks;
mod status;
mod sync;
mod table;
mod write;

use table::{Allowed, NONE, Route, only};

/// All routes of the contract, each with the parameters that it may be given.
pub(crate) fn declared() -> Vec<Route> {
    const PAGE: Allowed = only(&["limit", "after"]);
    vec![
        Route::at("/").get(NONE, status::replica),
        Route::at("/healthz").get(NONE, status::health),
        Route::at("/readyz").get(NONE, status::readiness),
        Route::at("/e/{root}")
            .get(only(&["vv", "after", "limit"]), feed::read)
            .post(only(&["vv"]), write::write),
        Route::at("/e/{root}/feed").post(only(&["limit"]), feed::read_by_body),
        Route::at("/sync")
            .get(
                only(&["cursor", "seen", "roots", "limit"]).and_repeated(&["not"]),
                sync::arrivals::read,
            )
            .post(NONE, sync::push::merge),
        Route::at("/sync/heads").get(only(&["roots", "after", "limit"]), sync::heads::read),
        Route::at("/sync/wants").post(only(&["limit"]), sync::wants::answer),
        Route::at("/forks").get(PAGE, forks::list),
        Route::at("/forks/{root}/{origin}").post(NONE, forks::decide),
        Route::at("/a/{root}").get(PAGE.and_query(), aggregate::list),
        Route::at("/a/{root}/{id}").get(NONE.and_query(), aggregate::state),
        Route::at("/a/{root}/{id}/events").get(PAGE.and_query(), aggregate::events),
    ]
}

/// The router of [`declared`].
pub(crate) fn router(app: Arc<App>) -> Router {
    declared()
        .into_iter()
        .fold(Router::new(), |router, route| router.route(route.path, route.methods))
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
