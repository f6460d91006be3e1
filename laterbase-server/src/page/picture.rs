//! The picture of an aggregate's events on two axes: across, when each happened; down, when this
//! replica learned of it, which is what `known_at` compares with.
//!
//! ```text
//!             happened →
//!   learned  ●
//!      ↓        ●
//!            ◆        ●     ◆ late: what happened after it was known before it
//! ```
//!
//! Only so many events are read, and they fall into the cells of a grid, so the picture is no larger
//! for a million of them. Of a large aggregate it shows a sample: the first events of each of so
//! many stretches of time.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use laterbase_core::event::Event;
use laterbase_core::id::{EventId, RootName};
use laterbase_core::reader::{EventsPage, History, Order, Query, ReadError, Reader, Window};
use laterbase_core::time::format_time;
use maud::{Markup, html};
use serde_json::json;

use super::aggregate::Shown;
use super::events;
use super::text::{count, moment};

/// Events that are all read; an aggregate with more of them is sampled.
const EVENTS_MAX: usize = 5_000;

/// Stretches of time that a sample is taken of, and events of each.
const STRETCHES: i64 = 64;
const STRETCH_EVENTS_MAX: usize = 64;

/// Bytes of data after which a read goes no further.
const BYTES_MAX: usize = 16 * 1024 * 1024;
const STRETCH_BYTES_MAX: usize = 512 * 1024;

/// Cells across and down.
const COLUMNS: usize = 60;
const LINES: usize = 36;

/// Places of a handle, beside the one of no bound.
const STOPS_MAX: usize = 200;

/// How long an axis is, where its last event lies, and where there is no bound any more.
const LENGTH: f64 = 1_000.0;
const LAST: f64 = 960.0;

/// The picture's size, and the margin around its axes, in units of its own.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const MARGIN: f64 = 10.0;

/// One of the two axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    /// Across.
    Occurred,
    /// Down.
    Known,
}

/// An event as a place in the picture.
#[derive(Clone, Debug)]
struct Mark {
    id: EventId,
    occurred: i64,
    arrived: i64,
    position: u64,
    is_voided: bool,
    /// Whether something that happened after it had arrived before it.
    is_late: bool,
}

pub(super) struct Picture {
    marks: Vec<Mark>,
    is_sample: bool,
}

/// The marks that fall into one cell.
#[derive(Default)]
struct Cell<'m> {
    marks: Vec<&'m Mark>,
}

/// A scale from a time to a place on an axis.
#[derive(Clone, Copy, Debug)]
struct Scale {
    first: i64,
    last: i64,
}

impl Picture {
    pub(super) fn read(reader: &Reader, root: &RootName, id: &str) -> crate::problem::Result<Self> {
        let mut taking = Taking { reader, root, id, marks: Vec::new() };
        let page = taking.read(None, Window::default(), EVENTS_MAX, BYTES_MAX)?;
        let is_sample = page.next.is_some();
        if is_sample {
            taking.sample()?;
        }
        let mut marks = taking.marks;
        marks.sort_unstable_by_key(|mark| mark.position);
        let mut latest = i64::MIN;
        for mark in &mut marks {
            mark.is_late = mark.occurred < latest;
            latest = latest.max(mark.occurred);
        }
        Ok(Self { marks, is_sample })
    }

    fn scale(&self, axis: Axis) -> Scale {
        let times = || self.marks.iter().map(|mark| mark.on(axis));
        Scale { first: times().min().unwrap_or(0), last: times().max().unwrap_or(0) }
    }

    /// The places of an axis' handle, each a time and where it lies; the last one is no bound.
    fn stops(&self, axis: Axis) -> Vec<(String, f64)> {
        let scale = self.scale(axis);
        let mut times: Vec<i64> = self.marks.iter().map(|mark| mark.on(axis)).collect();
        times.sort_unstable();
        times.dedup();
        let step = times.len().div_ceil(STOPS_MAX).max(1);
        // Counted from the end, so that the last event has a place of its own.
        let kept = times.iter().rev().step_by(step).rev();
        let mut stops: Vec<(String, f64)> =
            kept.map(|time| (format_time(*time), scale.place(*time))).collect();
        stops.push((String::new(), LENGTH));
        stops
    }

    /// The picture, with its two handles.
    pub(super) fn draw(&self, shown: &Shown<'_>) -> Markup {
        let (across, down) = (self.scale(Axis::Occurred), self.scale(Axis::Known));
        html! {
            figure.picture {
                div.plot {
                    (self.handle(shown, Axis::Known))
                    (self.plot(shown, across, down))
                    (self.handle(shown, Axis::Occurred))
                }
                div.span aria-hidden="true" {
                    (moment(across.first)) span { "happened →" } (moment(across.last))
                }
                figcaption {
                    "Across: when it happened. Down: when this replica learned of it, from "
                    (moment(down.first)) " to " (moment(down.last)) ". "
                    (self.told())
                }
            }
        }
    }

    fn told(&self) -> Markup {
        let number = |of: fn(&Mark) -> bool| self.marks.iter().filter(|mark| of(mark)).count();
        let (late, voided) = (number(|mark| mark.is_late), number(|mark| mark.is_voided));
        html! {
            @if self.is_sample { "It shows a sample of " } @else { "It shows " }
            (count(self.marks.len() as u64, "event")) ": "
            span.key.late { (late) " late" } ", " span.key.voided { (voided) " taken back" } "."
        }
    }

    fn handle(&self, shown: &Shown<'_>, axis: Axis) -> Markup {
        let (name, label, class) = match axis {
            Axis::Occurred => ("occurred_until", "Happened until", "across"),
            Axis::Known => ("known_at", "Known here at", "down"),
        };
        let bound = shown.bound(axis);
        let place = bound.map_or(LENGTH, |time| self.scale(axis).place(time));
        html! {
            input.handle.(class) type="range" id=(format!("handle-{class}")) min="0"
                max=(LENGTH) step="any" value=(tenths(place)) aria-label=(label)
                data-field=(name) data-stops=(json!(self.stops(axis))) hidden;
        }
    }

    fn plot(&self, shown: &Shown<'_>, across: Scale, down: Scale) -> Markup {
        let at = |axis, scale: Scale| shown.bound(axis).map_or(LENGTH, |time| scale.place(time));
        let (x, y) = (x(at(Axis::Occurred, across)), y(at(Axis::Known, down)));
        let (right, bottom) = (WIDTH - MARGIN, HEIGHT - MARGIN);
        html! {
            svg #plot viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) aria-hidden="true" {
                rect.ground x=(MARGIN) y=(MARGIN) width=(right - MARGIN) height=(bottom - MARGIN) rx="4" {}
                (at_once(across, down))
                @for cell in self.cells(across, down).values() { (cell.draw(shown, across, down)) }
                path.veil d=(format!(
                    "M{MARGIN} {y:.1}H{x:.1}V{MARGIN}H{right}V{bottom}H{MARGIN}Z"
                )) {}
                line.bound x1=(tenths(x)) x2=(tenths(x)) y1=(MARGIN) y2=(bottom) {}
                line.bound x1=(MARGIN) x2=(right) y1=(tenths(y)) y2=(tenths(y)) {}
            }
        }
    }

    fn cells(&self, across: Scale, down: Scale) -> BTreeMap<(usize, usize), Cell<'_>> {
        let mut cells: BTreeMap<(usize, usize), Cell<'_>> = BTreeMap::new();
        for mark in &self.marks {
            let column = cell_of(across.place(mark.occurred), COLUMNS);
            let line = cell_of(down.place(mark.arrived), LINES);
            cells.entry((line, column)).or_default().marks.push(mark);
        }
        cells
    }
}

/// Where an event would lie that this replica learned of as it happened.
fn at_once(across: Scale, down: Scale) -> Markup {
    let (first, last) = (across.first.max(down.first), across.last.min(down.last));
    html! {
        @if first < last {
            line.at-once x1=(tenths(x(across.place(first)))) y1=(tenths(y(down.place(first))))
                x2=(tenths(x(across.place(last)))) y2=(tenths(y(down.place(last)))) {}
        }
    }
}

impl Mark {
    fn of(root: &RootName, event: &Event<'_>) -> Self {
        Self {
            id: EventId { root: root.clone(), dot: event.dot },
            occurred: event.occurred(),
            arrived: event.arrived,
            position: event.position,
            is_voided: !event.voided_by.is_empty(),
            is_late: false,
        }
    }

    const fn on(&self, axis: Axis) -> i64 {
        match axis {
            Axis::Occurred => self.occurred,
            Axis::Known => self.arrived,
        }
    }
}

impl Cell<'_> {
    fn draw(&self, shown: &Shown<'_>, across: Scale, down: Scale) -> Markup {
        let marks = &self.marks;
        let mean = |place: &dyn Fn(&Mark) -> f64| {
            let sum: f64 = marks.iter().map(|mark| place(mark)).sum();
            marks.iter().map(|_| 1.0).sum::<f64>().recip() * sum
        };
        let cx = x(mean(&|mark| across.place(mark.occurred)));
        let cy = y(mean(&|mark| down.place(mark.arrived)));
        let radius = 3.6 + f64::from(marks.len().ilog2()) * 0.6;
        let is_voided = marks.iter().all(|mark| mark.is_voided);
        let is_late = marks.iter().any(|mark| mark.is_late);
        let is_beyond = marks.iter().all(|mark| shown.is_beyond(mark.occurred, mark.arrived));
        let reach = radius + 2.4;
        html! {
            a.mark.late[is_late].voided[is_voided].beyond[is_beyond] tabindex="-1"
                href=[self.only().map(|mark| events::url(shown.base, &mark.id.to_string()))] {
                title { (self.told()) }
                circle cx=(tenths(cx)) cy=(tenths(cy)) r=(tenths(radius)) {}
                @if is_voided {
                    line x1=(tenths(cx - reach)) y1=(tenths(cy + reach))
                        x2=(tenths(cx + reach)) y2=(tenths(cy - reach)) {}
                }
            }
        }
    }

    fn only(&self) -> Option<&Mark> {
        if let [only] = self.marks[..] { Some(only) } else { None }
    }

    fn told(&self) -> String {
        match self.only() {
            Some(mark) => format!(
                "happened {}, learned {}",
                format_time(mark.occurred),
                format_time(mark.arrived)
            ),
            None => count(self.marks.len() as u64, "event"),
        }
    }
}

impl Scale {
    fn place(self, time: i64) -> f64 {
        if self.first == self.last {
            return if time < self.first { 0.0 } else { LAST / 2.0 };
        }
        let span = self.last as f64 - self.first as f64;
        ((time as f64 - self.first as f64) / span * LAST).clamp(0.0, LAST)
    }
}

fn x(place: f64) -> f64 {
    MARGIN + place / LENGTH * (WIDTH - 2.0 * MARGIN)
}

fn y(place: f64) -> f64 {
    MARGIN + place / LENGTH * (HEIGHT - 2.0 * MARGIN)
}

fn tenths(number: f64) -> String {
    format!("{number:.1}")
}

/// The cell of a place, of so many.
fn cell_of(place: f64, count: usize) -> usize {
    (0..count - 1)
        .find(|cell| place < (cell + 1) as f64 / count as f64 * LENGTH)
        .unwrap_or(count - 1)
}

/// Marks as they are read.
struct Taking<'r> {
    reader: &'r Reader,
    root: &'r RootName,
    id: &'r str,
    marks: Vec<Mark>,
}

impl Taking<'_> {
    fn read(
        &mut self,
        occurred_until: Option<i64>,
        window: Window,
        limit: usize,
        bytes_max: usize,
    ) -> Result<EventsPage, ReadError> {
        let query = Query { occurred_until, ..Query::default() };
        let history = History { query, window, after: None, limit };
        let mut bytes = 0;
        self.reader.history(self.root, self.id, &history, &mut |event| {
            self.marks.push(Mark::of(self.root, event));
            bytes += event.record.data.len();
            if bytes < bytes_max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
    }

    /// Takes the first events of each stretch between the first and the last one, instead of what
    /// was read.
    fn sample(&mut self) -> Result<(), ReadError> {
        let first = self.marks.first().map_or(0, |mark| mark.occurred);
        self.marks.clear();
        let backward = Window { order: Order::Descending, ..Window::default() };
        self.read(None, backward, 1, BYTES_MAX)?;
        let last = self.marks.pop().map_or(first, |mark| mark.occurred);
        let width = (i128::from(last) - i128::from(first)) / i128::from(STRETCHES) + 1;
        for stretch in 0..STRETCHES {
            let from = i128::from(first) + width * i128::from(stretch);
            let until = (from + width - 1).min(i128::from(last));
            let (Ok(from), Ok(until)) = (i64::try_from(from), i64::try_from(until)) else { break };
            let window = Window { occurred_from: Some(from), ..Window::default() };
            self.read(Some(until), window, STRETCH_EVENTS_MAX, STRETCH_BYTES_MAX)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
