//! The routes, and what none of them answers.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, Method, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;

use crate::answers;
use crate::app::App;
use crate::encoding;
use crate::gate;
use crate::observing;
#[cfg(feature = "console")]
use crate::page;
use crate::problem::{Kind, Problem};

pub(crate) mod aggregate;
mod backup;
pub(crate) mod events;
pub(crate) mod feed;
mod forks;
#[cfg(feature = "metrics")]
mod metrics;
mod openapi;
mod peers;
mod status;
mod sync;
pub(crate) mod table;
pub(crate) mod write;

use table::{Allowed, NONE, Route, only};

/// All routes of the contract, each of them told in `/openapi.json`, each with the parameters that it may be given.
pub(crate) fn declared() -> Vec<Route> {
    const PAGE: Allowed = only(&["limit", "after"]);
    let mut routes = vec![
        Route::at("/").get(NONE, status::replica),
        Route::at("/peers").get(NONE, peers::list),
        Route::at("/openapi.json").get(NONE, openapi::read),
        Route::at("/healthz").get(NONE, status::health),
        Route::at("/readyz").get(NONE, status::readiness),
        Route::at("/e/{root}")
            .get(only(&["vv", "after", "limit"]), feed::read)
            .post(only(&["vv", "on_error"]), write::write),
        Route::at("/e/{root}/feed").post(only(&["limit"]), feed::read_by_body),
        Route::at("/sync")
            .get(
                only(&["cursor", "seen", "roots", "limit"]).and_repeated(&["not"]),
                sync::arrivals::read,
            )
            .post(NONE, sync::push::merge),
        Route::at("/sync/heads").get(only(&["roots", "after", "limit"]), sync::heads::read),
        Route::at("/sync/wants").post(only(&["limit"]), sync::wants::answer),
        Route::at("/events").get(
            only(&["after", "roots", "types", "aggregate", "limit", "ids"])
                .and_repeated(&["type"])
                .and_window(),
            events::read,
        ),
        Route::at("/events/{id}").get(NONE, events::by_id::one),
        Route::at("/forks").get(PAGE, forks::list),
        Route::at("/forks/{root}/{origin}").post(NONE, forks::decide),
        Route::at("/backup").post(NONE, backup::take),
        Route::at("/a/{root}")
            .get(only(&["limit", "after", "changed_since"]).and_query(), aggregate::listing::list),
        Route::at("/a/{root}/{id}").get(NONE.and_query(), aggregate::state),
        Route::at("/a/{root}/{id}/events")
            .get(PAGE.and_query().and_window(), aggregate::history::events),
    ];
    routes.extend(measuring());
    routes
}

/// The paths of all routes, as they are declared, those of the pages for people too.
pub(crate) fn paths() -> Vec<&'static str> {
    let routes = declared().into_iter();
    #[cfg(feature = "console")]
    let routes = routes.chain(page::declared());
    routes.map(|route| route.path).collect()
}

#[cfg(feature = "metrics")]
fn measuring() -> Option<Route> {
    Some(Route::at("/metrics").get(NONE, metrics::read))
}

/// Who builds without metrics has no route for them.
#[cfg(not(feature = "metrics"))]
const fn measuring() -> Option<Route> {
    None
}

/// Where the routes begin, as a caller sees it, by the path that was asked for and what is left of
/// it behind where the router is nested: empty, unless it is nested in another one.
pub(crate) fn base<'p>(asked: &'p str, own: &str) -> &'p str {
    // A nested router answers at `/` for the path that it is nested at, with a slash or without.
    asked.strip_suffix(own).unwrap_or(asked).trim_end_matches('/')
}

/// The router of [`declared`], behind the gate if that is asked for.
pub(crate) fn router(app: Arc<App>, is_guarded: bool) -> Router {
    let observing = middleware::from_fn_with_state(Arc::clone(&app), observing::observe);
    let mut router = routes(Arc::clone(&app));
    if is_guarded {
        router = router.layer(middleware::from_fn_with_state(app, gate::guard));
    }
    router.layer(observing)
}

fn routes(app: Arc<App>) -> Router {
    let router = with(Router::new(), declared());
    #[cfg(feature = "console")]
    let router = if app.has_console { router.merge(page::router()) } else { router };
    router
        .method_not_allowed_fallback(no_such_method)
        .fallback(no_such_route)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), finish))
        .with_state(app)
}

/// Adds declared routes to a router.
pub(crate) fn with(router: Router<Arc<App>>, routes: Vec<Route>) -> Router<Arc<App>> {
    routes.into_iter().fold(router, |router, route| router.route(route.path, route.methods))
}

/// Gives every answer the form in which it is sent.
async fn finish(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let takes_zstd = encoding::is_accepted(request.headers());
    let response = next.run(request).await;
    let response = encoding::compress(&app, takes_zstd, response).await;
    let mut response = answers::count(&app, response).await;
    forbid_storing(&mut response);
    response
}

/// An answer says what was so when it was made, and nobody on the way is to give it again.
pub(crate) fn forbid_storing(response: &mut Response) {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

async fn no_such_method(method: Method) -> Problem {
    Problem::new(Kind::MethodNotAllowed).detail(format!("the route has no {method}"))
}

async fn no_such_route(uri: Uri) -> Problem {
    Problem::new(Kind::UnknownRoute).detail(format!("there is nothing at {}", uri.path()))
}
