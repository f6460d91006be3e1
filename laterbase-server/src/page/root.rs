//! `/ui/r/{root}`: the aggregates of a root, with what their states hold as columns.

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use laterbase_core::cursor::Cursor;
use laterbase_core::id::RootName;
use laterbase_core::limits::NAME_BYTES_MAX;
use laterbase_core::reader::{Following, Order, Query, ReadError, Reader, Window};
use laterbase_core::time::format_time;
use maud::{Markup, html};

use super::layout::Screen;
use super::row::{Columns, Row};
use super::text::{Cut, Text, moment, segment};
use super::{Base, Given};
use crate::app::App;
use crate::parameters::{Parameters, Segments, id_cursor, parse_cursor};
use crate::problem::{Problem, Result};
use crate::reading::Target;

/// Aggregates on a page.
const ROWS_MAX: usize = 100;

/// Stretches of the log that are looked at for one page.
const STRETCHES_MAX: usize = 10;

/// Most characters of a cell.
const CELL_CHARS_MAX: usize = 80;

/// Which aggregates are shown.
#[derive(Clone, Debug)]
enum Wanted {
    /// All behind an id.
    Behind(Option<String>),
    /// Those whose ids begin so, all of them or those behind an id.
    Beginning(String, Option<String>),
    /// Those of which an event arrived at a time or later, the latest first.
    ChangedSince { from: i64, before: Option<Cursor> },
}

/// A page of rows.
#[derive(Default)]
struct Page {
    rows: Vec<Row>,
    /// Where the next page goes on, as the parameter and what it is given.
    next: Option<(&'static str, String)>,
}

/// `GET /ui/r/{root}`
pub(super) async fn show(
    State(app): State<Arc<App>>,
    base: Base,
    Segments(name): Segments<String>,
    Given(parameters): Given,
) -> Result<Response> {
    let root = app.public_root(&name)?;
    let query = parameters.query()?;
    let wanted = Wanted::of(&parameters)?;
    let target = Target {
        root: root.clone(),
        id: wanted.begins().map(str::to_owned),
        is_listing: true,
        is_timed: query.is_timed(),
    };
    let (of_root, of_wanted) = (root.clone(), wanted.clone());
    let read = move |reader: &Reader| of_wanted.read(reader, &of_root, &query);
    let (page, _slot) = app.fold(target, read).await?;
    if let (Wanted::Beginning(_, None), [only], None) = (&wanted, &page.rows[..], &page.next) {
        return Ok(base.lead(&aggregate_path(&root, &only.id)));
    }
    let columns = Columns::of(parameters.all("columns"), &page.rows);
    let shown = Shown { base: &base, root: &root, parameters: &parameters, wanted: &wanted };
    let content = html! {
        (shown.tools(&columns))
        (shown.table(&page, &columns))
    };
    Ok(base.answer(Screen::None, root.as_str(), &content))
}

/// The path of an aggregate's page, behind `/ui`.
pub(super) fn aggregate_path(root: &RootName, id: &str) -> String {
    format!("/r/{}/a/{}", segment(root.as_str()), segment(id))
}

impl Wanted {
    fn of(parameters: &Parameters) -> Result<Self> {
        let after = parameters.after_id()?;
        let find = parameters.get("find");
        match (find, parameters.time("changed_from")?) {
            (Some(find), _) if find.len() > NAME_BYTES_MAX => {
                let detail = format!("an id has at most {NAME_BYTES_MAX} bytes");
                Err(Problem::parameter("find", detail))
            }
            (Some(find), _) => Ok(Self::Beginning(find.to_owned(), after)),
            (None, Some(from)) => {
                let before = parameters.get("before");
                let before = before.map(|text| parse_cursor("before", text)).transpose()?;
                Ok(Self::ChangedSince { from, before })
            }
            (None, None) => Ok(Self::Behind(after)),
        }
    }

    /// Where the reading begins, if that is at an id.
    fn begins(&self) -> Option<&str> {
        match self {
            Self::Behind(id) => id.as_deref(),
            Self::Beginning(text, after) => Some(after.as_deref().unwrap_or(text)),
            Self::ChangedSince { .. } => None,
        }
    }

    fn read(
        &self,
        reader: &Reader,
        root: &RootName,
        query: &Query,
    ) -> std::result::Result<Page, ReadError> {
        match self {
            Self::Behind(after) => listed(reader, root, after.as_deref(), "", query),
            Self::Beginning(text, Some(after)) => listed(reader, root, Some(after), text, query),
            Self::Beginning(text, None) => {
                // A listing begins behind an id, so that one itself is looked up.
                let mut page = listed(reader, root, Some(text), text, query)?;
                match reader.aggregate(root, text, query) {
                    Ok(None) => {}
                    Ok(Some(state)) => page.rows.insert(0, Row::of(text, &Ok(state))),
                    Err(ReadError::FoldFailed(failure)) => {
                        page.rows.insert(0, Row::of(text, &Err(failure)));
                    }
                    Err(error) => return Err(error),
                }
                Ok(page)
            }
            Self::ChangedSince { from, before } => {
                changed(reader, root, (*from, before.as_ref()), query)
            }
        }
    }
}

/// Reads the aggregates behind an id, as far as they begin so.
fn listed(
    reader: &Reader,
    root: &RootName,
    after: Option<&str>,
    beginning: &str,
    query: &Query,
) -> std::result::Result<Page, ReadError> {
    let (mut page, mut is_over) = (Page::default(), false);
    let end = reader.visit_aggregates(root, after, ROWS_MAX, query, &mut |id, folded| {
        is_over = !id.starts_with(beginning);
        if is_over {
            return ControlFlow::Break(());
        }
        page.rows.push(Row::of(id, &folded));
        ControlFlow::Continue(())
    })?;
    page.next = end.next.filter(|_| !is_over).map(|id| ("after", id_cursor(&id)));
    Ok(page)
}

/// Reads the log from its end, or from before a cursor, down to what had arrived before a time.
fn changed(
    reader: &Reader,
    root: &RootName,
    (from, before): (i64, Option<&Cursor>),
    query: &Query,
) -> std::result::Result<Page, ReadError> {
    let until = from.checked_sub(1).map_or(Ok(0), |until| reader.known_until(until))?;
    let mut looking = Looking { until, found: Vec::new(), before: before.copied() };
    let mut goes_on = true;
    // In a stretch of the log there may be nothing of the root.
    for _ in 0..STRETCHES_MAX {
        goes_on = looking.on(reader, root)?;
        if !goes_on || !looking.found.is_empty() {
            break;
        }
    }
    let next = looking.before.filter(|_| goes_on);
    let mut page =
        Page { rows: Vec::new(), next: next.map(|cursor| ("before", cursor.to_string())) };
    for (id, arrived) in looking.found {
        let row = match reader.aggregate(root, &id, query) {
            Ok(None) => continue,
            Ok(Some(state)) => Row::of(&id, &Ok(state)),
            Err(ReadError::FoldFailed(failure)) => Row::of(&id, &Err(failure)),
            Err(error) => return Err(error),
        };
        page.rows.push(Row { changed: Some(arrived), ..row });
    }
    Ok(page)
}

/// A look back along the log.
struct Looking {
    /// The last position that is of no interest any more.
    until: u64,
    /// Aggregates, and when the last event of each arrived.
    found: Vec<(String, i64)>,
    /// Where the look has come to; at first, where it begins.
    before: Option<Cursor>,
}

impl Looking {
    /// Looks at a stretch of the log, and says whether there is more before it.
    fn on(&mut self, reader: &Reader, root: &RootName) -> std::result::Result<bool, ReadError> {
        let following = Following {
            root: &|other| other == root,
            record: &|_| true,
            window: Window { order: Order::Descending, ..Window::default() },
            limit: usize::MAX,
        };
        let (until, mut is_over) = (self.until, false);
        let found = &mut self.found;
        let end = reader.arrived(self.before.as_ref(), &following, &mut |_, event, _| {
            is_over = event.position <= until;
            let id = event.record.aggregate_id;
            if !is_over && !found.iter().any(|(known, _)| known == id) {
                found.push((id.to_owned(), event.arrived));
            }
            if is_over || found.len() == ROWS_MAX {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        // A cursor of another log leads nowhere.
        let Some(end) = end else { return Ok(false) };
        self.before = Some(end.cursor);
        Ok(end.more && !is_over && end.cursor.position() > until)
    }
}

/// What the page is made with.
struct Shown<'p> {
    base: &'p Base,
    root: &'p RootName,
    parameters: &'p Parameters,
    wanted: &'p Wanted,
}

impl Shown<'_> {
    /// The URL of this root's page, or of something below it.
    fn at(&self, below: &str) -> String {
        self.base.to(&format!("/r/{}{below}", segment(self.root.as_str())))
    }

    /// The query of this page without those parameters, to be gone on with.
    fn query_without(&self, names: &[&str]) -> String {
        let mut query = String::from("?");
        for name in self.parameters.names().filter(|name| !names.contains(name)) {
            for value in self.parameters.all(name) {
                query.push_str(&format!("{name}={}&", segment(value)));
            }
        }
        query
    }

    fn tools(&self, columns: &Columns) -> Markup {
        let placing = &["after", "before", "find", "changed_from"];
        let download = self.query_without(placing);
        html! {
            div.tools {
                form method="get" action=(self.at("")) role="search" {
                    label for="find" { "Id, or how it begins" }
                    span.together {
                        input #find name="find" type="search" maxlength="255"
                            value=(self.parameters.get("find").unwrap_or_default());
                        (self.kept(&["find", "after", "before", "changed_from"]))
                        button { "Go" }
                    }
                }
                ul.links {
                    li { a href=(self.at("")) { "All" } }
                    li {
                        a href=(self.changed_today()) data-today="changed_from" { "Changed today" }
                    }
                    li { a href=(self.at(&format!("/aggregates.csv{download}"))) { "CSV" } }
                    li { a href=(self.at(&format!("/aggregates.ndjson{download}"))) { "NDJSON" } }
                }
            }
            (self.chooser(columns))
            @if let Wanted::ChangedSince { from, .. } = self.wanted {
                p { "Changed since " (moment(*from)) ", the latest first." }
            }
        }
    }

    /// Since midnight in UTC; the script goes by the reader's midnight.
    fn changed_today(&self) -> String {
        const DAY_NANOS: i64 = 86_400_000_000_000;
        let now = laterbase_directory::environment::wall_clock_nanos();
        let midnight = now - now.rem_euclid(DAY_NANOS);
        let query = self.query_without(&["after", "before", "find", "changed_from"]);
        self.at(&format!("{query}changed_from={}", segment(&format_time(midnight))))
    }

    /// The parameters of this page as hidden fields of a form, without those.
    fn kept(&self, without: &[&str]) -> Markup {
        html! {
            @for name in self.parameters.names().filter(|name| !without.contains(name)) {
                @for value in self.parameters.all(name) {
                    input type="hidden" name=(name) value=(value);
                }
            }
        }
    }

    fn chooser(&self, columns: &Columns) -> Markup {
        html! {
            @if !columns.known.is_empty() {
                details.chooser {
                    summary { "Columns" }
                    form method="get" action=(self.at("")) data-columns=(self.root.as_str()) {
                        fieldset {
                            legend { "Shown as columns" }
                            @for name in &columns.known {
                                label {
                                    input type="checkbox" name="columns" value=(name)
                                        checked[columns.shown.contains(name)];
                                    " " (Cut(name, CELL_CHARS_MAX))
                                }
                            }
                        }
                        (self.kept(&["columns"]))
                        button { "Show these" }
                    }
                }
            }
        }
    }

    fn table(&self, page: &Page, columns: &Columns) -> Markup {
        let has_times = matches!(self.wanted, Wanted::ChangedSince { .. });
        html! {
            @if page.rows.is_empty() {
                p.quiet {
                    @if page.next.is_some() { "There is nothing so far; older arrivals are next." }
                    @else { "There is nothing here." }
                }
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Aggregates" {
                    table.aggregates {
                        thead {
                            tr {
                                th scope="col" { "Id" }
                                @if has_times { th scope="col" { "Changed" } }
                                @for name in &columns.shown {
                                    th scope="col" { (Cut(name, CELL_CHARS_MAX)) }
                                }
                            }
                        }
                        tbody {
                            @for row in &page.rows { (self.row(row, columns, has_times)) }
                        }
                    }
                }
            }
            @if let Some((name, cursor)) = &page.next {
                nav.pages aria-label="Pages" {
                    a rel="next" href=(self.at(&self.next(name, cursor))) { "Next page" }
                }
            }
        }
    }

    fn next(&self, name: &str, cursor: &str) -> String {
        format!("{}{name}={}", self.query_without(&["after", "before"]), segment(cursor))
    }

    fn row(&self, row: &Row, columns: &Columns, has_times: bool) -> Markup {
        html! {
            tr {
                th scope="row" {
                    a href=(self.base.to(&aggregate_path(self.root, &row.id))) { (Text(&row.id)) }
                    @if row.refused_count > 0 {
                        " " span.badge title="events left out, see there" {
                            (row.refused_count) " left out"
                        }
                    }
                }
                @if has_times { td { @if let Some(arrived) = row.changed { (moment(arrived)) } } }
                @if let Some(problem) = &row.problem {
                    td.problem colspan=(columns.shown.len().max(1)) { (Cut(problem, 200)) }
                } @else {
                    @for name in &columns.shown {
                        td { @if let Some(cell) = row.cell(name) { (Cut(cell, CELL_CHARS_MAX)) } }
                    }
                }
            }
        }
    }
}
