//! Events as writers hand them in.

use serde_json::json;

use super::dice::Dice;

/// The root that most rows write to.
pub(super) const ROOT: &str = "shipment";

/// How many aggregates a maker spreads its events over.
const AGGREGATES: u64 = 60;

/// What is told apart of an event: a hash of what its writer said.
pub(super) type Said = [u8; 16];

/// An event that is to be written.
#[derive(Clone, Debug)]
pub(super) struct NewEvent {
    pub(super) root: String,
    pub(super) aggregate: String,
    pub(super) kind: String,
    /// JSON text, with a `serial` that no other event has.
    pub(super) data: String,
    pub(super) occurred_at: Option<String>,
    pub(super) key: Option<String>,
    /// Ids of events that it takes back.
    pub(super) voids: Vec<String>,
}

impl NewEvent {
    /// The event as a line of NDJSON. Its data stands as it is, so that it can be compared byte for
    /// byte with what comes back.
    pub(super) fn line(&self) -> String {
        let mut line = json!({
            "root": self.root,
            "aggregate_id": self.aggregate,
            "type": self.kind,
        });
        if let Some(occurred_at) = &self.occurred_at {
            line["occurred_at"] = json!(occurred_at);
        }
        if let Some(key) = &self.key {
            line["idempotency_key"] = json!(key);
        }
        if !self.voids.is_empty() {
            line["voids"] = json!(self.voids);
        }
        let line = line.to_string();
        format!("{},\"data\":{}}}", line.trim_end_matches('}'), self.data)
    }

    pub(super) fn said(&self) -> Said {
        said(&self.aggregate, &self.kind, &self.data)
    }
}

/// The hash of what a writer said.
pub(super) fn said(aggregate: &str, kind: &str, data: &str) -> Said {
    let mut hasher = blake3::Hasher::new();
    for text in [aggregate, kind, data] {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }
    first_half(hasher.finalize())
}

pub(super) fn first_half(hash: blake3::Hash) -> Said {
    let mut half = [0; 16];
    half.copy_from_slice(&hash.as_bytes()[..16]);
    half
}

/// Lines of NDJSON.
pub(super) fn lines(events: &[NewEvent]) -> String {
    events.iter().map(|event| event.line() + "\n").collect()
}

/// Makes events under serials that nobody else gives.
pub(super) struct Maker {
    name: String,
    dice: Dice,
    made: u64,
}

impl Maker {
    pub(super) fn new(name: &str, dice: Dice) -> Self {
        Self { name: name.to_owned(), dice, made: 0 }
    }

    /// An event with about so many bytes of data.
    pub(super) fn event(&mut self, bytes: u64) -> NewEvent {
        self.made += 1;
        let serial = format!("{}-{}", self.name, self.made);
        let field = self.dice.within(0..12);
        let filler = self.dice.text(bytes);
        let data =
            format!(r#"{{"serial":"{serial}","f{field}":{},"filler":"{filler}"}}"#, self.made);
        NewEvent {
            root: ROOT.to_owned(),
            aggregate: format!("A-{}", self.dice.within(0..AGGREGATES)),
            kind: "Scanned".to_owned(),
            data,
            occurred_at: None,
            key: None,
            voids: Vec::new(),
        }
    }

    /// Events of up to so many bytes of data each.
    pub(super) fn events(&mut self, count: usize, bytes_max: u64) -> Vec<NewEvent> {
        let sizes: Vec<_> = (0..count).map(|_| self.dice.within(0..bytes_max + 1)).collect();
        sizes.into_iter().map(|bytes| self.event(bytes)).collect()
    }

    /// Few events that are large, and together above the bound of any body or page.
    pub(super) fn above_the_bound(&mut self) -> Vec<NewEvent> {
        (0..BIG_COUNT).map(|_| self.event(BIG_BYTES)).collect()
    }
}

/// What a server takes in one body, in bytes.
pub(super) const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Data of an event near its bound of 1 MiB.
const BIG_BYTES: u64 = 1_000_000;
const BIG_COUNT: u64 = 18;
const _: () = assert!(BIG_COUNT * BIG_BYTES > BODY_BYTES_MAX);
