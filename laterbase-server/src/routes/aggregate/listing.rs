//! `GET /a/{root}`: the aggregates of a root, or of all partitions of a name, a page at a time; all
//! of them, or those that changed since.
//!
//! Who keeps something of each state lists them once, and goes on with `changed_since` of that
//! list's first page: whatever arrives while the list is read has changed since.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use laterbase_core::cursor::Cursor;
use laterbase_core::id::RootName;
use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::reader::{AggregateState, Changes, FoldFailure, Query, ReadError, Reader};
use laterbase_core::selection::{ANY_PARTITION, RootSelection};
use serde_json::Value;

use super::no_such_fold;
use crate::app::App;
use crate::parameters::{Parameters, Segments, choose, id_cursor, parse_cursor, root_id_cursor};
use crate::problem::{Kind, Problem, Result};
use crate::reading::Target;
use crate::wire::{self, COVERED_HEADER, JSON, JsonList};

/// `GET /a/{root}`
pub(in crate::routes) async fn list(
    State(app): State<Arc<App>>,
    Segments(name): Segments<String>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response> {
    choose(&headers, &[JSON])?;
    let roots = Roots::of(&app, &name)?;
    let (limit, query) = (parameters.limit()?, parameters.query()?);
    // Also where nothing is folded, as nothing changed or no partition is there.
    if let Some(fold) = &query.fold
        && app.folds().named(roots.name(), fold).is_none()
    {
        return Err(no_such_fold());
    }
    let since = parameters.get("changed_since");
    let since = since.map(|text| parse_cursor("changed_since", text)).transpose()?;
    let after = roots.after(&parameters)?;
    if since.is_some() && after.is_some() {
        let detail = "excludes `after`: go on with the `changed_since` of the page before";
        return Err(Problem::parameter("changed_since", detail));
    }
    let target = Target {
        root: roots.name().clone(),
        id: after.as_ref().map(|after| after.id.clone()),
        is_listing: true,
        is_timed: query.is_timed(),
    };
    let read = move |reader: &Reader| match &since {
        Some(since) => changed(reader, &roots, since, limit, &query),
        None => page(reader, &roots, after.as_ref(), limit, &query).map(Some),
    };
    let (response, slot) = app.fold(target, read).await?;
    let mut response = response.ok_or_else(cursor_gone)?;
    response.extensions_mut().insert(slot);
    Ok(response)
}

/// The caller's cursor is not of this log as it is now.
fn cursor_gone() -> Problem {
    Problem::new(Kind::CursorGone).detail(
        "the log is another one now, or was written anew: list all aggregates, and go on with the \
         `changed_since` of that list",
    )
}

/// Which roots are listed: one, or the partitions of a name.
enum Roots {
    One(RootName),
    Partitions(RootName, RootSelection),
}

/// Behind an aggregate.
struct After {
    root: RootName,
    id: String,
}

impl Roots {
    fn of(app: &App, name: &str) -> Result<Self> {
        let Some(kind) = name.strip_suffix(ANY_PARTITION) else {
            return app.public_root(name).map(Self::One);
        };
        let unknown = || Problem::unknown_root(name);
        // A partition is a root like the one that it is of, so the name will do.
        let root = app.public_root(kind).map_err(|_no_root| unknown())?;
        let partitions = name.parse().map_err(|_no_selection| unknown())?;
        Ok(Self::Partitions(root, partitions))
    }

    /// The root, or the name of which these are partitions.
    const fn name(&self) -> &RootName {
        match self {
            Self::One(root) | Self::Partitions(root, _) => root,
        }
    }

    fn take(&self, root: &RootName) -> bool {
        match self {
            Self::One(one) => root == one,
            Self::Partitions(_, partitions) => partitions.takes(root),
        }
    }

    /// Those of which there are events, in the order of their names.
    fn held(&self, reader: &Reader) -> Vec<RootName> {
        match self {
            Self::One(root) => vec![root.clone()],
            Self::Partitions(..) => {
                let mut held = reader.roots();
                held.retain(|root| self.take(root));
                held.sort_unstable();
                held
            }
        }
    }

    fn after(&self, parameters: &Parameters) -> Result<Option<After>> {
        match self {
            Self::One(root) => {
                let after = parameters.after_id()?;
                Ok(after.map(|id| After { root: root.clone(), id }))
            }
            Self::Partitions(..) => {
                let after = parameters.after_root_id()?;
                Ok(after.map(|(root, id)| After { root, id }))
            }
        }
    }

    fn cursor(&self, root: &RootName, id: &str) -> Value {
        match self {
            Self::One(_) => id_cursor(id).into(),
            Self::Partitions(..) => root_id_cursor(root, id).into(),
        }
    }

    /// Whether each row says of which root it is.
    const fn are_said(&self) -> bool {
        matches!(self, Self::Partitions(..))
    }
}

fn page(
    reader: &Reader,
    roots: &Roots,
    after: Option<&After>,
    limit: usize,
    query: &Query,
) -> std::result::Result<Response, ReadError> {
    // From before anything is folded: what arrives meanwhile has changed since.
    let since = reader.cursor();
    let mut list = JsonList::member("aggregates");
    let (mut left, mut next, mut position) = (limit, Value::Null, since.position());
    let mut held = roots.held(reader);
    held.retain(|root| after.is_none_or(|after| *root >= after.root));
    let mut held = held.into_iter().peekable();
    while let Some(root) = held.next() {
        let from = after.filter(|after| after.root == root).map(|after| after.id.as_str());
        let mut last = None;
        // Entry by entry, so that no state is in memory twice.
        let page = reader.visit_aggregates(&root, from, left, query, &mut |id, folded| {
            write_entry(list.value(), roots.are_said().then_some(&root), id, &folded);
            left -= 1;
            last = Some(id.to_owned());
            list.flow(BATCH_BYTES_MAX)
        })?;
        position = position.min(page.position);
        let is_full = left == 0 || list.flow(BATCH_BYTES_MAX).is_break();
        let is_cut = is_full && held.peek().is_some();
        if let Some(id) = page.next.or(last.filter(|_| is_cut)) {
            next = roots.cursor(&root, &id);
            break;
        }
    }
    let mut members = vec![("next", next)];
    if after.is_none() {
        members.push(("changed_since", since.to_string().into()));
    }
    let mut response = wire::respond(StatusCode::OK, JSON, list.finish(&members));
    wire::set(&mut response, COVERED_HEADER, &format!("arrivals={position}"));
    Ok(response)
}

fn changed(
    reader: &Reader,
    roots: &Roots,
    since: &Cursor,
    limit: usize,
    query: &Query,
) -> std::result::Result<Option<Response>, ReadError> {
    // What each state covers at the least; they are folded from here on.
    let position = reader.cursor().position();
    let mut list = JsonList::member("aggregates");
    let changes = Changes { root: &|root| roots.take(root), limit, query };
    let page = reader.changed(since, &changes, &mut |root, id, folded| {
        write_entry(list.value(), roots.are_said().then_some(root), id, &folded);
    })?;
    let Some(page) = page else { return Ok(None) };
    let mut members =
        vec![("changed_since", page.cursor.to_string().into()), ("more", page.more.into())];
    if page.unreadable > 0 {
        members.push(("unreadable", page.unreadable.into()));
    }
    let mut response = wire::respond(StatusCode::OK, JSON, list.finish(&members));
    wire::set(&mut response, COVERED_HEADER, &format!("arrivals={position}"));
    Ok(Some(response))
}

/// Writes an aggregate as it stands in a list.
pub(crate) fn write_entry(
    out: &mut Vec<u8>,
    root: Option<&RootName>,
    id: &str,
    folded: &std::result::Result<AggregateState, FoldFailure>,
) {
    out.push(b'{');
    if let Some(root) = root {
        out.extend_from_slice(b"\"root\":");
        wire::write_text(out, root.as_str());
        out.push(b',');
    }
    out.extend_from_slice(b"\"id\":");
    wire::write_text(out, id);
    match folded {
        Ok(aggregate) => {
            out.extend_from_slice(b",\"state\":");
            out.extend_from_slice(&aggregate.state);
            out.extend_from_slice(b",\"etag\":");
            wire::write_text(out, &aggregate.etag);
            if aggregate.refused_count > 0 {
                let refused = format!(",\"refused_count\":{}", aggregate.refused_count);
                out.extend_from_slice(refused.as_bytes());
            }
        }
        Err(failure) => {
            out.extend_from_slice(b",\"problem\":");
            out.extend_from_slice(&Problem::from(failure).to_json());
        }
    }
    out.push(b'}');
}
