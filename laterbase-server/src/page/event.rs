//! `/ui/e/{id}`: one event, with all that is known of it and its place in each order.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use laterbase_core::event::Event;
use laterbase_core::id::{Dot, EventId};
use laterbase_core::reader::{History, Order, Query, Reader, Window};
use laterbase_core::time::format_time_at;
use laterbase_core::{Place, limits};
use maud::{Markup, html};

use super::layout::Screen;
use super::root::aggregate_path;
use super::text::{Cut, Text, moment, number, segment};
use super::{Base, data, events};
use crate::app::App;
use crate::parameters::Segments;
use crate::problem::{Kind, Problem, Result};

const CHARS_MAX: usize = 2_000;
const _: () = assert!(limits::NAME_BYTES_MAX < CHARS_MAX);

/// `GET /ui/e/{id}`
pub(super) async fn show(
    State(app): State<Arc<App>>,
    base: Base,
    Segments(text): Segments<String>,
) -> Result<Response> {
    let id: EventId =
        text.parse().map_err(|error| Problem::parameter("path", format!("{error}")))?;
    app.public_root(id.root.as_str())?;
    app.read(move |reader| {
        let mut place = None;
        let shown = reader.event(&id, |event| {
            place = Some((
                event.record.aggregate_id.to_owned(),
                Place::new(event.occurred(), event.recorded, event.dot.origin),
            ));
            let shown = Shown { base: &base, id: &id, event };
            (event.record.event_type.to_owned(), shown.all())
        })?;
        let unknown =
            || Problem::new(Kind::UnknownEvent).detail(format!("this server does not hold {id}"));
        let ((title, content), (aggregate_id, place)) = shown.zip(place).ok_or_else(unknown)?;
        let neighbours = Neighbours::read(reader, &id, &aggregate_id, place)?;
        let content = html! { (content) (neighbours.show(&base, &id)) };
        Ok(base.answer(Screen::None, &title, &content))
    })
    .await
}

struct Shown<'e> {
    base: &'e Base,
    id: &'e EventId,
    event: &'e Event<'e>,
}

impl Shown<'_> {
    fn all(&self) -> Markup {
        let record = &self.event.record;
        let route = self.base.route(&format!("/events/{}", segment(&self.id.to_string())));
        html! {
            p.path {
                a href=(self.base.to(&format!("/r/{}", segment(self.id.root.as_str())))) {
                    (self.id.root)
                }
                " · "
                a href=(self.base.to(&aggregate_path(&self.id.root, record.aggregate_id))) {
                    (Text(record.aggregate_id))
                }
            }
            @if !self.event.voided_by.is_empty() {
                div.state.bad role="status" {
                    p {
                        "It was taken back, and no state holds it. By "
                        (self.dots(self.event.voided_by.iter().copied()))
                    }
                }
            }
            section aria-labelledby="data" {
                h2 #data { "Data" }
                (data::show(record, &route))
            }
            section aria-labelledby="fields" {
                h2 #fields { "Fields" }
                (self.fields())
                p { a href=(route) { "As JSON" } }
            }
            (self.take_back())
        }
    }

    fn fields(&self) -> Markup {
        let (event, record) = (self.event, &self.event.record);
        html! {
            dl.facts.wide {
                div { dt { "Id" } dd { code { (self.id) } } }
                div {
                    dt { "Happened" }
                    dd {
                        (moment(event.occurred()))
                        @if record.is_occurred_defaulted { " " span.quiet { "(its writer did not say)" } }
                        @if let Some(minutes) = record.occurred_offset {
                            " " span.quiet {
                                "where it was written: " (format_time_at(event.occurred(), minutes))
                            }
                        }
                    }
                }
                div { dt { "Recorded by its origin" } dd { (moment(event.recorded.to_unix_nanos())) } }
                div { dt { "Learned here" } dd { (moment(event.arrived)) } }
                div { dt { "Type" } dd { (Text(record.event_type)) } }
                div { dt { "Version" } dd { (record.version) } }
                div { dt { "Origin" } dd { code { (event.dot.origin) } } }
                @if let Some(key) = record.idempotency_key {
                    div { dt { "Idempotency key" } dd { (Text(key)) } }
                }
                @for (name, value) in record.metadata.iter() {
                    div { dt { (Cut(name, CHARS_MAX)) } dd { (Cut(value, CHARS_MAX)) } }
                }
                @if !record.voids.is_empty() {
                    div {
                        dt { "Takes back" }
                        dd { (self.dots(record.voids.iter().map(|void| void.dot))) }
                    }
                }
            }
        }
    }

    fn dots(&self, dots: impl Iterator<Item = Dot>) -> Markup {
        html! {
            @for (index, dot) in dots.enumerate() {
                @if index > 0 { ", " }
                a href=(events::url(self.base, &format!("{}:{dot}", self.id.root))) {
                    code { (dot) }
                }
            }
        }
    }

    /// What the script sends to take it back.
    fn take_back(&self) -> Markup {
        let record = &self.event.record;
        let path = format!("/e/{}", segment(self.id.root.as_str()));
        html! {
            @if self.event.voided_by.is_empty() && record.voids.is_empty() {
                details.choice {
                    summary { "Take it back" }
                    p {
                        "It was wrong. It stays where it is, and no state holds it any more, but for "
                        "reads of what was known before."
                    }
                    form.stacked data-void=(self.base.route(&path)) data-event=(self.id)
                        data-aggregate=(record.aggregate_id) {
                        label { "Why" input name="reason" maxlength="200"; }
                        label { "Who you are" input name="actor" maxlength="200" data-kept="actor"; }
                        button { "Take it back" }
                    }
                    p.outcome role="status" {}
                }
            }
        }
    }
}

/// The events before and behind one, in fold order.
struct Neighbours {
    before: Option<Dot>,
    behind: Option<Dot>,
    position: u64,
    stamp: u64,
}

impl Neighbours {
    fn read(reader: &Reader, id: &EventId, aggregate_id: &str, place: Place) -> Result<Self> {
        let next = |order| -> Result<Option<Dot>> {
            let window = Window { order, ..Window::default() };
            let history = History { query: Query::default(), window, after: Some(place), limit: 1 };
            let mut found = None;
            reader.history(&id.root, aggregate_id, &history, &mut |event| {
                found = Some(event.dot);
                std::ops::ControlFlow::Break(())
            })?;
            Ok(found)
        };
        let found = reader.event(id, |event| (event.position, event.recorded.to_bits()))?;
        let (position, stamp) = found.unwrap_or_default();
        Ok(Self {
            before: next(Order::Descending)?,
            behind: next(Order::Ascending)?,
            position,
            stamp,
        })
    }

    fn show(&self, base: &Base, id: &EventId) -> Markup {
        let link = |dot: Option<Dot>, rel: &str, none: &str, name: &str| {
            html! {
                @match dot {
                    Some(dot) => {
                        a rel=(rel) href=(events::url(base, &format!("{}:{dot}", id.root))) { (name) }
                    }
                    None => { span.quiet { (none) } }
                }
            }
        };
        let before = id.dot.seq.checked_sub(1).filter(|seq| *seq > 0);
        let before = before.map(|seq| Dot { seq, ..id.dot });
        html! {
            section aria-labelledby="orders" {
                h2 #orders { "Its place in each order" }
                dl.facts.wide {
                    div {
                        dt { "As its aggregate is folded" }
                        dd {
                            (link(self.before, "prev", "it is the first", "the one before")) " · "
                            (link(self.behind, "next", "it is the last", "the one behind"))
                        }
                    }
                    div {
                        dt { "As events arrived here" }
                        dd { "number " (number(self.position)) }
                    }
                    div {
                        dt { "As its origin wrote them" }
                        dd {
                            "number " (number(id.dot.seq)) " of this root · "
                            (link(before, "prev", "it is the first", "the one before"))
                        }
                    }
                    div {
                        dt { "In the feed" }
                        dd { "by its stamp " code { (format!("{:016x}", self.stamp)) } }
                    }
                }
            }
        }
    }
}
