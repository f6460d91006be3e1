//! `/ui/r/{root}/aggregates.csv` and `…ndjson`: all aggregates of a root as a file.
//!
//! They are read a page at a time, as the file is sent; only a page is in memory. A read that fails
//! cuts the file off, so that nobody takes half of it for all.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use laterbase_core::id::RootName;
use laterbase_core::reader::{AggregateState, FoldFailure, Query, Reader};

use super::Given;
use super::csv;
use super::row::{Columns, Row};
use crate::app::App;
use crate::parameters::Segments;
use crate::problem::{Problem, Result};
use crate::reading::Target;
use crate::wire::{self, LINES};

/// Aggregates that are read at once.
const PAGE_MAX: usize = 500;

/// `GET /ui/r/{root}/aggregates.csv`
pub(super) async fn as_csv(
    State(app): State<Arc<App>>,
    Segments(name): Segments<String>,
    Given(parameters): Given,
) -> Result<Response> {
    let (root, query) = (app.public_root(&name)?, parameters.query()?);
    let columns = match parameters.all("columns") {
        [] => columns_of(&app, &root, &query).await?,
        chosen => chosen.to_vec(),
    };
    let head = csv::head(&columns);
    Ok(respond(app, root, query, Form::Csv(Arc::new(columns)), head))
}

/// `GET /ui/r/{root}/aggregates.ndjson`
pub(super) async fn as_lines(
    State(app): State<Arc<App>>,
    Segments(name): Segments<String>,
    Given(parameters): Given,
) -> Result<Response> {
    let (root, query) = (app.public_root(&name)?, parameters.query()?);
    Ok(respond(app, root, query, Form::Lines, Vec::new()))
}

/// The names of all members in the first aggregates. What others have beside them is in the last
/// column.
async fn columns_of(app: &App, root: &RootName, query: &Query) -> Result<Vec<String>> {
    let target = target(root, None, query);
    let (of_root, of_query) = (root.clone(), query.clone());
    let read = move |reader: &Reader| {
        let mut rows = Vec::new();
        reader.visit_aggregates(&of_root, None, PAGE_MAX, &of_query, &mut |id, folded| {
            rows.push(Row::of(id, &folded));
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    };
    let (rows, _slot) = app.fold(target, read).await?;
    Ok(Columns::of(&[], &rows).known)
}

#[derive(Clone)]
enum Form {
    Csv(Arc<Vec<String>>),
    Lines,
}

impl Form {
    const fn parts(&self) -> (&'static str, &'static str) {
        match self {
            Self::Csv(_) => ("text/csv; charset=utf-8", "csv"),
            Self::Lines => (LINES, "ndjson"),
        }
    }

    fn write(
        &self,
        out: &mut Vec<u8>,
        id: &str,
        folded: &std::result::Result<AggregateState, FoldFailure>,
    ) {
        match self {
            Self::Csv(columns) => csv::write(out, columns, id, folded),
            Self::Lines => {
                crate::routes::aggregate::listing::write_entry(out, None, id, folded);
                out.push(b'\n');
            }
        }
    }
}

/// How far a file has come.
struct Progress {
    app: Arc<App>,
    root: RootName,
    query: Query,
    form: Form,
    /// What is sent before the first page.
    head: Vec<u8>,
    after: Option<String>,
    is_over: bool,
}

fn respond(app: Arc<App>, root: RootName, query: Query, form: Form, head: Vec<u8>) -> Response {
    let (media_type, extension) = form.parts();
    let disposition = format!("attachment; filename=\"{root}.{extension}\"");
    let progress = Progress { app, root, query, form, head, after: None, is_over: false };
    let pages = stream::try_unfold(progress, |progress| async {
        progress.next().await.map_err(|problem| {
            let (title, detail) = problem.told();
            io::Error::other(detail.unwrap_or(title).to_owned())
        })
    });
    let mut response = (StatusCode::OK, Body::from_stream(pages)).into_response();
    wire::set(&mut response, CONTENT_TYPE, media_type);
    wire::set(&mut response, CONTENT_DISPOSITION, &disposition);
    response
}

impl Progress {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        if self.is_over {
            return Ok(None);
        }
        let (root, query, form) = (self.root.clone(), self.query.clone(), self.form.clone());
        let (head, after) = (std::mem::take(&mut self.head), self.after.clone());
        let target = target(&root, after.clone(), &query);
        let read = move |reader: &Reader| {
            let mut out = head.clone();
            let mut write = |id: &str, folded| {
                form.write(&mut out, id, &folded);
                ControlFlow::Continue(())
            };
            let end =
                reader.visit_aggregates(&root, after.as_deref(), PAGE_MAX, &query, &mut write)?;
            Ok((out, end.next))
        };
        let ((page, next), _slot) = self.app.fold(target, read).await?;
        (self.is_over, self.after) = (next.is_none(), next);
        // An empty piece would end the file.
        if page.is_empty() {
            return Ok(None);
        }
        let page: std::result::Result<Bytes, Problem> = self.app.settled(page.into(), None).await;
        Ok(Some((page?, self)))
    }
}

fn target(root: &RootName, id: Option<String>, query: &Query) -> Target {
    Target { root: root.clone(), id, is_listing: true, is_timed: query.is_timed() }
}
