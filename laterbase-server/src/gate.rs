//! Who is let in: a server is asked under a name that it is known by, and not by foreign pages.
//!
//! A page in a browser can send requests anywhere. It cannot hide where it comes from (`Origin`),
//! nor under which name it found the server (`Host`): a name of its own that leads to a server
//! inside somebody else's network gives it away.

use std::future::poll_fn;
use std::net::IpAddr;
use std::str::FromStr as _;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_http::cors::{AllowHeaders, AllowOrigin, Cors};
use tower_service::Service as _;

use crate::app::App;
use crate::problem::{Kind, Problem, Result};
use crate::{routes, wire};

/// How long a browser may go by what a preflight said.
const PREFLIGHT_TIME_MAX: Duration = Duration::from_secs(10 * 60);

/// The names and origins that are let in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    hosts: Vec<Name>,
    origins: Vec<Origin>,
    /// The address listened on. Without one, any host is let in unless some are named.
    listening: Option<IpAddr>,
}

/// A gate whose names can be others while it is in use.
#[derive(Debug, Default)]
pub(crate) struct SharedGate(RwLock<Arc<Gate>>);

impl SharedGate {
    pub(crate) fn new(gate: Gate) -> Self {
        Self(RwLock::new(Arc::new(gate)))
    }

    /// The gate as it is now.
    pub(crate) fn now(&self) -> Arc<Gate> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets in the address listened on.
    pub(crate) fn listen_on(&self, address: IpAddr) {
        let gate = Gate::clone(&self.now()).listening_on(address);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(gate);
    }

    /// Goes by the names and origins of another gate. The address listened on stays.
    pub(crate) fn take_names(&self, other: Gate) {
        let gate = Gate { listening: self.now().listening, ..other };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(gate);
    }
}

/// A host, in the form in which hosts are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Address(IpAddr),
    Domain(String),
}

/// Where a page comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: Name,
    port: Option<u16>,
}

impl Name {
    /// Reads a host without a port.
    fn of(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(text).parse::<IpAddr>() {
            // An address over IPv6 has brackets in a URL, one over IPv4 has none.
            return Some(Self::Address(address.to_canonical()));
        }
        let domain = text.strip_suffix('.').unwrap_or(text);
        let is_domain = !domain.is_empty()
            && domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        is_domain.then(|| Self::Domain(domain.to_ascii_lowercase()))
    }

    fn is_loopback(&self) -> bool {
        match self {
            Self::Address(address) => address.is_loopback(),
            Self::Domain(domain) => domain == "localhost",
        }
    }

    /// Whether it is where a server listens that listens on an address.
    fn is_at(&self, listening: IpAddr) -> bool {
        let Self::Address(address) = self else { return false };
        // Who listens on all addresses has all of them. A page cannot make its own of one.
        listening.is_unspecified() && (listening.is_ipv6() || address.is_ipv4())
            || *address == listening.to_canonical()
    }
}

impl Origin {
    fn of(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let is_scheme = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        let (host, port) = read_authority(authority).filter(|_| is_scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        let default = if scheme == "https" { 443 } else { 80 };
        Some(Self { scheme, host, port: port.filter(|port| *port != default) })
    }

    /// Whether it is the server itself, asked at that authority: a page that the server gave.
    fn is_at(&self, host: &Name, port: Option<u16>) -> bool {
        // A proxy may take TLS off, so either scheme's port may be left out.
        let port = port.filter(|port| ![80, 443].contains(port));
        self.host == *host && self.port == port
    }
}

fn read_authority(text: &str) -> Option<(Name, Option<u16>)> {
    let authority = Authority::from_str(text).ok()?;
    if authority.as_str().contains('@') {
        return None;
    }
    let port = match authority.port() {
        Some(port) => Some(port.as_u16()),
        // `host:` is fine, `host:x` is not.
        None if authority.as_str().len() - authority.host().len() > 1 => return None,
        None => None,
    };
    Some((Name::of(authority.host())?, port))
}

impl Gate {
    /// Lets a host in, beside loopback and the address listened on.
    ///
    /// # Errors
    /// If it is neither a name nor an address.
    pub(crate) fn let_in_host(&mut self, text: &str) -> std::result::Result<(), ()> {
        self.hosts.push(Name::of(text.trim()).ok_or(())?);
        Ok(())
    }

    /// Lets pages of an origin in.
    ///
    /// # Errors
    /// If it is no origin, such as `https://app.example`.
    pub(crate) fn let_in_origin(&mut self, text: &str) -> std::result::Result<(), ()> {
        self.origins.push(Origin::of(text.trim()).ok_or(())?);
        Ok(())
    }

    pub(crate) const fn listening_on(mut self, address: IpAddr) -> Self {
        self.listening = Some(address);
        self
    }

    /// Whether somebody named a host or an origin.
    pub(crate) const fn is_asked_for(&self) -> bool {
        !self.hosts.is_empty() || !self.origins.is_empty()
    }

    fn check(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> Result<()> {
        let asked = asked_host(version, uri, headers)?;
        let checks_hosts = self.listening.is_some() || !self.hosts.is_empty();
        if let Some((host, _)) = asked.as_ref().filter(|_| checks_hosts)
            && !self.knows(host)
        {
            let name = match host {
                Name::Address(address) => address.to_string(),
                Name::Domain(domain) => domain.clone(),
            };
            let detail = format!("it was asked as {name:?}; `--host {name}` lets that in");
            return Err(Problem::new(Kind::UnknownHost).detail(detail));
        }
        for origin in headers.get_all(ORIGIN) {
            let text = origin.to_str().unwrap_or_default();
            let found = Origin::of(text);
            let is_ours = |origin: &Origin| {
                asked.as_ref().is_some_and(|(host, port)| origin.is_at(host, *port))
            };
            if !found.is_some_and(|origin| self.origins.contains(&origin) || is_ours(&origin)) {
                let detail = format!("{text:?} is another origin; `--allow-origin` lets one in");
                return Err(Problem::new(Kind::ForeignOrigin).detail(detail));
            }
        }
        Ok(())
    }

    fn knows(&self, host: &Name) -> bool {
        host.is_loopback()
            || self.listening.is_some_and(|address| host.is_at(address))
            || self.hosts.contains(host)
    }

    /// Hands a request on that was let in, and tells browsers which origins are.
    async fn pass(self: Arc<Self>, request: Request, next: Next) -> Response {
        if self.origins.is_empty() {
            return next.run(request).await;
        }
        let is_let_in = move |origin: &HeaderValue, _: &_| {
            let origin = Origin::of(origin.to_str().unwrap_or_default());
            origin.is_some_and(|origin| self.origins.contains(&origin))
        };
        let mut service = Cors::new(next)
            .allow_origin(AllowOrigin::predicate(is_let_in))
            .allow_methods([Method::GET, Method::POST])
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(exposed_headers())
            .max_age(PREFLIGHT_TIME_MAX);
        let Ok(()) = poll_fn(|context| service.poll_ready(context)).await;
        let Ok(response) = service.call(request).await;
        response
    }
}

/// Headers of answers that a page of another origin may read.
fn exposed_headers() -> Vec<HeaderName> {
    let mut names = wire::HEADERS.to_vec();
    names.extend([header::ETAG, header::RETRY_AFTER]);
    names
}

/// The host and port that a request asks for, by RFC 9112, section 3.2; `None` if it does not say,
/// as a request of HTTP/1.0 need not.
fn asked_host(
    version: Version,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Option<(Name, Option<u16>)>> {
    let malformed = |detail| Problem::new(Kind::MalformedRequest).detail(detail).field("Host");
    let mut named = headers.get_all(HOST).iter();
    let first = named.next();
    if named.next().is_some() {
        return Err(malformed("the request names two hosts"));
    }
    let text = match (uri.authority(), first) {
        (Some(authority), _) => authority.as_str(),
        (None, Some(value)) => value.to_str().unwrap_or_default(),
        (None, None) if version < Version::HTTP_11 => return Ok(None),
        (None, None) => return Err(malformed("the request names no host")),
    };
    read_authority(text).map(Some).ok_or_else(|| malformed("the host cannot be read"))
}

/// Turns away who is not let in.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let gate = app.gate.now();
    let mut response = match gate.check(request.version(), request.uri(), request.headers()) {
        Ok(()) => gate.pass(request, next).await,
        Err(problem) => problem.into_response(),
    };
    routes::forbid_storing(&mut response);
    response
}

#[cfg(test)]
mod tests;
