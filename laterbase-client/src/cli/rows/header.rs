//! The names of a table's columns.

use anyhow::bail;

use super::mapping::shorten;
use super::row::Row;
use crate::cli::nearest::Nearest;

/// Most columns that a message lists.
const LISTED_MAX: usize = 30;

/// The first row, without the space around its names.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    names: Vec<String>,
}

impl Header {
    pub(crate) fn new(first: &Row) -> Self {
        Self { names: first.cells().map(|cell| cell.text.trim().to_owned()).collect() }
    }

    /// How many columns there are, with or without a name.
    pub(crate) const fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn name(&self, column: usize) -> &str {
        self.names.get(column).map_or("", String::as_str)
    }

    /// The columns that have a name.
    pub(crate) fn named(&self) -> impl Iterator<Item = usize> {
        (0..self.names.len()).filter(|column| !self.names[*column].is_empty())
    }

    /// The columns that have none.
    pub(crate) fn unnamed(&self) -> impl Iterator<Item = usize> {
        (0..self.names.len()).filter(|column| self.names[*column].is_empty())
    }

    /// The column of a name that somebody gave, or else of one that is there by chance.
    pub(crate) fn find_or(
        &self,
        given: Option<&str>,
        usual: &str,
    ) -> anyhow::Result<Option<usize>> {
        match given {
            Some(name) => self.find(name).map(Some),
            None if self.names.iter().any(|name| name == usual) => self.find(usual).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn find_all(&self, names: &[String]) -> anyhow::Result<Vec<usize>> {
        names.iter().map(|name| self.find(name)).collect()
    }

    /// The column of a name.
    pub(crate) fn find(&self, name: &str) -> anyhow::Result<usize> {
        let name = name.trim();
        let exact = self.names.iter().position(|known| known == name && !name.is_empty());
        let Some(column) = exact else {
            let meant = self.nearest(name).map(|known| format!("; did you mean {known:?}?"));
            let name = shorten(name);
            bail!("there is no column {name:?}{}", meant.unwrap_or_else(|| self.are()));
        };
        self.check_unique(column)?;
        Ok(column)
    }

    /// Fails if another column has the same name: nobody could tell which one is meant.
    pub(crate) fn check_unique(&self, column: usize) -> anyhow::Result<()> {
        let name = self.name(column);
        let mut same = (0..self.names.len()).filter(|other| self.names[*other] == name);
        if let (Some(first), Some(second)) = (same.next(), same.next()) {
            let name = shorten(name);
            bail!(
                "the columns {} and {} are both named {name:?}; rename one, or choose others by \
                 --columns",
                first + 1,
                second + 1
            );
        }
        Ok(())
    }

    /// All names, for a message.
    pub(crate) fn list(&self) -> String {
        let names: Vec<String> = self
            .named()
            .take(LISTED_MAX)
            .map(|column| format!("{:?}", shorten(self.name(column))))
            .collect();
        let rest = self.named().count() - names.len();
        let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        format!("{}{rest}", names.join(", "))
    }

    fn are(&self) -> String {
        format!("; there are {}", self.list())
    }

    fn nearest(&self, name: &str) -> Option<String> {
        let mut nearest = Nearest::new(name);
        self.named().for_each(|column| nearest.offer(self.name(column)));
        nearest.found()
    }
}
