//! What came of a run.

use std::fmt;

use super::scenario::Scenario;

/// What a run did, when nothing was wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Hash of everything that happened: equal for two runs exactly when they were the same.
    pub trace_hash: u64,
    /// Steps of both phases.
    pub steps: u64,
    /// Events that were recorded by a writer.
    pub events: u64,
    /// Events that a replica took from another one.
    pub merged: u64,
    /// Pages that were sent, and the messages around them.
    pub messages: u64,
    /// Messages that were lost, or cut within a page.
    pub lost: u64,
    /// Processes that ended without warning, with or without their machine.
    pub crashes: u64,
    /// Crashes that took with them what the disk had not been told to keep.
    pub power_losses: u64,
    /// Commits and reads that failed.
    pub disk_faults: u64,
    /// Times when replicas were kept from each other, one way or both ways.
    pub partitions: u64,
    /// Wall clocks that jumped or stopped.
    pub clock_faults: u64,
    /// Stores that were emptied, set back to a copy, or copied to another place.
    pub replacements: u64,
    /// Runs on pages that were held back because there are two histories under one id.
    pub forks: u64,
    /// Forks that somebody resolved.
    pub resolved: u64,
    /// Of those, how many a device resolved by itself, as nobody had seen its branch.
    pub healed: u64,
    /// Branches that moved because a page told that they had been moved elsewhere.
    pub followed: u64,
    /// Cursors that were refused, as they were of another log.
    pub cursors_gone: u64,
    /// Pages that were taken by cursor.
    pub pages_by_cursor: u64,
    /// Writes that were refused for their condition, or for a key of a whole request.
    pub conditions_refused: u64,
    /// Requests that were recognised as a whole by their key.
    pub requests_replayed: u64,
    /// Reads that were compared with an independent model.
    pub reads: u64,
    /// Time that passed in the simulated world, in nanoseconds.
    pub simulated_nanos: u64,
}

impl Outcome {
    /// Adds up the figures of two runs. The hash is that of both, in any order.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            trace_hash: self.trace_hash.wrapping_add(other.trace_hash),
            steps: self.steps + other.steps,
            events: self.events + other.events,
            merged: self.merged + other.merged,
            messages: self.messages + other.messages,
            lost: self.lost + other.lost,
            crashes: self.crashes + other.crashes,
            power_losses: self.power_losses + other.power_losses,
            disk_faults: self.disk_faults + other.disk_faults,
            partitions: self.partitions + other.partitions,
            clock_faults: self.clock_faults + other.clock_faults,
            replacements: self.replacements + other.replacements,
            forks: self.forks + other.forks,
            resolved: self.resolved + other.resolved,
            healed: self.healed + other.healed,
            followed: self.followed + other.followed,
            cursors_gone: self.cursors_gone + other.cursors_gone,
            pages_by_cursor: self.pages_by_cursor + other.pages_by_cursor,
            conditions_refused: self.conditions_refused + other.conditions_refused,
            requests_replayed: self.requests_replayed + other.requests_replayed,
            reads: self.reads + other.reads,
            simulated_nanos: self.simulated_nanos.saturating_add(other.simulated_nanos),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} steps, {} events, {} merged, {} messages ({} lost), {} crashes ({} with power), \
             {} disk faults, {} partitions, {} clock faults, {} stores replaced, {} forks met, \
             {} resolved ({} healed), {} followed, {} pages by cursor ({} cursors gone), {} conditions refused, {} requests replayed, \
             {} reads checked, {} s simulated",
            self.steps,
            self.events,
            self.merged,
            self.messages,
            self.lost,
            self.crashes,
            self.power_losses,
            self.disk_faults,
            self.partitions,
            self.clock_faults,
            self.replacements,
            self.forks,
            self.resolved,
            self.healed,
            self.followed,
            self.pages_by_cursor,
            self.cursors_gone,
            self.conditions_refused,
            self.requests_replayed,
            self.reads,
            self.simulated_nanos / 1_000_000_000,
        )
    }
}

/// A run in which something was wrong. The seed plays it again, step by step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which run it was.
    pub scenario: Scenario,
    /// The step at which it was seen.
    pub step: u64,
    /// Who saw it.
    pub checker: &'static str,
    /// What the checker says.
    pub words: String,
    /// What the run was made of.
    pub options: String,
    /// The last things that happened, oldest first.
    pub last_lines: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, step, checker, words, options, last_lines } = self;
        writeln!(f, "{scenario} fails at step {step}\n{checker}: {words}\n{options}")?;
        last_lines.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

impl std::error::Error for Failure {}

/// What a checker has to object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub checker: &'static str,
    pub words: String,
}

/// The answer of a checker.
pub(super) type Verdict<T = ()> = Result<T, Violation>;

/// Objects unless it holds.
pub(super) fn ensure(
    holds: bool,
    checker: &'static str,
    words: impl FnOnce() -> String,
) -> Verdict {
    if holds { Ok(()) } else { Err(Violation { checker, words: words() }) }
}

/// Objects to an error where nothing gives a reason for one.
pub(super) fn no_reason(
    checker: &'static str,
    doing: &str,
    error: &dyn std::error::Error,
) -> Violation {
    Violation { checker, words: format!("{doing}: {error}, though no fault was set") }
}
