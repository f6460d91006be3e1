//! The counts that test binaries print.

use anyhow::{Result, bail};

#[cfg(test)]
mod tests;

/// The sum over all test binaries of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Tally {
    /// Adds one line of output, if it is a result line like
    /// `test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; …`.
    pub(crate) fn count(&mut self, line: &str) {
        let Some((_, counts)) = line.split_once("test result: ") else { return };
        for count in counts.split([';', '.']) {
            let Some((number, what)) = count.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    /// An error unless tests ran, all of them, and all passed.
    pub(crate) fn verdict(&self) -> Result<()> {
        if self.failed > 0 {
            bail!("{} tests failed", self.failed);
        }
        if self.ignored > 0 {
            bail!("{} tests are ignored: a test runs or goes", self.ignored);
        }
        if self.passed == 0 {
            bail!("no test ran");
        }
        Ok(())
    }
}

/// False for what a passing test prints about itself, and for the frame around it.
pub(crate) fn is_worth_showing(line: &str) -> bool {
    let passing = line.starts_with("test ") && line.ends_with("... ok");
    let frame =
        line.starts_with("running ") && (line.ends_with(" tests") || line.ends_with(" test"));
    !passing && !frame && !line.trim().is_empty()
}
