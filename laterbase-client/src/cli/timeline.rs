//! `laterbase timeline`: one aggregate's events on both time axes.

mod drawing;
mod row;

use std::ops::ControlFlow;

use clap::Args;
use laterbase_core::Place;
use laterbase_core::event::Event;
use laterbase_core::hlc::Hlc;
use laterbase_core::id::RootName;
use laterbase_core::reader::{Query, Reader};

use super::nearest::no_such_aggregate;
use super::output::Output;
use super::table::width;
use super::time_flags::TimeFlags;
use super::zone::Zone;
use super::{Common, PAGE_EVENTS, check_root};
use drawing::{Drawing, Span, WIDTH_DEFAULT, WIDTH_MAX, WIDTH_MIN};
use row::Row;

#[derive(Debug, Args)]
pub(crate) struct TimelineArgs {
    /// The root that the aggregate is in.
    #[arg(long, value_name = "R")]
    root: RootName,
    /// How many columns to draw in [default: those of the terminal, or 80].
    #[arg(long, value_name = "COLUMNS",
        value_parser = clap::value_parser!(u16).range(i64::from(WIDTH_MIN)..=i64::from(WIDTH_MAX)))]
    width: Option<u16>,
    /// The aggregate's id.
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    id: String,
    #[command(flatten)]
    times: TimeFlags,
}

pub(crate) fn run(common: &Common, args: &TimelineArgs, output: &mut Output) -> anyhow::Result<()> {
    common.with_reader(|reader| {
        check_root(reader, &args.root)?;
        let source = Source { reader, args, query: args.times.query(None) };
        let survey = source.survey()?;
        let Some(span) = survey.span else {
            return Err(no_such_aggregate(reader, &args.root, &args.id, &args.times));
        };
        if output.is_json() {
            return source.rows(&survey, &mut |row| output.json(&row.json_line()?));
        }
        let drawing = Drawing {
            width: args.width.unwrap_or_else(|| width_of(output)),
            span,
            id_columns: survey.id_columns,
            type_columns: survey.type_columns,
            who_columns: survey.who_columns,
            zone: Zone::new(common.utc),
            is_coloured: output.takes_colour(),
        };
        output.heading(drawing.head())?;
        let (mut late_count, mut voided_count) = (0, 0);
        source.rows(&survey, &mut |row| {
            late_count += u64::from(row.is_late);
            voided_count += u64::from(!row.voided_by.is_empty());
            output.styled_line(drawing.row(row))
        })?;
        output.line(drawing.foot(survey.event_count, late_count, voided_count))
    })
}

/// The width of the terminal, as far as it can be drawn in.
fn width_of(output: &Output) -> u16 {
    let columns = output.columns().map(|columns| u16::try_from(columns).unwrap_or(WIDTH_MAX));
    columns.unwrap_or(WIDTH_DEFAULT).clamp(WIDTH_MIN, WIDTH_MAX)
}

/// Where the rows come from. Nobody else writes to the store while it is open.
struct Source<'s> {
    reader: &'s Reader,
    args: &'s TimelineArgs,
    query: Query,
}

/// What must be known of all rows before the first one is drawn: a few bytes a page.
#[derive(Default)]
struct Survey {
    event_count: u64,
    span: Option<Span>,
    id_columns: usize,
    type_columns: usize,
    who_columns: usize,
    /// For each page, the earliest stamp of the pages behind it.
    recorded_behind: Vec<Hlc>,
}

impl Source<'_> {
    fn survey(&self) -> anyhow::Result<Survey> {
        let mut survey = Survey::default();
        let mut earliest = Vec::new();
        self.pages(&mut |rows| {
            survey.event_count += rows.len() as u64;
            for row in &*rows {
                survey.id_columns = row.id.len().max(survey.id_columns);
                survey.type_columns = width(&row.event_type).max(survey.type_columns);
                survey.who_columns = width(row.who()).max(survey.who_columns);
            }
            survey.span = rows.iter().map(Row::span).chain(survey.span).reduce(Span::join);
            earliest.push(rows.iter().map(|row| row.recorded).min().unwrap_or(Hlc::MAX));
            Ok(())
        })?;
        let mut behind = Hlc::MAX;
        for page in earliest.into_iter().rev() {
            survey.recorded_behind.push(behind);
            behind = behind.min(page);
        }
        survey.recorded_behind.reverse();
        Ok(survey)
    }

    /// Visits all rows, a page of them in memory at a time.
    fn rows(
        &self,
        survey: &Survey,
        visit: &mut dyn FnMut(&Row) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut behind = survey.recorded_behind.iter().copied();
        self.pages(&mut |rows| {
            row::mark_late(rows, behind.next().unwrap_or(Hlc::MAX));
            rows.iter().try_for_each(&mut *visit)
        })
    }

    fn pages(&self, visit: &mut dyn FnMut(&mut [Row]) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut after: Option<Place> = None;
        loop {
            let mut rows = Vec::new();
            let mut take = |event: &Event<'_>| {
                rows.push(Row::of(&self.args.root, event));
                ControlFlow::Continue(())
            };
            let (reader, TimelineArgs { root, id, .. }) = (self.reader, self.args);
            let page =
                reader.aggregate_events(root, id, after, PAGE_EVENTS, &self.query, &mut take)?;
            visit(&mut rows)?;
            if page.next.is_none() {
                return Ok(());
            }
            after = page.next;
        }
    }
}
