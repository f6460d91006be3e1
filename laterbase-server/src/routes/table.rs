//! Routes as they are declared: a path, its methods, and the parameters that each may be given.
//!
//! A route cannot be declared without saying which parameters it has, and a request with any other
//! is refused before its handler runs. So no route can forget to.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Query, Request};
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};

use crate::app::App;
use crate::body;
use crate::observing::OfRoute;
use crate::parameters::{Parameters, QUERY_NAMES, WINDOW_NAMES};
use crate::problem::{Kind, Problem, Result};

/// The parameters that the query of a request may have. A misspelt one would quietly change the
/// answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed {
    /// Those that may be given once.
    once: &'static [&'static str],
    /// Those that may be given more than once.
    repeated: &'static [&'static str],
    /// Whether those of [`Parameters::query`] may be given too.
    with_query: bool,
    /// Whether those of [`Parameters::window`] may be given too.
    with_window: bool,
}

/// No parameters.
pub(crate) const NONE: Allowed = only(&[]);

/// These, each once.
pub(crate) const fn only(once: &'static [&'static str]) -> Allowed {
    Allowed { once, repeated: &[], with_query: false, with_window: false }
}

impl Allowed {
    /// And these, as often as the caller likes.
    pub(crate) const fn and_repeated(mut self, names: &'static [&'static str]) -> Self {
        self.repeated = names;
        self
    }

    /// And those that say which events a read looks at.
    pub(crate) const fn and_query(mut self) -> Self {
        self.with_query = true;
        self
    }

    /// And those that say which events are listed, and from which end.
    pub(crate) const fn and_window(mut self) -> Self {
        self.with_window = true;
        self
    }

    /// Whether a parameter may be given more than once.
    pub(crate) fn is_repeated(&self, name: &str) -> bool {
        self.repeated.contains(&name)
    }

    /// The names of all that may be given.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        let query = if self.with_query { &QUERY_NAMES[..] } else { &[] };
        let window = if self.with_window { &WINDOW_NAMES[..] } else { &[] };
        [self.once, self.repeated, query, window].into_iter().flatten().copied()
    }

    /// Reads a query that has no others.
    fn read(&self, request: &Request) -> Result<Parameters> {
        let mut parameters = BTreeMap::<String, Vec<String>>::new();
        if request.uri().query().is_none_or(str::is_empty) {
            return Ok(Parameters::default());
        }
        let query = Query::<Vec<(String, String)>>::try_from_uri(request.uri());
        let Query(pairs) = query.map_err(|rejection| {
            Problem::new(Kind::MalformedParameter).detail(rejection.body_text())
        })?;
        for (name, value) in pairs {
            if !self.names().any(|known| known == name) {
                return Err(self.unknown(&name));
            }
            let values = parameters.entry(name).or_default();
            values.push(value);
        }
        let twice =
            parameters.iter().find(|(name, values)| values.len() > 1 && !self.is_repeated(name));
        match twice {
            Some((name, _)) => Err(Problem::parameter(name, "given twice")),
            None => Ok(Parameters::from(parameters)),
        }
    }

    /// Says which parameter there is that is most like one that there is not.
    fn unknown(&self, name: &str) -> Problem {
        let likeness = |known: &str| strsim::normalized_damerau_levenshtein(name, known);
        let nearest = self.names().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        let detail = match nearest {
            Some(nearest) => format!("the route has no such parameter; the nearest is {nearest}"),
            None => "the route has no parameters".to_owned(),
        };
        Problem::parameter(name, detail)
    }
}

/// A path and what is done there.
pub(crate) struct Route {
    pub(crate) path: &'static str,
    pub(crate) methods: MethodRouter<Arc<App>>,
    /// The same, for those who ask what there is.
    pub(crate) declared: Vec<Declared>,
}

/// A method of a path, and its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    pub(crate) method: Method,
    pub(crate) allowed: Allowed,
}

impl Route {
    /// Begins the declaration of a path.
    pub(crate) fn at(path: &'static str) -> Self {
        Self { path, methods: MethodRouter::new(), declared: Vec::new() }
    }

    /// Declares what GET does.
    pub(crate) fn get<H, T>(self, allowed: Allowed, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        self.with(Method::GET, allowed, get(handler))
    }

    /// Declares what POST does.
    pub(crate) fn post<H, T>(self, allowed: Allowed, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        self.with(Method::POST, allowed, post(handler))
    }

    fn with(
        mut self,
        method: Method,
        allowed: Allowed,
        handler: MethodRouter<Arc<App>, Infallible>,
    ) -> Self {
        let of_route = OfRoute(self.path);
        let check = move |request: Request, next: Next| async move {
            let mut response = check(allowed, request, next).await;
            response.extensions_mut().insert(of_route);
            response
        };
        self.methods = self.methods.merge(handler.route_layer(middleware::from_fn(check)));
        self.declared.push(Declared { method, allowed });
        self
    }
}

/// Turns away requests with parameters that there are not; hands the others on to the handler.
async fn check(allowed: Allowed, mut request: Request, next: Next) -> Response {
    match allowed.read(&request) {
        Ok(parameters) => {
            request.extensions_mut().insert(parameters);
            next.run(request).await
        }
        Err(problem) => {
            body::discard(request.into_body());
            problem.into_response()
        }
    }
}

#[cfg(test)]
mod tests;
