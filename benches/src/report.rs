//! Tables and plots, drawn from a result file into a document.
//!
//! The document says `<!-- begin NAME -->` and `<!-- end NAME -->` where a generated part stands;
//! everything else in it is written by people and left alone.

mod figures;
mod plot;
mod tables;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use self::plot::{Plot, Series};
use crate::results::{Measurement, Results};

/// The folder of the plots, beside the document.
const PLOTS: &str = "plots";

/// Writes every generated part of the document anew, and the plots.
///
/// # Errors
/// If the document cannot be read or written, or asks for a part that there is not.
pub fn write(results: &Results, document: &Path) -> Result<()> {
    let text = fs::read_to_string(document)
        .with_context(|| format!("cannot read {}", document.display()))?;
    let folder = document.parent().context("a document in a folder")?.join(PLOTS);
    fs::create_dir_all(&folder)?;
    let mut draw = |name: &str, plot: &Plot| -> Result<String> {
        let file = format!("{name}.svg");
        fs::write(folder.join(&file), plot.to_svg())?;
        Ok(format!("![{}]({PLOTS}/{file})", plot.title))
    };
    let text = replace_parts(&text, |part| part_of(results, part, &mut draw))?;
    Ok(fs::write(document, text)?)
}

type Draw<'d> = dyn FnMut(&str, &Plot) -> Result<String> + 'd;

/// What stands in a generated part: `runs`, `environments`, `peers`, `replication made`, a table
/// such as `append 10000`, or a plot such as `plot append 10000`.
fn part_of(results: &Results, part: &str, draw: &mut Draw<'_>) -> Result<String> {
    let words: Vec<&str> = part.split(' ').collect();
    let volume = |text: &str| text.parse::<u64>().with_context(|| format!("no volume: {part}"));
    match words.as_slice() {
        ["runs"] => Ok(tables::runs(results)),
        ["peers"] => Ok(tables::peers(results)),
        ["replication", data] => Ok(tables::replication(results, data)),
        ["environments"] => Ok(tables::environments(results)),
        ["plot", "peers"] => draw("peers", &peers(results)),
        ["plot", "fill"] => draw("fill", &fill(results)),
        ["plot", "append", at] => draw(&format!("append-{at}"), &append(results, volume(at)?)),
        ["append", at] => Ok(tables::append(results, volume(at)?)),
        ["sizes", at] => Ok(tables::sizes(results, volume(at)?)),
        ["table", name @ .., at] => Ok(tables::cells(results, &name.join(" "), volume(at)?)),
        _ => bail!("the document asks for a part {part:?}, which there is not"),
    }
}

/// Puts what `part_of` gives between the marks of each part.
fn replace_parts(text: &str, mut part_of: impl FnMut(&str) -> Result<String>) -> Result<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!-- begin ") {
        let (name, after) = after.split_once(" -->").context("a mark without an end")?;
        let end = format!("<!-- end {name} -->");
        let (_, after) = after.split_once(&end).with_context(|| format!("{end} is missing"))?;
        let part = part_of(name)?;
        out.push_str(&format!("{before}<!-- begin {name} -->\n\n{}\n\n{end}", part.trim_end()));
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Lines of one experiment: a series for each engine and subject that `accept` takes.
fn series(
    results: &Results,
    accept: impl Fn(&Measurement) -> bool,
    name: impl Fn(&Measurement) -> String,
    point: impl Fn(&Measurement) -> (f64, f64),
) -> Vec<Series> {
    let mut found: Vec<Series> = Vec::new();
    for measurement in results.measurements.iter().filter(|found| accept(found)) {
        let (name, point) = (name(measurement), point(measurement));
        match found.iter_mut().find(|series| series.name == name) {
            Some(series) => series.points.push(point),
            None => found.push(Series { name, points: vec![point] }),
        }
    }
    found
}

fn append(results: &Results, volume: u64) -> Plot {
    let accept = |found: &Measurement| {
        let is_ours = found.cell.name == "append" && found.cell.volume == volume;
        is_ours && found.cell.engine != "memory" && found.cell.subject != "fdatasync"
    };
    let name = |found: &Measurement| format!("{} {}", found.cell.engine, found.cell.subject);
    let point = |found: &Measurement| (found.cell.size as f64, found.events_per_second());
    Plot {
        title: format!("Durable append into a store of {} events", figures::count(volume)),
        x: "events a batch".to_owned(),
        y: "events a second".to_owned(),
        series: series(results, accept, name, point),
    }
}

fn fill(results: &Results) -> Plot {
    let accept = |found: &Measurement| found.cell.name == "fill" && found.cell.engine != "memory";
    let name = |found: &Measurement| format!("{} {}", found.cell.engine, found.cell.subject);
    let point = |found: &Measurement| (found.cell.volume as f64, found.events_per_second());
    Plot {
        title: "Durable append, 1,000 events a batch, as the store grows".to_owned(),
        x: "events in the store".to_owned(),
        y: "events a second".to_owned(),
        series: series(results, accept, name, point),
    }
}

fn peers(results: &Results) -> Plot {
    let accept = |found: &Measurement| found.cell.name == "peers write";
    let name = |found: &Measurement| format!("{}, {} w", found.cell.engine, found.cell.writers);
    let point = |found: &Measurement| (found.cell.size as f64, found.events_per_second());
    Plot {
        title: "Durable writes over the network, by writers (w)".to_owned(),
        x: "events a request".to_owned(),
        y: "events a second".to_owned(),
        series: series(results, accept, name, point),
    }
}
