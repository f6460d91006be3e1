//! `/ui/r/{root}/a/{id}`: an aggregate at a point in two times, beside another point.
//!
//! A point is how far the world had come (`occurred_until`), and how much of it this replica had
//! learned (`known_at`). Without either it is all that is known now. The URL says both points, so
//! what somebody sees can be sent to somebody else.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use laterbase_core::id::RootName;
use laterbase_core::reader::{AggregateState, Query, Reader};
use laterbase_core::time::format_time;
use maud::{Markup, html};

use super::layout::Screen;
use super::picture::{Axis, Picture};
use super::text::{Text, count, moment, segment, size};
use super::{Base, Given, difference, events, json};
use crate::app::App;
use crate::parameters::{Parameters, Segments};
use crate::problem::{Kind, Problem, Result};
use crate::reading::Target;

/// Events that are left out of the state, of which reasons are shown.
const REFUSED_MAX: usize = 20;

/// The state at a point: none if nothing was known, or a problem of this aggregate's own.
type At = std::result::Result<Option<AggregateState>, Problem>;

/// A point in both times; `None` for no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub occurred_until: Option<i64>,
    pub known_at: Option<i64>,
}

/// What is shown of which aggregate.
pub(super) struct Shown<'p> {
    pub base: &'p Base,
    pub root: &'p RootName,
    pub id: &'p str,
    pub parameters: &'p Parameters,
    pub point: Point,
    other: Point,
}

/// `GET /ui/r/{root}/a/{id}`
pub(super) async fn show(
    State(app): State<Arc<App>>,
    base: Base,
    Segments((name, id)): Segments<(String, String)>,
    Given(parameters): Given,
) -> Result<Response> {
    let root = app.public_root(&name)?;
    let query = parameters.query()?;
    let point = Point { occurred_until: query.occurred_until, known_at: query.known_at };
    let other = Point {
        occurred_until: parameters.time("other_occurred_until")?,
        known_at: parameters.time("other_known_at")?,
    };
    let listed = events::Listed::read(&app, &root, &id, &parameters).await?;
    let (of_root, of_id) = (root.clone(), id.clone());
    let picture = app.read(move |reader| Picture::read(reader, &of_root, &of_id)).await?;
    let here = state(&app, &root, &id, query.clone()).await?;
    let at_other =
        Query { occurred_until: other.occurred_until, known_at: other.known_at, ..query };
    let there = if other == point { None } else { Some(state(&app, &root, &id, at_other).await?) };
    let shown = Shown { base: &base, root: &root, id: &id, parameters: &parameters, point, other };
    let folds = app.folds().of(&root);
    let content = html! {
        p.path {
            a href=(base.to(&format!("/r/{}", segment(root.as_str())))) { (root) }
        }
        (shown.form(&picture, folds.iter().map(|fold| fold.name())))
        div.states {
            (shown.state(&here))
            (shown.difference(&here, there.as_ref()))
        }
        (listed.table(&shown))
    };
    Ok(base.answer(Screen::None, &id, &content))
}

async fn state(app: &App, root: &RootName, id: &str, query: Query) -> Result<At> {
    let target = Target {
        root: root.clone(),
        id: Some(id.to_owned()),
        is_listing: false,
        is_timed: query.is_timed(),
    };
    let (of_root, of_id) = (root.clone(), id.to_owned());
    let read = move |reader: &Reader| reader.aggregate(&of_root, &of_id, &query);
    match app.fold(target, read).await {
        Ok((found, _slot)) => Ok(Ok(found)),
        // The events can be looked at all the same, and may show why.
        Err(problem) if problem.is_of_fold() => Ok(Err(problem)),
        Err(problem) => Err(problem),
    }
}

/// Nothing is known of the aggregate, at any time.
pub(super) fn unknown(root: &RootName, id: &str) -> Problem {
    Problem::new(Kind::UnknownAggregate).detail(format!("{root} has no event of {id:?}"))
}

impl Point {
    fn told(self) -> Markup {
        html! {
            @match (self.occurred_until, self.known_at) {
                (None, None) => { "all that is known now" }
                (Some(occurred), None) => { "what happened until " (moment(occurred)) }
                (None, Some(known)) => { "what was known at " (moment(known)) }
                (Some(occurred), Some(known)) => {
                    "what happened until " (moment(occurred)) ", as known at " (moment(known))
                }
            }
        }
    }
}

impl Shown<'_> {
    /// The URL of this page.
    pub(super) fn url(&self) -> String {
        self.base.to(&super::root::aggregate_path(self.root, self.id))
    }

    fn form<'f>(&self, picture: &Picture, folds: impl ExactSizeIterator<Item = &'f str>) -> Markup {
        let said = |time: Option<i64>| time.map(format_time).unwrap_or_default();
        html! {
            section aria-labelledby="picture" {
                h2 #picture { "When it happened, and when we learned of it" }
                form.point method="get" action=(self.url()) {
                    (picture.draw(self))
                    div.fields {
                        (field("occurred_until", "Happened until", &said(self.point.occurred_until)))
                        (field("known_at", "Known here at", &said(self.point.known_at)))
                        @if folds.len() > 1 {
                            label {
                                "Fold"
                                select name="fold" {
                                    @for name in folds {
                                        option value=(name)
                                            selected[self.parameters.get("fold") == Some(name)] {
                                            (name)
                                        }
                                    }
                                }
                            }
                        }
                        @if let Some(recorded) = self.parameters.get("recorded_until") {
                            (field("recorded_until", "Recorded until", recorded))
                        }
                    }
                    details.other open[self.other != Point { occurred_until: None, known_at: None }] {
                        summary { "Compare with another point" }
                        div.fields {
                            (field("other_occurred_until", "Happened until", &said(self.other.occurred_until)))
                            (field("other_known_at", "Known here at", &said(self.other.known_at)))
                        }
                        button type="button" data-take-other="" hidden { "Take the point above" }
                    }
                    p.buttons {
                        button { "Show" }
                        " " a href=(self.url()) { "All that is known now" }
                    }
                }
            }
        }
    }

    fn state(&self, here: &At) -> Markup {
        html! {
            section.card #here aria-labelledby="state" {
                h2 #state { "State" }
                p.quiet { (self.point.told()) }
                @match here {
                    Err(problem) => { (told(problem)) }
                    Ok(None) => { p { "Nothing of it was known, or had happened." } }
                    Ok(Some(state)) => { (self.folded(state)) }
                }
            }
        }
    }

    fn folded(&self, state: &AggregateState) -> Markup {
        let is_short = state.state.len() <= json::TREE_BYTES_MAX;
        html! {
            p.quiet { "Folded from " (count(state.event_count, "event")) "." }
            (json::tree(&state.state))
            @if is_short {
                details.raw {
                    summary { "As JSON" }
                    pre #state-json tabindex="0" { (String::from_utf8_lossy(&state.state)) }
                }
            } @else {
                p {
                    a href=(self.route()) { "The whole state" } " has "
                    (size(state.state.len() as u64)) "."
                }
            }
            @if !state.refused.is_empty() {
                details.refused open {
                    summary { (count(state.refused_count, "event")) " left out" }
                    ul {
                        @for (id, reason) in state.refused.iter().take(REFUSED_MAX) {
                            li {
                                a href=(events::url(self.base, &id.to_string())) { (id.dot) }
                                ": " (Text(reason))
                            }
                        }
                    }
                }
            }
        }
    }

    /// The route that gives this state.
    fn route(&self) -> String {
        let path = format!("/a/{}/{}", segment(self.root.as_str()), segment(self.id));
        let mut url = self.base.route(&path);
        let mut before = '?';
        for name in crate::parameters::QUERY_NAMES {
            if let Some(value) = self.parameters.get(name) {
                url.push_str(&format!("{before}{name}={}", segment(value)));
                before = '&';
            }
        }
        url
    }

    fn difference(&self, here: &At, there: Option<&At>) -> Markup {
        let text = |state: &Option<AggregateState>| state.as_ref().map(|state| state.state.clone());
        html! {
            section.card #there aria-labelledby="difference" {
                h2 #difference { "Difference" }
                p.quiet { "The other point is " (self.other.told()) "." }
                @match (here, there) {
                    (_, None) => { p { "Both points are the same." } }
                    (Ok(here), Some(Ok(there))) => {
                        (difference::table(text(here).as_deref(), text(there).as_deref()))
                    }
                    (_, Some(Err(problem))) => { (told(problem)) }
                    (Err(_), _) => { p { "There is no state to compare." } }
                }
            }
        }
    }

    /// Whether an event lies beyond the point.
    pub(super) fn is_beyond(&self, occurred: i64, arrived: i64) -> bool {
        self.point.occurred_until.is_some_and(|until| occurred > until)
            || self.point.known_at.is_some_and(|at| arrived > at)
    }

    /// Where the point lies on an axis.
    pub(super) const fn bound(&self, axis: Axis) -> Option<i64> {
        match axis {
            Axis::Occurred => self.point.occurred_until,
            Axis::Known => self.point.known_at,
        }
    }
}

fn field(name: &str, label: &str, value: &str) -> Markup {
    html! {
        label {
            (label)
            input type="text" name=(name) value=(value) placeholder="no bound"
                inputmode="numeric" autocomplete="off" spellcheck="false";
        }
    }
}

fn told(problem: &Problem) -> Markup {
    let (title, detail) = problem.told();
    html! { p.problem { (title) @if let Some(detail) = detail { ": " (Text(detail)) } "." } }
}
