//! `/forks`: origins of which there are two histories, and what is decided of them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use laterbase_core::fork::Keep;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::reader::ForkDetail;
use laterbase_core::sync::answer::head_text;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::body::{self, AdmittedBody};
use crate::parameters::{Parameters, Segments, choose};
use crate::problem::{Kind, Problem, Result};
use crate::routes::write::stop_check;
use crate::wire::{self, JSON};
use crate::work::Resolution;

/// Most bytes of a decision.
const DECISION_BYTES_MAX: usize = 4_096;

/// `GET /forks`
pub(super) async fn list(
    State(app): State<Arc<App>>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response> {
    choose(&headers, &[JSON])?;
    let limit = parameters.limit()?;
    let after = parameters.after_origin("what `next` of a page said")?;
    let giving = Arc::clone(&app);
    app.read(move |reader| {
        let page = reader.forks_page(&|root| giving.syncs(root), after.as_ref(), limit);
        let forks: Vec<Value> = page.forks.iter().map(document).collect();
        let next = page.next.map(|(root, origin)| head_text(&root, origin));
        let document = json!({ "forks": forks, "next": next });
        Ok(wire::respond(StatusCode::OK, JSON, document.to_string().into_bytes()))
    })
    .await
}

/// A fork, and what each decision would do.
fn document(detail: &ForkDetail) -> Value {
    let ForkDetail { fork, ours_into, branches } = detail;
    let into: Vec<String> = branches.iter().map(|branch| branch.into.to_string()).collect();
    let in_quarantine: Vec<Value> = branches
        .iter()
        .map(|branch| {
            json!({
                "seq": branch.first_seq,
                "events": branch.events,
                "into": branch.into.to_string(),
            })
        })
        .collect();
    let theirs = ours_into.map(|into| json!({ "moves": fork.ours, "into": [into.to_string()] }));
    json!({
        "root": fork.root.to_string(),
        "origin": fork.origin.to_string(),
        "seq": fork.seq,
        "located": fork.is_located,
        "ours": fork.ours,
        "theirs": fork.theirs,
        "branches": in_quarantine,
        "keep": { "ours": { "moves": fork.theirs, "into": into }, "theirs": theirs },
    })
}

/// What is decided of a fork.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    keep: Choice,
    /// Of several histories that are not ours, the one that would move to this id.
    #[serde(default)]
    branch: Option<String>,
}

/// Which history keeps the ids.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Choice {
    Ours,
    Theirs,
}

impl Decision {
    fn parts(&self) -> Result<(Keep, &'static str)> {
        let refuse = |detail: &str| Problem::new(Kind::MalformedRequest).detail(detail);
        match (self.keep, &self.branch) {
            (Choice::Ours, None) => Ok((Keep::Ours, "ours")),
            (Choice::Theirs, None) => Ok((Keep::Theirs, "theirs")),
            (Choice::Theirs, Some(branch)) => {
                let branch = branch.parse().map_err(|_no_id| {
                    refuse("`branch` is what `into` of one of the fork's branches says")
                })?;
                Ok((Keep::Branch(branch), "theirs"))
            }
            (Choice::Ours, Some(_)) => Err(refuse("`branch` goes with `theirs` only")),
        }
    }
}

/// `POST /forks/{root}/{origin}`
pub(super) async fn decide(
    State(app): State<Arc<App>>,
    segments: Result<Segments<(String, String)>>,
    headers: HeaderMap,
    mut body: Body,
) -> Result<Response> {
    let done = match admit(&app, segments, &headers) {
        Ok(admitted) => admitted.decide(&app, &mut body).await,
        Err(problem) => Err(problem),
    };
    if done.is_err() {
        body::discard(body);
    }
    done
}

struct Admitted {
    root: RootName,
    origin: ReplicaId,
    body: AdmittedBody,
}

fn admit(
    app: &App,
    segments: Result<Segments<(String, String)>>,
    headers: &HeaderMap,
) -> Result<Admitted> {
    let Segments((root, origin)) = segments?;
    choose(headers, &[JSON])?;
    wire::require_media_type(headers, JSON)?;
    let root = app.sync_root(&root)?;
    let origin = origin.parse().map_err(|_no_id| {
        Problem::parameter("path", "an origin is 32 hexadecimal digits, in lower case")
    })?;
    Ok(Admitted { root, origin, body: AdmittedBody::check(app, headers, DECISION_BYTES_MAX)? })
}

impl Admitted {
    async fn decide(self, app: &App, body: &mut Body) -> Result<Response> {
        let Self { root, origin, body: admitted } = self;
        let content = admitted.read(app, body).await?;
        let decision: Decision = serde_json::from_slice(&content.bytes).map_err(|error| {
            let detail = format!("the body is {{\"keep\": \"ours\"}} or \"theirs\": {error}");
            Problem::new(Kind::MalformedRequest).detail(detail)
        })?;
        stop_check(app)?;
        let (keep, kept) = decision.parts()?;
        let resolution = Resolution { root: root.clone(), origin, keep };
        let resolved = app.writer.resolve(resolution).await?;
        let into: Vec<String> = resolved.into.iter().map(ToString::to_string).collect();
        tracing::info!(%root, %origin, kept, moved = resolved.moved, "a fork was decided");
        let document = json!({
            "root": root.to_string(),
            "origin": origin.to_string(),
            "kept": kept,
            "moved": resolved.moved,
            "into": into,
        });
        Ok(wire::respond(StatusCode::OK, JSON, document.to_string().into_bytes()))
    }
}
