//! What the server says of itself.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use laterbase_core::fork::Fork;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::reader::{Damaged, Reader, RootStatus, Status};
use laterbase_core::renewal::Renewal;
use laterbase_core::store::{Condition, Refusal};
use serde_json::{Map, Value, json};

use crate::app::App;
#[cfg(feature = "console")]
use crate::page;
use crate::problem::{Kind, Problem, Result};
use crate::wire::{self, JSON};

/// Most origins in doubt that the status names. `GET /forks` lists all forks.
const IN_DOUBT_MAX: usize = 20;

/// `GET /`: nothing of roots that the server does not give.
pub(super) async fn replica(
    State(app): State<Arc<App>>,
    #[cfg(feature = "console")] asked: page::Asked,
) -> Result<Response> {
    #[cfg(feature = "console")]
    if app.has_console && asked.is_for_a_page() {
        return Ok(asked.lead());
    }
    let giving = Arc::clone(&app);
    let document = app.read(move |reader| document(&giving, reader)).await?;
    Ok(wire::respond(StatusCode::OK, JSON, document.to_string().into_bytes()))
}

fn document(app: &App, reader: &Reader) -> Result<Value> {
    let mut status = reader.status()?;
    let stored_count = status.roots.len();
    status.roots.retain(|root| app.syncs(&root.name));
    let gives_all = status.roots.len() == stored_count;
    add_registered(&mut status.roots, app);
    // These are counted over all roots, so they would tell of those that are not given.
    let count = |count: u64| gives_all.then_some(count);
    let doubts = Doubts::of(app, reader);
    Ok(json!({
        "replica": status.replica.to_string(),
        "engine": status.engine,
        "roots": roots(&status),
        "clock_suspect": count(status.counters.clock_suspect),
        "future": count(status.counters.future),
        "clock_ahead": count(status.clock_ahead_seconds(app.writer.now())),
        "fork_count": doubts.fork_count,
        "forks": doubts.forks(),
        "held_back_count": doubts.fork_count + doubts.damaged.len(),
        "held_back": doubts.held_back(),
        "renewals": renewals(app, reader),
        "storage": storage(&reader.condition()),
    }))
}

/// What the store takes and may still take. Where its files are is nobody's business here.
fn storage(condition: &Condition) -> Value {
    json!({
        "size_bytes": condition.size_bytes,
        "size_bytes_max": condition.size_bytes_max,
        "left_bytes": condition.left_bytes(),
        "set_aside_count": condition.set_aside.len(),
    })
}

/// Adds the roots that the server has a fold for and no events of yet.
fn add_registered(roots: &mut Vec<RootStatus>, app: &App) {
    for name in app.folds().kinds().filter_map(|kind| RootName::new(kind).ok()) {
        if let Err(place) = roots.binary_search_by(|root| root.name.cmp(&name)) {
            roots.insert(place, RootStatus::empty(name));
        }
    }
}

fn roots(status: &Status) -> Map<String, Value> {
    let root = |root: &RootStatus| {
        let document = json!({
            "events": root.events,
            "aggregates": root.aggregates,
            "unreadable": root.unreadable,
            "digest": root.digest,
            "vv": root.vv.to_string(),
        });
        (root.name.to_string(), document)
    };
    status.roots.iter().map(root).collect()
}

/// Origins of which further events are held back, in the roots that the server gives.
struct Doubts {
    fork_count: usize,
    /// The first of them.
    forks: Vec<Fork>,
    damaged: Vec<Damaged>,
}

impl Doubts {
    fn of(app: &App, reader: &Reader) -> Self {
        let gives = |root: &RootName| app.syncs(root);
        let page = reader.forks_page(&gives, None, IN_DOUBT_MAX);
        let mut damaged = reader.damaged();
        damaged.retain(|damaged| app.syncs(&damaged.root));
        Self {
            fork_count: reader.fork_count(&gives),
            forks: page.forks.into_iter().map(|detail| detail.fork).collect(),
            damaged,
        }
    }

    fn forks(&self) -> Value {
        let fork = |fork: &Fork| {
            json!({
                "root": fork.root.to_string(),
                "origin": fork.origin.to_string(),
                "seq": fork.seq,
                "located": fork.is_located,
                "ours": fork.ours,
                "theirs": fork.theirs,
            })
        };
        self.forks.iter().map(fork).collect()
    }

    fn held_back(&self) -> Value {
        let origin = |root: &RootName, origin: ReplicaId, seq: u64, reason: &str| {
            json!({
                "root": root.to_string(),
                "origin": origin.to_string(),
                "seq": seq,
                "reason": reason,
            })
        };
        let forks = self.forks.iter().map(|it| origin(&it.root, it.origin, it.seq, "fork"));
        let damaged = self.damaged.iter();
        let damaged = damaged.map(|it| origin(&it.root, it.origin, it.seq, "damaged"));
        forks.chain(damaged).take(IN_DOUBT_MAX).collect()
    }
}

/// The last changes of the replica's own id, with the roots that callers may know of.
fn renewals(app: &App, reader: &Reader) -> Value {
    let renewal = |renewal: Renewal| {
        let from = renewal.from.iter().filter(|(root, _)| app.syncs(root));
        let from: Map<String, Value> =
            from.map(|(root, seq)| (root.to_string(), json!(seq))).collect();
        json!({
            "old": renewal.old.to_string(),
            "new": renewal.new.to_string(),
            "from": from,
            "reason": renewal.reason.word(),
        })
    };
    reader.renewals().into_iter().map(renewal).collect()
}

/// `GET /healthz`: the process answers.
pub(super) async fn health() -> Response {
    say("alive")
}

/// `GET /readyz`: a write has a chance.
pub(super) async fn readiness(State(app): State<Arc<App>>) -> Response {
    if app.is_stopping() {
        Problem::new(Kind::ShuttingDown).into_response()
    } else if !app.writer.is_ready() {
        Problem::new(Kind::ReadOnly).into_response()
    } else {
        match app.reader().refusal() {
            None => say("ready"),
            Some(refusal) => refused(&refusal),
        }
    }
}

/// Not ready, whatever the reason: whoever asks sends no writes here for a while, and asks again.
fn refused(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::Full { .. } => "full",
        _ => "read-only",
    };
    let document = json!({ "status": status }).to_string().into_bytes();
    wire::respond(StatusCode::SERVICE_UNAVAILABLE, JSON, document)
}

fn say(status: &str) -> Response {
    wire::respond(StatusCode::OK, JSON, json!({ "status": status }).to_string().into_bytes())
}
