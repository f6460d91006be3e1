//! `/ui/live`: the last events, and by the script those that arrive.
//!
//! The script follows `GET /events` from the cursor that the page says, so nothing falls between
//! the page and the stream.

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use laterbase_core::reader::Reader;
use maud::{Markup, html};

use super::events::Row;
use super::layout::Screen;
use super::root::aggregate_path;
use super::text::{Cut, moment, segment};
use super::{Base, Given, events};
use crate::app::App;
use crate::parameters::Parameters;
use crate::problem::Result;
use crate::routes::events::filter::Filter;

/// Events that the page begins with.
const ROWS_MAX: usize = 50;

/// `GET /ui/live`
pub(super) async fn show(
    State(app): State<Arc<App>>,
    base: Base,
    Given(parameters): Given,
) -> Result<Response> {
    let filter = Filter::of(&app, &parameters)?;
    let (cursor, rows) = app.read(move |reader| read(reader, &filter)).await?;
    let stream = stream_url(&base, &parameters);
    let content = html! {
        (filters(&base, &parameters))
        p.together {
            button #pause type="button" hidden { "Pause" }
            span #following role="status" { "The last events. Without the script, load the page anew." }
        }
        div.scroll tabindex="0" role="region" aria-label="Events" {
            table {
                thead {
                    tr {
                        th scope="col" { "Learned here" }
                        th scope="col" { "Root" }
                        th scope="col" { "Aggregate" }
                        th scope="col" { "What" }
                        th scope="col" { "Who" }
                        th scope="col" { "Happened" }
                        th scope="col" { "Data" }
                    }
                }
                tbody #live data-stream=(stream) data-after=(cursor) {
                    @for row in &rows { (line(&base, row)) }
                }
            }
        }
    };
    Ok(base.answer(Screen::Live, "Live", &content))
}

fn read(reader: &Reader, filter: &Filter) -> Result<(String, Vec<Row>)> {
    // From before the events are read: what arrives meanwhile comes with the stream.
    let cursor = reader.cursor();
    let mut rows = Vec::new();
    filter.read_back(reader, ROWS_MAX, &mut |root, event, _| {
        if event.position <= cursor.position() {
            rows.push(Row::of(root, event));
        }
        ControlFlow::Continue(())
    })?;
    Ok((cursor.to_string(), rows))
}

fn stream_url(base: &Base, parameters: &Parameters) -> String {
    let mut url = base.route("/events?");
    for name in ["roots", "types"] {
        if let Some(value) = parameters.get(name) {
            url.push_str(&format!("{name}={}&", segment(value)));
        }
    }
    url
}

fn filters(base: &Base, parameters: &Parameters) -> Markup {
    let field = |name: &str, label: &str, hint: &str| {
        html! {
            label {
                (label)
                input type="text" name=(name) placeholder=(hint) autocomplete="off"
                    value=(parameters.get(name).unwrap_or_default());
            }
        }
    };
    html! {
        form method="get" action=(base.to("/live")) {
            div.fields {
                (field("roots", "Roots and partitions, with commas between", "shipment, shipment@*"))
                (field("types", "Types, with commas between", "all"))
            }
            p.buttons { button { "Follow these" } }
        }
    }
}

fn line(base: &Base, row: &Row) -> Markup {
    let aggregate = aggregate_path(&row.id.root, &row.aggregate_id);
    html! {
        tr.voided[row.is_voided] {
            td { (moment(row.arrived)) }
            td { (row.id.root) }
            td { a href=(base.to(&aggregate)) { (Cut(&row.aggregate_id, events::NAME_CHARS_MAX)) } }
            td { (row.what(base)) }
            td { (row.who()) }
            td { (moment(row.occurred)) }
            td.data { (Cut(&row.data, events::DATA_BYTES_MAX)) }
        }
    }
}
