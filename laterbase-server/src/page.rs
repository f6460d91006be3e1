//! The pages for people at `/ui`: HTML that the server renders, one style sheet, one script.
//!
//! A page reads through [`App`] as the other routes do, in the same slots. It writes nothing: the
//! script sends what a form says to the public routes. Everything but handles and live events works
//! without the script.
//!
//! What events and states hold comes from anywhere, so it gets into a page by [`text`] and `maud`
//! only, which escape it, and the policy that each page is sent with lets nothing run that is not
//! in the script.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, OriginalUri, Request};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde_json::Value;

use crate::app::App;
use crate::parameters::{Parameters, choose};
use crate::problem::{Kind, PROBLEM, Problem, Result};
use crate::routes::table::{Allowed, NONE, Route, only};
use crate::routes::{base, with};
use crate::wire::{self, JSON};

mod aggregate;
mod csv;
mod data;
mod difference;
mod download;
mod event;
mod events;
mod forks;
mod health;
mod json;
mod layout;
mod live;
mod peers;
mod picture;
mod record;
mod root;
mod row;
mod text;

use layout::{Layout, Screen};
use text::Text;

const HTML: &str = "text/html";
const HTML_UTF8: &str = "text/html; charset=utf-8";

/// What a browser may load and run for a page: what the server itself has at `/ui`, and images that
/// stand in the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self' data:; connect-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

const POLICY_HEADER: HeaderName = HeaderName::from_static("content-security-policy");
const NO_SNIFF_HEADER: HeaderName = HeaderName::from_static("x-content-type-options");
const REFERRER_HEADER: HeaderName = HeaderName::from_static("referrer-policy");

/// Problem documents are short.
const PROBLEM_BYTES_MAX: usize = 64 * 1024;

/// The pages, each with the parameters that it may be given. They are for people, so
/// `/openapi.json` says nothing of them.
pub(crate) fn declared() -> Vec<Route> {
    const FILE: Allowed = NONE.and_repeated(&["columns"]).and_query();
    const LISTING: Allowed =
        only(&["find", "after", "before", "changed_from"]).and_repeated(&["columns"]).and_query();
    const POINTS: Allowed =
        only(&["after", "order", "other_occurred_until", "other_known_at"]).and_query();
    vec![
        Route::at("/ui").get(NONE, health::show),
        Route::at("/ui/r/{root}").get(LISTING, root::show),
        Route::at("/ui/r/{root}/aggregates.csv").get(FILE, download::as_csv),
        Route::at("/ui/r/{root}/aggregates.ndjson").get(FILE, download::as_lines),
        Route::at("/ui/r/{root}/a/{id}").get(POINTS, aggregate::show),
        Route::at("/ui/e/{id}").get(NONE, event::show),
        Route::at("/ui/live").get(only(&["roots", "types"]), live::show),
        Route::at("/ui/record").get(only(&["root", "aggregate_id"]), record::show),
        Route::at("/ui/style.css").get(NONE, style),
        Route::at("/ui/script.js").get(NONE, script),
        Route::at("/ui/icon.svg").get(NONE, icon),
        Route::at("/ui/").get(NONE, first),
        Route::at("/ui/{*rest}").get(NONE, nothing),
    ]
}

/// The routes of [`declared`].
pub(crate) fn router() -> Router<Arc<App>> {
    with(Router::new(), declared()).layer(middleware::from_fn(finish))
}

/// `/ui/`: the first page has no slash at its end.
async fn first(base: Base) -> Response {
    base.lead("")
}

/// Any other path below `/ui`.
async fn nothing(OriginalUri(uri): OriginalUri) -> Problem {
    Problem::new(Kind::UnknownRoute).detail(format!("there is nothing at {}", uri.path()))
}

async fn style() -> Response {
    let text = include_str!("page/style.css");
    wire::respond(StatusCode::OK, "text/css; charset=utf-8", text.into())
}

async fn script() -> Response {
    let text = include_str!("page/script.js");
    wire::respond(StatusCode::OK, "text/javascript; charset=utf-8", text.into())
}

async fn icon() -> Response {
    wire::respond(StatusCode::OK, "image/svg+xml", include_str!("page/icon.svg").into())
}

/// Says what a browser may do with an answer, and makes a page of a problem document.
async fn finish(base: Base, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let is_problem = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM);
    let mut response = if is_problem { explain(&base, response).await } else { response };
    let headers = response.headers_mut();
    for (name, value) in
        [(POLICY_HEADER, POLICY), (NO_SNIFF_HEADER, "nosniff"), (REFERRER_HEADER, "no-referrer")]
    {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A problem document as a page, with the same status.
async fn explain(base: &Base, response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    // It is in memory, so there is nothing to wait for or to fail.
    let bytes = to_bytes(body, PROBLEM_BYTES_MAX).await.unwrap_or_default();
    let problem: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let said = |name: &str| problem[name].as_str().map(str::to_owned);
    let title = said("title").unwrap_or_else(|| "The server could not do it".to_owned());
    let content = html! {
        @if let Some(field) = said("field") { p { "It is about " code { (Text(&field)) } "." } }
        @if let Some(detail) = said("detail") { p { (Text(&detail)) } }
        @if let Some(id) = said("correlation_id") {
            p { "The server's log has more under " code { (Text(&id)) } "." }
        }
        p { a href=(base.to("")) { "To the start" } }
    };
    let page = base.page(Screen::None, &title, &content);
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(HTML_UTF8));
    Response::from_parts(head, Body::from(page.into_string()))
}

/// Where the server's routes begin, as a browser sees it: empty, unless the router is nested in
/// another one.
#[derive(Clone, Debug)]
struct Base(String);

impl Base {
    /// The URL of a page by its path behind `/ui`, whose segments are encoded.
    fn to(&self, path: &str) -> String {
        format!("{}/ui{path}", self.0)
    }

    /// The URL of another route.
    fn route(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// A whole page.
    fn page(&self, screen: Screen, title: &str, content: &Markup) -> Markup {
        Layout { base: self, screen, title }.around(content)
    }

    /// A whole page as an answer.
    fn answer(&self, screen: Screen, title: &str, content: &Markup) -> Response {
        let page = self.page(screen, title, content).into_string();
        wire::respond(StatusCode::OK, HTML_UTF8, page.into_bytes())
    }

    /// Leads to another page.
    fn lead(&self, path: &str) -> Response {
        lead(&self.to(path))
    }
}

fn lead(url: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    wire::set(&mut response, LOCATION, url);
    response
}

impl<S: Send + Sync> FromRequestParts<S> for Base {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &S,
    ) -> std::result::Result<Self, Self::Rejection> {
        let OriginalUri(asked) = OriginalUri::from_request_parts(parts, state).await?;
        Ok(Self(base(asked.path(), parts.uri.path()).to_owned()))
    }
}

/// The parameters of a page. A field of a form that was left empty is not given.
struct Given(Parameters);

impl<S: Send + Sync> FromRequestParts<S> for Given {
    type Rejection = crate::problem::Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        Ok(Self(Parameters::from_request_parts(parts, state).await?.filled()))
    }
}

/// What a request for the status says of who asks.
pub(crate) struct Asked {
    base: Base,
    headers: HeaderMap,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &S,
    ) -> std::result::Result<Self, Self::Rejection> {
        let base = Base::from_request_parts(parts, state).await?;
        Ok(Self { base, headers: parts.headers.clone() })
    }
}

impl Asked {
    /// Whether it would rather have HTML than JSON, as a browser would.
    pub(crate) fn is_for_a_page(&self) -> bool {
        choose(&self.headers, &[JSON, HTML]).is_ok_and(|form| form == HTML)
    }

    /// Leads to the first page.
    pub(crate) fn lead(&self) -> Response {
        self.base.lead("")
    }
}
