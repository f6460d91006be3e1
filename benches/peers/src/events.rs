//! Files of events to replicate: made ones, and real ones where they are at hand.

use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use crate::load::{AGGREGATES, PAYLOAD_BYTES};

#[cfg(test)]
mod tests;

/// Characters of made payloads: 6 bits each, so that compression gains a quarter and no more.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Events to replicate, and some more that are recorded one by one afterwards.
#[derive(Debug)]
pub(crate) struct Events {
    /// `made` or `flights`.
    pub data: &'static str,
    /// One event a line, as `laterbase record` takes it.
    pub first: PathBuf,
    pub first_count: usize,
    /// A file for each.
    pub later: Vec<PathBuf>,
}

impl Events {
    /// Makes events of 256 bytes of data each, the same in every run.
    pub(crate) fn make(folder: &Path, first_count: usize, later_count: usize) -> Result<Self> {
        let mut dice = 0x9e37_79b9_7f4a_7c15;
        let lines = (0..first_count + later_count).map(|_| Ok(made_event(&mut dice)));
        Self::write(folder, "made", lines, first_count, later_count)
    }

    /// Takes real events from the start of a file of samples, which is compressed with zstd.
    pub(crate) fn read(
        folder: &Path,
        data: &'static str,
        samples: &Path,
        first_count: usize,
        later_count: usize,
    ) -> Result<Self> {
        let file =
            File::open(samples).with_context(|| format!("cannot open {}", samples.display()))?;
        let lines = BufReader::new(zstd::Decoder::new(file)?).lines();
        Self::write(folder, data, lines.map(|line| Ok(line?)), first_count, later_count)
    }

    fn write(
        folder: &Path,
        data: &'static str,
        mut lines: impl Iterator<Item = Result<String>>,
        first_count: usize,
        later_count: usize,
    ) -> Result<Self> {
        let mut write = |name: String, count: usize| -> Result<PathBuf> {
            let path = folder.join(name);
            let mut file = BufWriter::new(File::create(&path)?);
            for _ in 0..count {
                let line = lines.next().with_context(|| format!("too few events: {data}"))??;
                writeln!(file, "{line}")?;
            }
            file.flush()?;
            Ok(path)
        };
        ensure!(first_count > 0, "nothing to replicate");
        let first = write(format!("{data}.ndjson"), first_count)?;
        let later = (0..later_count).map(|number| write(format!("{data}-{number}.ndjson"), 1));
        let later = later.collect::<Result<_>>()?;
        Ok(Self { data, first, first_count, later })
    }
}

fn made_event(dice: &mut u64) -> String {
    // Knuth's linear congruential generator (MMIX); its high bits are the good ones.
    let mut roll = || {
        *dice =
            dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *dice >> 33
    };
    let aggregate = roll() % AGGREGATES;
    let length = PAYLOAD_BYTES - r#"{"note":""}"#.len();
    let mut letter = || LETTERS[usize::from((roll() >> 20).to_le_bytes()[0]) % LETTERS.len()];
    let note: String = (0..length).map(|_| char::from(letter())).collect();
    format!(
        r#"{{"root":"shipment","aggregate_id":"shipment-{aggregate}","type":"Departed","data":{{"note":"{note}"}}}}"#
    )
}
