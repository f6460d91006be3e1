//! The events of an aggregate as a table, a page at a time.

use std::ops::ControlFlow;
use std::sync::Arc;

use laterbase_core::Place;
use laterbase_core::event::Event;
use laterbase_core::id::{EventId, RootName};
use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::reader::{History, Order, Query, Reader, Window};
use maud::{Markup, html};

use super::aggregate::{self, Shown};
use super::text::{Cut, moment, segment};
use super::{Base, json};
use crate::app::App;
use crate::parameters::{Parameters, place_cursor};
use crate::problem::Result;

/// Events on a page.
const ROWS_MAX: usize = 100;

/// Bytes of an event's data that a row shows.
pub(super) const DATA_BYTES_MAX: usize = 160;

/// Most characters of a name.
pub(super) const NAME_CHARS_MAX: usize = 80;

/// An event as a row.
pub(super) struct Row {
    pub id: EventId,
    pub aggregate_id: String,
    pub event_type: String,
    pub occurred: i64,
    pub arrived: i64,
    pub actor: Option<String>,
    pub data: String,
    pub is_voided: bool,
    pub takes_back: usize,
}

/// A page of an aggregate's events.
pub(super) struct Listed {
    rows: Vec<Row>,
    order: Order,
    next: Option<Place>,
}

impl Row {
    pub(super) fn of(root: &RootName, event: &Event<'_>) -> Self {
        let record = &event.record;
        let data = if record.is_json {
            json::excerpt(record.data, DATA_BYTES_MAX)
        } else {
            super::text::count(record.data.len() as u64, "byte")
        };
        Self {
            id: EventId { root: root.clone(), dot: event.dot },
            aggregate_id: record.aggregate_id.to_owned(),
            event_type: record.event_type.to_owned(),
            occurred: event.occurred(),
            arrived: event.arrived,
            actor: record.metadata.get("actor").map(str::to_owned),
            data,
            is_voided: !event.voided_by.is_empty(),
            takes_back: record.voids.len(),
        }
    }

    /// The type, with what became of the event.
    pub(super) fn what(&self, base: &Base) -> Markup {
        html! {
            a href=(url(base, &self.id.to_string())) { (Cut(&self.event_type, NAME_CHARS_MAX)) }
            @if self.is_voided { " " span.badge.voided { "taken back" } }
            @if self.takes_back > 0 { " " span.badge { "takes back " (self.takes_back) } }
        }
    }

    pub(super) fn who(&self) -> Markup {
        html! { @if let Some(actor) = &self.actor { (Cut(actor, NAME_CHARS_MAX)) } }
    }
}

/// The URL of an event's page.
pub(super) fn url(base: &Base, id: &str) -> String {
    base.to(&format!("/e/{}", segment(id)))
}

impl Listed {
    pub(super) async fn read(
        app: &Arc<App>,
        root: &RootName,
        id: &str,
        parameters: &Parameters,
    ) -> Result<Self> {
        let window = parameters.window()?;
        let after = parameters.after_place(root, id)?;
        let (root, id) = (root.clone(), id.to_owned());
        app.read(move |reader| {
            let history = History { query: Query::default(), window, after, limit: ROWS_MAX };
            let (mut rows, mut bytes) = (Vec::new(), 0);
            let page = reader.history(&root, &id, &history, &mut |event| {
                rows.push(Row::of(&root, event));
                bytes += event.record.data.len();
                if bytes < BATCH_BYTES_MAX {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })?;
            if rows.is_empty() && !exists(reader, &root, &id)? {
                return Err(aggregate::unknown(&root, &id));
            }
            Ok(Self { rows, order: window.order, next: page.next })
        })
        .await
    }

    pub(super) fn table(&self, shown: &Shown<'_>) -> Markup {
        let is_forward = self.order == Order::Ascending;
        html! {
            section #events aria-labelledby="events-title" {
                h2 #events-title { "Events" }
                p.quiet {
                    @if is_forward { "As they happened. " a href=(self.at(shown, "desc", None)) { "Latest first" } }
                    @else { "The latest first. " a href=(self.at(shown, "asc", None)) { "As they happened" } }
                }
                div.scroll tabindex="0" role="region" aria-labelledby="events-title" {
                    table {
                        thead {
                            tr {
                                th scope="col" { "Happened" }
                                th scope="col" { "Learned here" }
                                th scope="col" { "What" }
                                th scope="col" { "Who" }
                                th scope="col" { "Data" }
                            }
                        }
                        tbody { @for row in &self.rows { (self.row(shown, row)) } }
                    }
                }
                @if let Some(next) = &self.next {
                    @let order = if is_forward { "asc" } else { "desc" };
                    nav.pages aria-label="Pages of events" {
                        a rel="next" href=(self.at(shown, order, Some(next))) { "Next page" }
                    }
                }
            }
        }
    }

    fn row(&self, shown: &Shown<'_>, row: &Row) -> Markup {
        html! {
            tr.voided[row.is_voided].beyond[shown.is_beyond(row.occurred, row.arrived)] {
                td { (moment(row.occurred)) }
                td { (moment(row.arrived)) }
                td { (row.what(shown.base)) }
                td { (row.who()) }
                td.data { (Cut(&row.data, DATA_BYTES_MAX)) }
            }
        }
    }

    fn at(&self, shown: &Shown<'_>, order: &str, after: Option<&Place>) -> String {
        let mut url = format!("{}?", shown.url());
        for name in shown.parameters.names().filter(|name| !matches!(*name, "order" | "after")) {
            for value in shown.parameters.all(name) {
                url.push_str(&format!("{name}={}&", segment(value)));
            }
        }
        url.push_str(&format!("order={order}"));
        if let Some(place) = after {
            url.push_str(&format!("&after={}", place_cursor(place, shown.root, shown.id)));
        }
        url + "#events"
    }
}

fn exists(reader: &Reader, root: &RootName, id: &str) -> Result<bool> {
    let any = History { query: Query::default(), window: Window::default(), after: None, limit: 1 };
    Ok(reader.history(root, id, &any, &mut |_| ControlFlow::Break(()))?.events > 0)
}
