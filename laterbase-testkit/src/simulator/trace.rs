//! What happened in a run: a hash of all of it, and the last lines.

use std::collections::VecDeque;
use std::fmt;

/// Lines that are kept for a failure's report.
const LINES_MAX: usize = 25;

#[derive(Debug)]
pub(super) struct Trace {
    hash: u64,
    lines: VecDeque<String>,
}

impl Trace {
    pub(super) const fn new() -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: VecDeque::new() }
    }

    /// Takes a line down. It must not depend on anything but the seed.
    pub(super) fn line(&mut self, step: u64, text: fmt::Arguments<'_>) {
        let line = format!("{step}: {text}");
        // Fowler, Noll and Vo's FNV-1a.
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn last_lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}
