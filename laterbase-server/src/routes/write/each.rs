//! `POST /e/{root}?on_error=skip`: the good events are taken, and each is answered for itself.
//!
//! The good events are one atomic batch still. An event is refused for itself where it cannot be
//! read, is out of bounds, lies in the future, is refused by the root's hook, or has a key that is
//! taken. Under a request's `Idempotency-Key`, each event is a repeat, or new, or refused, for
//! itself; its number in the request counts, so that a repeat of the whole request is one. A
//! condition is about the request: if it does not hold, nothing of it is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use bytes::Bytes;
use laterbase_core::id::RootName;
use laterbase_core::replica::AppendedEach;

use super::{BLOCKING_BODY_BYTES, Done, etag_behind, stop_check};
use crate::app::App;
use crate::conditions::Conditions;
use crate::problem::{Problem, Result};
use crate::wire::{self, GoodEvents, JsonList, JsonObject};

pub(super) async fn append(
    app: &Arc<App>,
    root: RootName,
    bytes: Bytes,
    is_lines: bool,
    conditions: Conditions,
) -> Result<Done> {
    let (folds, now) = (Arc::clone(app.folds()), app.writer.now());
    let is_small = bytes.len() < BLOCKING_BODY_BYTES;
    let of = root.clone();
    let read = move || wire::read_good_events(is_lines, &bytes, &of, folds, now, conditions);
    let GoodEvents { batch, problems, count } =
        if is_small { read()? } else { app.take_in(read).await? };
    let aggregate = batch.one_aggregate().map(str::to_owned);
    let appended = if batch.is_empty() {
        AppendedEach { dots: Vec::new(), refused: Vec::new(), replayed: true, end: 0 }
    } else {
        stop_check(app)?;
        app.writer.append_each(batch).await?
    };
    let is_taken = appended.dots.iter().any(Option::is_some);
    let aggregate = aggregate.filter(|_| is_taken);
    let etag = etag_behind(app, &root, aggregate, count, appended.end).await;
    let (status, document) = answered(&root, &appended, problems, count);
    Ok(Done { status, document, etag })
}

/// One answer an event, in the order of the request: its id, or what is wrong with it.
fn answered(
    root: &RootName,
    appended: &AppendedEach,
    mut problems: BTreeMap<usize, Problem>,
    count: usize,
) -> (StatusCode, JsonObject) {
    let mut written = appended.dots.iter();
    let mut refused = appended.refused.iter();
    let mut list = JsonList::member("items");
    let refused_count = problems.len() + refused.len();
    for index in 0..count {
        let answer = match problems.remove(&index) {
            Some(problem) => Err(problem),
            None => written.next().copied().flatten().ok_or_else(|| {
                let (_, error) = refused.next().expect("what is not written is refused");
                Problem::of_write(error).index(index)
            }),
        };
        let out = list.value();
        match answer {
            Ok(dot) => {
                out.extend_from_slice(b"{\"id\":");
                wire::write_id(out, root, dot);
            }
            Err(problem) => {
                out.extend_from_slice(b"{\"problem\":");
                out.extend_from_slice(&problem.to_json());
            }
        }
        out.push(b'}');
    }
    let is_new = !appended.replayed && appended.dots.iter().any(Option::is_some);
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    (status, list.end().with("refused", refused_count.into()))
}
