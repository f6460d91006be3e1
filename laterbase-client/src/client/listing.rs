//! Aggregates of a root, or of all partitions of a name: all of them, and those that changed since.

use std::fmt;
use std::str::FromStr;

use laterbase_core::id::{IdError, RootName};
use laterbase_core::selection::ANY_PARTITION;

use super::exchange::Call;
use super::wire::{AggregatePage, ChangedPage};
use super::{Client, ClientError, cursor_query, decode};
use crate::transport::Transport;

/// Which roots are listed. Its text is the root's name, or `shipment@*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// One root.
    One(RootName),
    /// Every partition of this name, and not the root of the name itself.
    PartitionsOf(RootName),
}

impl From<&RootName> for Roots {
    fn from(root: &RootName) -> Self {
        Self::One(root.clone())
    }
}

impl fmt::Display for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(root) => root.fmt(f),
            Self::PartitionsOf(name) => write!(f, "{name}{ANY_PARTITION}"),
        }
    }
}

impl FromStr for Roots {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.strip_suffix(ANY_PARTITION) {
            Some(name) => RootName::new(name).map(Self::PartitionsOf),
            None => RootName::new(text).map(Self::One),
        }
    }
}

impl<T: Transport> Client<T> {
    /// Reads a page of aggregates, those after the place that the page before named.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn aggregates(
        &self,
        roots: impl Into<Roots>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<AggregatePage, ClientError> {
        let (roots, query) = (roots.into().to_string(), cursor_query(after, limit));
        decode(&self.exchange.call(Call::get(&["a", &roots], &query)).await?)
    }

    /// Reads a page of the aggregates that changed behind a cursor, each once, with their states as
    /// they are now. The first cursor is [`AggregatePage::changed_since`] of a listing's first page;
    /// each page gives the next one. Whoever takes in the listing and then page after page has all
    /// states.
    ///
    /// # Errors
    /// [`ClientError::Problem`] of the kind `cursor-gone` if the cursor is of another log: list all
    /// aggregates anew.
    pub async fn changed(
        &self,
        roots: impl Into<Roots>,
        since: &str,
        limit: usize,
    ) -> Result<ChangedPage, ClientError> {
        let query = [("changed_since", since.to_owned()), ("limit", limit.to_string())];
        let roots = roots.into().to_string();
        decode(&self.exchange.call(Call::get(&["a", &roots], &query)).await?)
    }
}
