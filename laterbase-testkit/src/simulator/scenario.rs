//! Which run: a seed, and what of its run is left out.

use std::collections::BTreeSet;
use std::fmt;

use super::options::{FAULTS, Options};

/// A run. Without changes it is the one that the seed draws.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scenario {
    /// What everything random comes from.
    pub seed: u64,
    /// So many replicas at the start, in place of those drawn.
    pub replicas: Option<usize>,
    /// So many roots, in place of those drawn; 3 at most.
    pub roots: Option<usize>,
    /// So many steps until the faults end, in place of those drawn.
    pub steps: Option<u64>,
    /// Faults that are off, by the names that [`fault_names`] gives.
    pub without: BTreeSet<String>,
}

impl Scenario {
    /// The run of a seed.
    pub fn of(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// What the seed drew, with the changes.
    pub(super) fn apply(&self, options: &mut Options) {
        options.replicas = self.replicas.unwrap_or(options.replicas).max(1);
        options.roots = self.roots.unwrap_or(options.roots).clamp(1, 3);
        options.steps = self.steps.unwrap_or(options.steps);
        for (_, turn_off) in FAULTS.iter().filter(|(name, _)| self.without.contains(*name)) {
            turn_off(options);
        }
    }
}

/// As flags of `cargo xtask sim`.
impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, replicas, roots, steps, without } = self;
        write!(f, "--seed {seed}")?;
        let roots = roots.map(|count| ("roots", count as u64));
        let replicas = replicas.map(|count| ("replicas", count as u64));
        let steps = steps.map(|count| ("steps", count));
        for (flag, count) in [replicas, roots, steps].into_iter().flatten() {
            write!(f, " --{flag} {count}")?;
        }
        if !without.is_empty() {
            let names: Vec<&str> = without.iter().map(String::as_str).collect();
            write!(f, " --without {}", names.join(","))?;
        }
        Ok(())
    }
}

/// The names of all faults that can be left out of a run.
pub fn fault_names() -> impl Iterator<Item = &'static str> {
    FAULTS.iter().map(|(name, _)| *name)
}
