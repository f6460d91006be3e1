//! `/ui/record`: a form for one event, and one that takes an event back.
//!
//! The script makes fields of the root's JSON Schema where there is one, and sends what the form
//! says to `POST /e/{root}`, as anybody else would.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use laterbase_core::reader::Reader;
use maud::{Markup, html};
use serde_json::value::RawValue;

use super::layout::Screen;
use super::{Base, Given, json};
use crate::app::App;
use crate::problem::Result;

/// Roots that are proposed.
const ROOTS_MAX: usize = 500;

/// Bytes of all schemas beyond which the page goes without them.
const SCHEMAS_BYTES_MAX: usize = 512 * 1024;

/// `GET /ui/record`
pub(super) async fn show(
    State(app): State<Arc<App>>,
    base: Base,
    Given(parameters): Given,
) -> Result<Response> {
    let asking = Arc::clone(&app);
    let roots = app.read(move |reader| Ok(roots(&asking, reader))).await?;
    let said = |name: &str| parameters.get(name).unwrap_or_default().to_owned();
    let content = html! {
        noscript {
            p.state.bad {
                "The forms of this page need its script, which this browser does not run. "
                "Everything that they do is a request: " code { "POST /e/{root}" } "."
            }
        }
        (event_form(&base, &roots, &schemas(&app), [&said("root"), &said("aggregate_id")]))
        (void_form(&base))
    };
    Ok(base.answer(Screen::Record, "Record", &content))
}

/// The roots that take events: those that the server has folds for, and their partitions.
fn roots(app: &App, reader: &Reader) -> Vec<String> {
    let held = reader.roots().into_iter().filter(|root| app.folds().knows(root));
    let mut roots: Vec<String> = held.map(|root| root.to_string()).collect();
    roots.extend(app.folds().kinds().map(str::to_owned));
    roots.sort();
    roots.dedup();
    roots.truncate(ROOTS_MAX);
    roots
}

/// What the data of events may be, by the kind of their root.
fn schemas(app: &App) -> String {
    let folds = app.folds();
    let of_kind = |kind: &str| {
        let root = kind.parse().ok()?;
        json::parse(folds.default_for(&root)?.event_schemas()?.as_bytes())
    };
    let schemas: BTreeMap<&str, &RawValue> =
        folds.kinds().filter_map(|kind| Some((kind, of_kind(kind)?))).collect();
    let text = serde_json::to_string(&schemas).expect("JSON is written as it was read");
    if text.len() <= SCHEMAS_BYTES_MAX { text } else { "{}".to_owned() }
}

fn event_form(base: &Base, roots: &[String], schemas: &str, said: [&str; 2]) -> Markup {
    let [root, id] = said;
    html! {
        section aria-labelledby="event" {
            h2 #event { "An event" }
            form #record.stacked data-schemas=(schemas) data-target=(base.route("/e/")) {
                label {
                    "Root"
                    input type="text" name="root" list="roots" required value=(root)
                        autocomplete="off" spellcheck="false";
                }
                datalist #roots { @for root in roots { option value=(root) {} } }
                label {
                    "Aggregate id"
                    input type="text" name="aggregate_id" maxlength="255" required value=(id)
                        autocomplete="off" spellcheck="false";
                }
                label {
                    "Type"
                    input type="text" name="type" list="types" maxlength="255" required
                        autocomplete="off" spellcheck="false";
                }
                datalist #types {}
                label {
                    "When it happened, by this device's clock"
                    input type="datetime-local" name="occurred" step="1";
                }
                fieldset.stacked #fields { legend { "Data" } }
                p.together {
                    button.plain #add-field type="button" { "Add a field" }
                    button.plain #as-json type="button" aria-pressed="false" { "As JSON" }
                }
                label {
                    "Who you are"
                    input type="text" name="actor" maxlength="200" data-kept="actor";
                }
                p.buttons { button { "Record it" } }
            }
            p.outcome #recorded role="status" {}
        }
    }
}

fn void_form(base: &Base) -> Markup {
    html! {
        section aria-labelledby="void" {
            h2 #void { "Taking an event back" }
            p {
                "An event that was wrong stays where it is, and no state holds it any more, but for "
                "reads of what was known before. Its page has the same form."
            }
            form.stacked data-void=(base.route("/e/")) data-events=(base.route("/events/")) {
                label {
                    "The event's id"
                    input type="text" name="event" required autocomplete="off" spellcheck="false";
                }
                label { "Why" input type="text" name="reason" maxlength="200"; }
                label {
                    "Who you are"
                    input type="text" name="actor" maxlength="200" data-kept="actor";
                }
                p.buttons { button { "Take it back" } }
            }
            p.outcome role="status" {}
        }
    }
}
