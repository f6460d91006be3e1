//! `POST /e/{root}`: events, or a delta of another replica.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use laterbase_core::id::RootName;
use laterbase_core::limits::{ANSWER_ETAG_EVENTS_MAX, BATCH_BYTES_MAX};
use laterbase_core::replica::Appended;
use serde_json::Value;

use crate::app::App;
use crate::body::{self, AdmittedBody};
use crate::conditions::Conditions;
use crate::parameters::{Parameters, Segments};
use crate::problem::{Kind, Problem, Result};
use crate::wire::{self, Form, JSON, JsonList, JsonObject};
use crate::writer::{DecodedDelta, Landed};

mod each;

/// Bodies from this size on are read into events away from the threads that serve connections:
/// about a third of a millisecond's work.
pub(crate) const BLOCKING_BODY_BYTES: usize = 128 * 1024;

pub(super) async fn write(
    State(app): State<Arc<App>>,
    segments: Result<Segments<String>>,
    parameters: Parameters,
    headers: HeaderMap,
    mut body: Body,
) -> Result<Response> {
    let done = match Admitted::check(&app, segments, &parameters, &headers) {
        Ok(admitted) => admitted.write(&app, &mut body).await,
        Err(problem) => Err(problem),
    };
    if done.is_err() {
        body::discard(body);
    }
    done
}

/// A request that is worth reading the body of.
struct Admitted {
    root: RootName,
    form: Form,
    conditions: Conditions,
    /// Whether the caller asks for what is held of the root then.
    with_vv: bool,
    on_error: OnError,
    body: AdmittedBody,
}

/// What becomes of a request of which one event is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnError {
    /// All of it is refused.
    Refuse,
    /// The others are taken, and each event is answered for itself.
    Skip,
}

impl OnError {
    fn of(parameters: &Parameters, form: Form) -> Result<Self> {
        match parameters.get("on_error") {
            Some(_) if form == Form::Delta => {
                Err(Problem::parameter("on_error", "a delta is merged as a whole"))
            }
            None | Some("refuse") => Ok(Self::Refuse),
            Some("skip") => Ok(Self::Skip),
            Some(_) => Err(Problem::parameter("on_error", "must be refuse or skip")),
        }
    }
}

impl Admitted {
    fn check(
        app: &App,
        segments: Result<Segments<String>>,
        parameters: &Parameters,
        headers: &HeaderMap,
    ) -> Result<Self> {
        let Segments(name) = segments?;
        let with_vv = parameters.flag("vv")?;
        let form = Form::of(headers)?;
        let on_error = OnError::of(parameters, form)?;
        let root = match form {
            Form::Document | Form::Lines => app.public_root(&name)?,
            Form::Delta => app.sync_root(&name)?,
        };
        let conditions = match form {
            Form::Document | Form::Lines => Conditions::of(headers)?,
            Form::Delta => {
                Conditions::check_none(headers)?;
                Conditions::default()
            }
        };
        let body = AdmittedBody::check(app, headers, BATCH_BYTES_MAX)?;
        Ok(Self { root, form, conditions, with_vv, on_error, body })
    }

    async fn write(self, app: &Arc<App>, body: &mut Body) -> Result<Response> {
        let content = self.body.read(app, body).await?;
        let bytes = content.bytes.clone();
        let root = self.root.clone();
        let is_lines = self.form == Form::Lines;
        let Done { status, document, etag } = match (self.form, self.on_error) {
            (Form::Delta, _) => merge(app, root, bytes).await?,
            (_, OnError::Refuse) => append(app, root, bytes, is_lines, self.conditions).await?,
            (_, OnError::Skip) => each::append(app, root, bytes, is_lines, self.conditions).await?,
        };
        // A vector is as long as there are origins, so only who asks gets it.
        let vv = self.with_vv.then(|| app.reader().version_vector(&self.root).to_string());
        let vv = vv.map(|vv| ("vv", Value::from(vv)));
        let of_aggregate = etag.as_ref().map(|etag| ("etag", Value::from(etag.as_str())));
        let members: Vec<_> = of_aggregate.into_iter().chain(vv).collect();
        let mut response = wire::respond(status, JSON, document.finish(&members));
        if let Some(etag) = etag {
            wire::set(&mut response, ETAG, &format!("\"{etag}\""));
        }
        Ok(response)
    }
}

/// What a request came to.
struct Done {
    status: StatusCode,
    document: JsonObject,
    /// Of the one aggregate that was written to, behind this request.
    etag: Option<String>,
}

/// The etag of the aggregate that a batch was of, as the batch left it. What is durable is never
/// answered with an error, so where the etag cannot be had there is none.
pub(crate) async fn etag_behind(
    app: &Arc<App>,
    root: &RootName,
    aggregate: Option<String>,
    count: usize,
    end: u64,
) -> Option<String> {
    let (aggregate, root, reader) = (aggregate?, root.clone(), app.reader().clone());
    let hash =
        move || reader.etag_at(&root, &aggregate, end, ANSWER_ETAG_EVENTS_MAX + count).ok()?;
    if count <= ANSWER_ETAG_EVENTS_MAX {
        return hash();
    }
    app.take_in(move || Ok(hash())).await.ok()?
}

async fn append(
    app: &Arc<App>,
    root: RootName,
    bytes: Bytes,
    is_lines: bool,
    conditions: Conditions,
) -> Result<Done> {
    let (folds, now) = (Arc::clone(app.folds()), app.writer.now());
    let batch = if bytes.len() < BLOCKING_BODY_BYTES {
        wire::read_batch(is_lines, &bytes, &root, folds, now, conditions)?
    } else {
        let root = root.clone();
        app.take_in(move || wire::read_batch(is_lines, &bytes, &root, folds, now, conditions))
            .await?
    };
    let aggregate = batch.one_aggregate().map(str::to_owned);
    let appended = if batch.is_empty() {
        Appended { dots: Vec::new(), replayed: false, end: app.reader().head() }
    } else {
        stop_check(app)?;
        app.writer.append(batch).await?
    };
    let status = if appended.replayed { StatusCode::OK } else { StatusCode::CREATED };
    let mut ids = JsonList::member("ids");
    for dot in &appended.dots {
        wire::write_id(ids.value(), &root, *dot);
    }
    let count = appended.dots.len();
    let etag = etag_behind(app, &root, aggregate, count, appended.end).await;
    Ok(Done { status, document: ids.end(), etag })
}

async fn merge(app: &Arc<App>, root: RootName, bytes: Bytes) -> Result<Done> {
    let delta = app.take_in(move || decode(&root, bytes)).await?;
    stop_check(app)?;
    let Landed { stored, known, .. } = app.writer.merge(delta).await?;
    let document = JsonObject::of(&[("stored", stored.into()), ("known", known.into())]);
    Ok(Done { status: StatusCode::OK, document, etag: None })
}

fn decode(root: &RootName, bytes: Bytes) -> Result<DecodedDelta> {
    let delta = DecodedDelta::decode(bytes)?;
    match delta.borrow_dependent().runs.iter().find(|run| run.root != *root) {
        None => Ok(delta),
        Some(run) => Err(Problem::new(Kind::MalformedDelta)
            .detail(format!("the delta has events of {}, the path says {root}", run.root))
            .field("root")),
    }
}

/// The server may have begun to stop while the body came in.
pub(super) fn stop_check(app: &App) -> Result<()> {
    if app.is_stopping() { Err(Problem::new(Kind::ShuttingDown)) } else { Ok(()) }
}
