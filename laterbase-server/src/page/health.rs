//! `/ui`: who the server is, what it holds, and what somebody should look at.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use laterbase_core::id::RootName;
use laterbase_core::reader::{Damaged, ForkDetail, Reader, RootStatus, Status};
use laterbase_core::renewal::Renewal;
use laterbase_core::store::{Condition, Refusal};
use maud::{Markup, html};

use super::layout::Screen;
use super::text::{Text, count, number, segment, size};
use super::{Base, forks, peers};
use crate::app::App;
use crate::callers::Surveyed;
use crate::problem::Result;

/// Most roots that are listed. A server with more has them for partitions.
const ROOTS_MAX: usize = 500;

/// Most origins in doubt that are listed.
const IN_DOUBT_MAX: usize = 20;

/// What the page tells.
struct Health {
    status: Status,
    /// Whether all roots are shown, so that what is counted over all of them may be.
    gives_all: bool,
    clock_ahead_seconds: u64,
    forks: Vec<ForkDetail>,
    fork_count: usize,
    damaged: Vec<Damaged>,
    renewals: Vec<Renewal>,
    condition: Condition,
    refusal: Option<Refusal>,
    has_fold: Vec<bool>,
    peers: Vec<Surveyed>,
}

/// `GET /ui`
pub(super) async fn show(State(app): State<Arc<App>>, base: Base) -> Result<Response> {
    let giving = Arc::clone(&app);
    let health = app.read(move |reader| Health::read(&giving, reader)).await?;
    let content = html! {
        (health.summary())
        (health.roots(&base))
        (peers::list(&health.peers))
        (forks::list(&base, &health.forks, health.fork_count))
        (health.damaged())
        (health.storage())
        (health.renewals())
    };
    Ok(base.answer(Screen::Health, "Health", &content))
}

impl Health {
    fn read(app: &App, reader: &Reader) -> Result<Self> {
        let mut status = reader.status()?;
        let stored_count = status.roots.len();
        let gives = |root: &RootName| app.syncs(root);
        status.roots.retain(|root| gives(&root.name));
        let mut damaged = reader.damaged();
        damaged.retain(|damaged| gives(&damaged.root));
        Ok(Self {
            gives_all: status.roots.len() == stored_count,
            clock_ahead_seconds: status.clock_ahead_seconds(app.writer.now()),
            forks: reader.forks_page(&gives, None, IN_DOUBT_MAX).forks,
            fork_count: reader.fork_count(&gives),
            damaged,
            renewals: reader.renewals(),
            condition: reader.condition(),
            refusal: reader.refusal(),
            has_fold: status.roots.iter().map(|root| app.folds().knows(&root.name)).collect(),
            peers: app.callers.survey(app, reader)?.0,
            status,
        })
    }

    /// What is wrong, in words, each with what to do about it.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        match &self.refusal {
            Some(Refusal::Full { detail }) => {
                let remedy = "Writes are turned away until there is room; reads go on.";
                warnings.push(format!("The store is full: {detail}. {remedy}"));
            }
            Some(_) => warnings.push(
                "The store takes no writes since one failed. The server's log says why; writes \
                 need a restart, reads go on."
                    .to_owned(),
            ),
            None if self.condition.is_low() => {
                warnings.push("Little room is left on the disk.".to_owned());
            }
            None => {}
        }
        let counters = &self.status.counters;
        if self.gives_all && self.clock_ahead_seconds > 0 {
            let ahead = count(self.clock_ahead_seconds, "second");
            warnings.push(format!(
                "Stamps of new events are {ahead} ahead of the wall clock, as this clock or that of \
                 a device was wrong once. They go on from there until the clock has caught up."
            ));
        }
        if self.gives_all && counters.clock_suspect > 0 {
            let events = count(counters.clock_suspect, "event");
            warnings.push(format!(
                "{events} came from devices whose clocks were too far ahead to be believed. They \
                 are kept; set those clocks right."
            ));
        }
        if self.gives_all && counters.future > 0 {
            let events = count(counters.future, "event");
            warnings.push(format!("{events} claim to have happened too far in the future."));
        }
        warnings
    }

    fn summary(&self) -> Markup {
        let warnings = self.warnings();
        let doubts = self.fork_count + self.damaged.len();
        html! {
            @if warnings.is_empty() && doubts == 0 {
                p.state.good { "All is well: the server takes writes, and nothing is held back." }
            } @else {
                div.state.bad role="status" {
                    @for warning in &warnings { p { (Text(warning)) } }
                    @if doubts > 0 {
                        p { (count(doubts as u64, "origin")) " held back: see below." }
                    }
                }
            }
            dl.facts {
                div { dt { "Replica" } dd { code { (self.status.replica) } } }
                div { dt { "Engine" } dd { (self.status.engine) } }
                div { dt { "Version" } dd { (env!("CARGO_PKG_VERSION")) } }
            }
        }
    }

    fn roots(&self, base: &Base) -> Markup {
        let roots = &self.status.roots;
        html! {
            section aria-labelledby="roots" {
                h2 #roots { "Roots" }
                @if roots.is_empty() {
                    p.quiet { "No events yet." }
                } @else {
                    div.scroll tabindex="0" role="region" aria-labelledby="roots" {
                        table {
                            thead {
                                tr {
                                    th scope="col" { "Root" }
                                    th.number scope="col" { "Aggregates" }
                                    th.number scope="col" { "Events" }
                                    th.number scope="col" { "Unreadable" }
                                    th scope="col" { "Digest" }
                                }
                            }
                            tbody {
                                @for (root, has_fold) in
                                    roots.iter().zip(&self.has_fold).take(ROOTS_MAX) {
                                    (row(base, root, *has_fold))
                                }
                            }
                        }
                    }
                }
                @if let Some(more) = roots.len().checked_sub(ROOTS_MAX).filter(|more| *more > 0) {
                    p.quiet { "And " (count(more as u64, "root")) " more." }
                }
            }
        }
    }

    fn damaged(&self) -> Markup {
        html! {
            @if !self.damaged.is_empty() {
                section aria-labelledby="damaged" {
                    h2 #damaged { "Damaged records" }
                    p {
                        "A record of the log was damaged on the disk. Its origin's events are held \
                         back from there on; stop the server and run " code { "laterbase verify" }
                        "."
                    }
                    ul {
                        @for damaged in self.damaged.iter().take(IN_DOUBT_MAX) {
                            li { code { (damaged.root) ":" (damaged.origin) "-" (damaged.seq) } }
                        }
                    }
                }
            }
        }
    }

    fn storage(&self) -> Markup {
        let condition = &self.condition;
        let told = |bytes: Option<u64>| bytes.map_or_else(|| "not known".to_owned(), size);
        html! {
            section aria-labelledby="storage" {
                h2 #storage { "Storage" }
                dl.facts {
                    div { dt { "Taken" } dd { (told(condition.size_bytes)) } }
                    div { dt { "Left" } dd { (told(condition.left_bytes())) } }
                    @if let Some(bytes) = condition.size_bytes_max {
                        div { dt { "Bound" } dd { (size(bytes)) } }
                    }
                    @if !condition.set_aside.is_empty() {
                        div {
                            dt { "Derived tables set aside" }
                            dd {
                                (number(condition.set_aside.len() as u64))
                                ", built anew since: the disk may be failing"
                            }
                        }
                    }
                }
            }
        }
    }

    fn renewals(&self) -> Markup {
        html! {
            @if !self.renewals.is_empty() {
                section aria-labelledby="renewals" {
                    h2 #renewals { "Former ids of this replica" }
                    ul {
                        @for renewal in &self.renewals {
                            li { code { (renewal.old) } " (" (renewal.reason.word()) ")" }
                        }
                    }
                }
            }
        }
    }
}

fn row(base: &Base, root: &RootStatus, has_fold: bool) -> Markup {
    let name = root.name.as_str();
    html! {
        tr {
            th scope="row" {
                @if has_fold {
                    a href=(base.to(&format!("/r/{}", segment(name)))) { (name) }
                } @else {
                    (name) " " span.quiet { "relayed only" }
                }
            }
            td.number { (number(root.aggregates)) }
            td.number { (number(root.events)) }
            td.number { (number(root.unreadable)) }
            td { code title=(root.digest) { (&root.digest[..16.min(root.digest.len())]) "…" } }
        }
    }
}
