//! Forks at a server: listed, and decided.

use laterbase_core::fork::Keep;
use laterbase_core::id::{ReplicaId, RootName};
use serde::{Deserialize, Serialize};

use super::exchange::Call;
use super::{Client, ClientError, cursor_query, decode};
use crate::transport::Transport;

/// A page of a server's forks, in the order of root and origin.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ForksPage {
    /// The forks.
    pub forks: Vec<ServerFork>,
    /// What to ask the next page with; nothing if this is the last one.
    pub next: Option<String>,
}

/// An origin of which a server has two histories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFork {
    /// The root.
    pub root: String,
    /// Whose history.
    pub origin: String,
    /// The first event that differs, or the first one known to differ.
    pub seq: u64,
    /// Whether the histories are known to be equal before it.
    pub located: bool,
    /// Events of the branch that the server holds, from there on.
    pub ours: u64,
    /// Events of other branches that it has in quarantine.
    pub theirs: u64,
    /// These branches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<ServerBranch>,
}

/// A branch in quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ServerBranch {
    /// Its first event's seq.
    pub seq: u64,
    /// How many of its events are there.
    pub events: u64,
    /// The id that it would move to, and that [`Keep::Branch`] names it by.
    pub into: String,
}

/// What a server did to decide a fork.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Decided {
    /// How many events have another id now, or are in the event set for the first time.
    pub moved: u64,
    /// The ids that the branches moved to.
    pub into: Vec<String>,
}

impl<T: Transport> Client<T> {
    /// Reads a page of the server's forks, those after the place that the page before named.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn forks(&self, after: Option<&str>, limit: usize) -> Result<ForksPage, ClientError> {
        let query = cursor_query(after, limit);
        decode(&self.exchange.call(Call::get(&["forks"], &query)).await?)
    }

    /// Decides a fork at the server: which history of an origin keeps the ids.
    ///
    /// # Errors
    /// [`ClientError::Problem`] if there is no such fork, or it is not known yet where the
    /// histories part.
    pub async fn resolve(
        &self,
        root: &RootName,
        origin: ReplicaId,
        keep: Keep,
    ) -> Result<Decided, ClientError> {
        let body = match keep {
            Keep::Ours => r#"{"keep":"ours"}"#.to_owned(),
            Keep::Theirs => r#"{"keep":"theirs"}"#.to_owned(),
            Keep::Branch(branch) => format!(r#"{{"keep":"theirs","branch":"{branch}"}}"#),
        };
        let origin = origin.to_string();
        let segments = ["forks", root.as_str(), &origin];
        let call = Call::post(&segments, "application/json", body.into());
        decode(&self.exchange.call(call).await?)
    }
}
