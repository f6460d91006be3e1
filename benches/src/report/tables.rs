//! Result tables in Markdown.

use super::figures::{count, ratio, short, with_unit};
use crate::results::{Cell, Measurement, Results, Unit};

/// Where figures are asked for that no run has measured.
const NOTHING: &str = "Not measured.";

/// What the figures were measured on.
pub(super) fn runs(results: &Results) -> String {
    let mut table = Table::new(&["run", "machine", "system", "load before, after", "took"]);
    for run in &results.runs {
        let machine = &run.machine;
        let memory = short(machine.memory_mib as f64 / 1_024.0);
        table.row([
            run.what.clone(),
            format!("{}, {} cores, {memory} GiB", machine.processor, machine.cores),
            format!(
                "{}, {}, {}, commit {}",
                machine.system, machine.file_system, machine.compiler, machine.commit
            ),
            format!("{}, {}", machine.load, run.load_after),
            format!("{} s", run.seconds),
        ]);
    }
    table.finish()
}

/// Appends by engine and batch: throughput of each subject, and how it compares.
pub(super) fn append(results: &Results, volume: u64) -> String {
    let mut table = Table::new(&[
        "engine",
        "batch",
        "`fdatasync` alone, events/s",
        "engine alone, events/s",
        "writer, events/s",
        "of the engine",
        "replica, events/s",
        "of the engine",
        "by medians",
        "median commit (quartiles)",
        "p99",
    ]);
    let is_ours = |cell: &Cell| cell.name == "append" && cell.volume == volume;
    for replica in results.measurements.iter().filter(|found| is_ours(&found.cell)) {
        if replica.cell.subject != "replica" {
            continue;
        }
        let find = |subject: &str| {
            results.find(&Cell { subject: subject.to_owned(), ..replica.cell.clone() })
        };
        let speed = |subject: &str| {
            find(subject).map_or(String::new(), |found| short(found.events_per_second()))
        };
        table.row([
            replica.cell.engine.clone(),
            count(replica.cell.size),
            speed("fdatasync"),
            speed("raw"),
            speed("writer"),
            ratio(find("writer").and_then(|found| found.ratio_of_totals)),
            speed("replica"),
            ratio(replica.ratio_of_totals),
            ratio(replica.ratio),
            median(replica),
            with_unit(replica.quantiles.p99, replica.unit),
        ]);
    }
    table.finish()
}

/// All cells of one experiment at one volume.
pub(super) fn cells(results: &Results, name: &str, volume: u64) -> String {
    let head = ["engine", "size", "what", "median (quartiles)", "p99", "events/s", "of its floor"];
    let mut table = Table::new(&head);
    let is_ours = |cell: &Cell| cell.name == name && cell.volume == volume;
    for found in results.measurements.iter().filter(|found| is_ours(&found.cell)) {
        let speed = found.events > 0 && found.unit == Unit::Nanoseconds;
        table.row([
            found.cell.engine.clone(),
            if found.cell.size > 0 { count(found.cell.size) } else { String::new() },
            found.cell.subject.clone(),
            median(found),
            if found.samples > 1 {
                with_unit(found.quantiles.p99, found.unit)
            } else {
                String::new()
            },
            if speed { short(found.events_per_second()) } else { String::new() },
            ratio(found.ratio),
        ]);
    }
    table.finish()
}

/// Room on disk, or in memory: in all and an event.
pub(super) fn sizes(results: &Results, volume: u64) -> String {
    let head = ["engine", "what", "events", "bytes", "bytes an event"];
    let mut table = Table::new(&head);
    let is_ours = |cell: &Cell| cell.name == "size" && cell.volume == volume;
    for found in results.measurements.iter().filter(|found| is_ours(&found.cell)) {
        table.row([
            found.cell.engine.clone(),
            found.cell.subject.clone(),
            count(found.events),
            with_unit(found.total, found.unit),
            short(found.total as f64 / found.events.max(1) as f64),
        ]);
    }
    table.finish()
}

/// One LMDB environment per root, or one for all.
pub(super) fn environments(results: &Results) -> String {
    let head = ["roots and writers", "batch", "layout", "events/s", "median commit", "p99"];
    let mut table = Table::new(&head);
    for found in results.measurements.iter().filter(|found| found.cell.name == "environments") {
        table.row([
            count(found.cell.writers),
            count(found.cell.size),
            found.cell.subject.clone(),
            short(found.events_per_second()),
            median(found),
            with_unit(found.quantiles.p99, found.unit),
        ]);
    }
    table.finish()
}

/// Servers side by side: a row for each load, a group of columns for each server.
pub(super) fn peers(results: &Results) -> String {
    let of_peers = |found: &&Measurement| found.cell.name.starts_with("peers ");
    let all: Vec<&Measurement> = results.measurements.iter().filter(of_peers).collect();
    let mut servers: Vec<&str> = Vec::new();
    let mut loads: Vec<(&str, u64, u64)> = Vec::new();
    for found in &all {
        let load = (found.cell.name.as_str(), found.cell.writers, found.cell.size);
        if !loads.contains(&load) {
            loads.push(load);
        }
        if !servers.contains(&found.cell.engine.as_str()) {
            servers.push(&found.cell.engine);
        }
    }
    let mut head = vec!["what".to_owned(), "clients".to_owned(), "events a request".to_owned()];
    for server in &servers {
        head.extend([format!("{server}, events/s"), "p50".to_owned(), "p99".to_owned()]);
    }
    let mut table = Table::new(&head.iter().map(String::as_str).collect::<Vec<_>>());
    for (name, writers, size) in loads {
        let mut row =
            vec![name.trim_start_matches("peers ").to_owned(), count(writers), count(size)];
        for server in &servers {
            let found = all.iter().find(|found| {
                let cell = &found.cell;
                (cell.name.as_str(), cell.writers, cell.size) == (name, writers, size)
                    && cell.engine == *server
            });
            row.extend(match found {
                None => [String::new(), String::new(), String::new()],
                Some(found) => [
                    short(found.events_per_second()),
                    with_unit(found.quantiles.median, found.unit),
                    with_unit(found.quantiles.p99, found.unit),
                ],
            });
        }
        table.row(row);
    }
    table.finish()
}

/// Replication of one kind of data: a row for each step and each who took it.
pub(super) fn replication(results: &Results, data: &str) -> String {
    let head = ["step", "events", "who", "time (quartiles)", "round trips", "connections", "bytes"];
    let mut table = Table::new(&head);
    let start = format!("replication {data} ");
    for found in &results.measurements {
        let Some(step) = found.cell.name.strip_prefix(&start) else { continue };
        if found.cell.subject != "time" {
            continue;
        }
        let other = |subject: &str| {
            let other = results.find(&Cell { subject: subject.to_owned(), ..found.cell.clone() });
            other.map_or(String::new(), |other| with_unit(other.quantiles.median, other.unit))
        };
        table.row([
            step.to_owned(),
            count(found.events / found.samples.max(1)),
            found.cell.engine.clone(),
            median(found),
            other("round trips"),
            other("connections"),
            other("bytes"),
        ]);
    }
    table.finish()
}

fn median(found: &Measurement) -> String {
    let quantiles = found.quantiles;
    let median = with_unit(quantiles.median, found.unit);
    if found.samples < 2 {
        return median;
    }
    let [low, high] = [quantiles.q1, quantiles.q3].map(|value| with_unit(value, found.unit));
    format!("{median} ({low} – {high})")
}

/// A Markdown table.
struct Table {
    text: String,
    rows: usize,
}

impl Table {
    fn new(head: &[&str]) -> Self {
        let mut table = Self { text: String::new(), rows: 0 };
        table.row(head.iter().map(|&name| name.to_owned()));
        table.row(head.iter().map(|_| "---".to_owned()));
        table.rows = 0;
        table
    }

    fn row(&mut self, fields: impl IntoIterator<Item = String>) {
        for field in fields {
            self.text.push_str("| ");
            self.text.push_str(&field);
            self.text.push(' ');
        }
        self.text.push_str("|\n");
        self.rows += 1;
    }

    fn finish(self) -> String {
        if self.rows == 0 { NOTHING.to_owned() } else { self.text }
    }
}
