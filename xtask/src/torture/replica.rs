//! What every replica is asked, be it a device or a server.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::held::{Held, Ledger, check_alike};

/// A store with a process around it.
pub(super) trait Replica {
    fn name(&self) -> &str;

    /// All events of a root.
    fn held(&self, root: &str) -> Result<Held>;

    fn status(&self) -> Result<Status>;

    /// An aggregate as it is folded; `question` is what else is asked, such as
    /// `occurred_until=2024-03-01T00:00:00Z`.
    fn state(&self, root: &str, aggregate: &str, question: Option<(&str, &str)>) -> Result<State>;
}

/// A state, and the tag that is equal where the same events went into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) value: Value,
    pub(super) etag: String,
    /// Events that were left out, as they were refused or cannot be read.
    pub(super) refused: u64,
}

/// What a replica says of itself.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Status {
    /// The id under which it writes.
    pub(super) replica: String,
    roots: std::collections::BTreeMap<String, Root>,
    /// Events with a stamp too far ahead.
    pub(super) clock_suspect: Option<u64>,
    /// Seconds by which the next stamp is ahead of the wall clock.
    pub(super) clock_ahead: Option<u64>,
    held_back: Vec<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Root {
    digest: String,
    #[serde(default)]
    pending: u64,
}

impl Status {
    fn root(&self, root: &str) -> Root {
        self.roots.get(root).cloned().unwrap_or_default()
    }

    pub(super) fn digest(&self, root: &str) -> String {
        self.root(root).digest
    }

    /// Own events that nobody else is known to hold.
    pub(super) fn pending(&self, root: &str) -> u64 {
        self.root(root).pending
    }

    /// Whether an origin is held back because a record of it cannot be read.
    pub(super) fn tells_damage(&self) -> bool {
        self.held_back.iter().any(|held| held["reason"] == "damaged")
    }
}

/// An error unless every replica holds exactly the acknowledged events, all tell the same of each,
/// and their digests are equal.
pub(super) fn check_everywhere(
    ledger: &Ledger,
    root: &str,
    replicas: &[&dyn Replica],
) -> Result<()> {
    let (mut complaints, mut helds, mut digests) = (Vec::new(), Vec::new(), Vec::new());
    for replica in replicas {
        let held = replica.held(root).with_context(|| replica.name().to_owned())?;
        complaints.extend(ledger.check(replica.name(), &held).err().map(|error| error.to_string()));
        helds.push((replica.name(), held));
        digests.push(replica.status()?.digest(root));
    }
    if !complaints.is_empty() {
        bail!("{}", complaints.join("; "));
    }
    check_alike(&helds)?;
    let differs = digests.iter().position(|digest| *digest != digests[0]);
    if let Some(index) = differs {
        bail!("{} has the same events and another digest", replicas[index].name());
    }
    Ok(())
}

/// An error unless all replicas fold an aggregate to one state with one tag. Returns it.
pub(super) fn check_states(
    root: &str,
    aggregate: &str,
    question: Option<(&str, &str)>,
    replicas: &[&dyn Replica],
) -> Result<State> {
    let first = replicas.first().context("no replica to ask")?;
    let expected = first.state(root, aggregate, question)?;
    for replica in &replicas[1..] {
        let found = replica.state(root, aggregate, question)?;
        ensure!(
            found == expected,
            "{aggregate} is {} ({}) at {}, and {} ({}) at {}",
            brief(&found.value),
            found.etag,
            replica.name(),
            brief(&expected.value),
            expected.etag,
            first.name()
        );
    }
    Ok(expected)
}

pub(super) fn brief(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}
