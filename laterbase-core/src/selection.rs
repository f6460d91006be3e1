//! Which roots a replica takes.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::id::RootName;
use crate::limits::SELECTION_ENTRIES_MAX;

/// Ends an entry that stands for every partition of a name.
pub const ANY_PARTITION: &str = "@*";

/// Which roots a replica takes, as a text of entries with commas between them.
///
/// An entry is the name of a root (`shipment`, `shipment@depot-7`), or `shipment@*`: every
/// partition of `shipment`, and not `shipment` itself. The empty text takes all roots.
///
/// Invariant: no name in `roots` is a partition of a name in `partitioned`, so two selections
/// are equal exactly when their texts are, and then they take the same roots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RootSelection {
    /// Roots by their whole name.
    roots: BTreeSet<RootName>,
    /// Names of which all partitions are taken.
    partitioned: BTreeSet<RootName>,
}

impl RootSelection {
    /// Takes every root.
    pub const fn all() -> Self {
        Self { roots: BTreeSet::new(), partitioned: BTreeSet::new() }
    }

    /// Reads entries, in any order.
    ///
    /// # Errors
    /// [`SelectionError`].
    pub fn from_entries<'a>(
        entries: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, SelectionError> {
        let mut selection = Self::all();
        for (index, entry) in entries.into_iter().enumerate() {
            if index == SELECTION_ENTRIES_MAX {
                return Err(SelectionError::TooMany);
            }
            selection.add(entry)?;
        }
        let Self { roots, partitioned } = &mut selection;
        roots.retain(|root| !(is_partition(root) && partitioned.contains(root.kind())));
        Ok(selection)
    }

    fn add(&mut self, entry: &str) -> Result<(), SelectionError> {
        let bad = || SelectionError::Entry { entry: entry.chars().take(120).collect() };
        match entry.strip_suffix(ANY_PARTITION) {
            Some(name) => {
                let name = RootName::new(name).map_err(|_bad_name| bad())?;
                if is_partition(&name) {
                    return Err(bad());
                }
                self.partitioned.insert(name);
            }
            None => {
                self.roots.insert(RootName::new(entry).map_err(|_bad_name| bad())?);
            }
        }
        Ok(())
    }

    /// Whether every root is taken.
    pub fn is_all(&self) -> bool {
        self.roots.is_empty() && self.partitioned.is_empty()
    }

    /// Whether a root is taken.
    pub fn takes(&self, root: &RootName) -> bool {
        self.is_all()
            || self.roots.contains(root)
            || (is_partition(root) && self.partitioned.contains(root.kind()))
    }

    /// The entries, in the order of their texts, none twice.
    pub fn entries(&self) -> Vec<String> {
        let roots = self.roots.iter().map(ToString::to_string);
        let partitioned = self.partitioned.iter().map(|name| format!("{name}{ANY_PARTITION}"));
        let mut entries: Vec<String> = roots.chain(partitioned).collect();
        entries.sort_unstable();
        entries
    }
}

fn is_partition(root: &RootName) -> bool {
    root.kind().len() < root.as_str().len()
}

/// The entries in order, with commas between them; empty for all roots.
impl fmt::Display for RootSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.entries().join(","))
    }
}

impl FromStr for RootSelection {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, SelectionError> {
        if text.is_empty() { Ok(Self::all()) } else { Self::from_entries(text.split(',')) }
    }
}

/// Text that selects no roots. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// More entries than [`SELECTION_ENTRIES_MAX`].
    #[error("a selection of roots has at most {SELECTION_ENTRIES_MAX} entries")]
    TooMany,
    /// Neither a root nor `name@*`.
    #[error("\"{entry}\" is neither the name of a root nor a name and \"@*\"")]
    Entry {
        /// The entry, or its first 120 characters.
        entry: String,
    },
}

#[cfg(test)]
mod tests;
