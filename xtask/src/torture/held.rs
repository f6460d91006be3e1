//! What replicas hold, beside what writers were told.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::events::{NewEvent, Said, first_half, said};

/// How many ids of each kind are named when two sets differ.
const NAMED_MAX: usize = 3;

/// An event as a replica tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// What its writer said.
    pub(super) said: Said,
    /// All that is told of it but who takes it back.
    whole: Said,
    pub(super) occurred_at: String,
    pub(super) recorded_at: String,
    /// The stamp of its recording, as text that sorts.
    pub(super) stamp: String,
}

/// The events that a replica holds, by id.
#[derive(Clone, Debug, Default)]
pub(super) struct Held(pub(super) BTreeMap<String, Content>);

impl Held {
    /// Takes in events, one a line; an error if one of them is there already.
    pub(super) fn take(&mut self, lines: &str) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        for line in lines.lines().filter(|line| !line.is_empty()) {
            let (id, content) = content(line)?;
            ensure!(self.0.insert(id.clone(), content).is_none(), "{id} came twice");
            ids.push(id);
        }
        Ok(ids)
    }

    pub(super) fn of(lines: &str) -> Result<Self> {
        let mut held = Self::default();
        held.take(lines)?;
        Ok(held)
    }

    pub(super) fn ids(&self) -> BTreeSet<String> {
        self.0.keys().cloned().collect()
    }

    pub(super) fn said(&self) -> BTreeSet<Said> {
        self.0.values().map(|content| content.said).collect()
    }
}

fn content(line: &str) -> Result<(String, Content)> {
    #[derive(Deserialize)]
    struct Line<'l> {
        id: String,
        aggregate_id: String,
        r#type: String,
        occurred_at: String,
        recorded_at: String,
        hlc: String,
        #[serde(borrow)]
        data: Option<&'l RawValue>,
    }

    let told: Line<'_> = serde_json::from_str(line)
        .with_context(|| format!("no event: {}", line.chars().take(200).collect::<String>()))?;
    // Members are sorted in it: a store may tell them in any order.
    let mut whole: serde_json::Value = serde_json::from_str(line)?;
    whole.as_object_mut().context("an event is an object")?.remove("voided_by");
    let data = told.data.map_or("", RawValue::get);
    let content = Content {
        said: said(&told.aggregate_id, &told.r#type, data),
        whole: first_half(blake3::hash(whole.to_string().as_bytes())),
        occurred_at: told.occurred_at,
        recorded_at: told.recorded_at,
        stamp: told.hlc,
    };
    Ok((told.id, content))
}

/// What writers were told when their events were acknowledged.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger(BTreeMap<String, Said>);

impl Ledger {
    /// Notes acknowledged ids; an error if one of them was given to another event before.
    pub(super) fn note(&mut self, ids: &[String], events: &[NewEvent]) -> Result<()> {
        ensure!(ids.len() == events.len(), "{} ids for {} events", ids.len(), events.len());
        for (id, event) in ids.iter().zip(events) {
            let before = self.0.insert(id.clone(), event.said());
            ensure!(
                before.is_none_or(|before| before == event.said()),
                "{id} was given to two events"
            );
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, other: Self) -> Result<()> {
        for (id, said) in other.0 {
            ensure!(self.0.insert(id.clone(), said).is_none(), "{id} was given to two events");
        }
        Ok(())
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn ids(&self) -> BTreeSet<String> {
        self.0.keys().cloned().collect()
    }

    pub(super) fn said(&self) -> BTreeSet<Said> {
        self.0.values().copied().collect()
    }

    /// The id that this was acknowledged under.
    pub(super) fn id_of(&self, said: Said) -> Option<String> {
        self.0.iter().find(|(_, other)| **other == said).map(|(id, _)| id.clone())
    }

    /// The part of these ids.
    pub(super) fn only(&self, is_wanted: impl Fn(&str) -> bool) -> Self {
        let kept = self.0.iter().filter(|(id, _)| is_wanted(id));
        Self(kept.map(|(id, said)| (id.clone(), *said)).collect())
    }

    /// An error unless the replica holds exactly these events, each with the content that its writer
    /// handed in.
    pub(super) fn check(&self, name: &str, held: &Held) -> Result<()> {
        let complaints: Vec<_> = [
            complaint("lacks", self.0.keys().filter(|id| !held.0.contains_key(*id))),
            self.not_told(held),
            self.other_content(held),
        ]
        .into_iter()
        .flatten()
        .collect();
        if complaints.is_empty() {
            return Ok(());
        }
        bail!("{name}, which should hold {} events, {}", self.len(), complaints.join(", "))
    }

    /// An error if the replica holds anything else, or something with another content. It may lack
    /// some.
    pub(super) fn check_nothing_else(&self, name: &str, held: &Held) -> Result<()> {
        let complaints: Vec<_> =
            [self.not_told(held), self.other_content(held)].into_iter().flatten().collect();
        if complaints.is_empty() {
            return Ok(());
        }
        bail!("{name} {}", complaints.join(", "))
    }

    /// An error if the replica lacks one of these events. It may hold others.
    pub(super) fn check_all_there(&self, name: &str, held: &Held) -> Result<()> {
        let lacks = complaint("lacks", self.0.keys().filter(|id| !held.0.contains_key(*id)));
        match lacks.or_else(|| self.other_content(held)) {
            Some(complaint) => bail!("{name} {complaint}"),
            None => Ok(()),
        }
    }

    fn not_told(&self, held: &Held) -> Option<String> {
        let others = held.0.keys().filter(|id| !self.0.contains_key(*id));
        complaint("holds what no writer was told of:", others)
    }

    fn other_content(&self, held: &Held) -> Option<String> {
        let differ = held
            .0
            .iter()
            .filter(|(id, content)| self.0.get(*id).is_some_and(|said| *said != content.said));
        complaint("holds with another content:", differ.map(|(id, _)| id))
    }
}

/// An error unless the replicas tell the same of every event, to the last byte but for the order of
/// members.
pub(super) fn check_alike(replicas: &[(&str, Held)]) -> Result<()> {
    let Some(((first_name, first), others)) = replicas.split_first() else { return Ok(()) };
    for (name, held) in others {
        let differ = held.0.iter().filter(|(id, content)| {
            first.0.get(*id).is_some_and(|other| other.whole != content.whole)
        });
        if let Some(complaint) = complaint("differ in", differ.map(|(id, _)| id)) {
            bail!("{first_name} and {name} {complaint}");
        }
        check_ids(&format!("{name}, beside {first_name},"), &first.ids(), &held.ids())?;
    }
    Ok(())
}

/// An error unless two sets of ids are one.
pub(super) fn check_ids(
    name: &str,
    expected: &BTreeSet<String>,
    found: &BTreeSet<String>,
) -> Result<()> {
    let complaints: Vec<_> = [
        complaint("lacks", expected.difference(found)),
        complaint("has besides", found.difference(expected)),
    ]
    .into_iter()
    .flatten()
    .collect();
    if complaints.is_empty() {
        return Ok(());
    }
    bail!("{name} {}", complaints.join(", "))
}

/// How many there are, and the first of them, by origin and seq.
fn complaint<'i>(what: &str, ids: impl Iterator<Item = &'i String>) -> Option<String> {
    let mut ids: Vec<_> = ids.map(String::as_str).collect();
    ids.sort_by_cached_key(|id| {
        let (origin, seq) = id.rsplit_once('-').unwrap_or((id, ""));
        (origin, seq.parse::<u64>().ok(), *id)
    });
    let named = ids[..ids.len().min(NAMED_MAX)].join(" ");
    let more = if ids.len() > NAMED_MAX { " …" } else { "" };
    (!ids.is_empty()).then(|| format!("{what} {} ({named}{more})", ids.len()))
}

#[cfg(test)]
mod tests;
