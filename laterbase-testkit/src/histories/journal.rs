//! A fold whose state is the list of the events that it was given.

use laterbase_core::event::{Event, Record};
use laterbase_core::fold::{Applied, Fold, FoldError, FoldState, Refusal};
use laterbase_core::snapshot::SnapshotPolicy;

/// Writes down the ids of the events it folds, behind its own version.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) version: u32,
}

/// The ids that a state lists.
pub(super) fn dots(state: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(state).expect("JSON is text");
    let list = text.trim_start_matches('[').trim_end_matches(']');
    let quoted = list.split(',').skip(1);
    quoted.map(|dot| dot.trim_matches('"').to_owned()).collect()
}

/// The version that wrote a state.
pub(super) fn version(state: &[u8]) -> u32 {
    let text = std::str::from_utf8(state).expect("JSON is text");
    let first = text.trim_start_matches('[').trim_end_matches(']').split(',').next();
    first.and_then(|first| first.parse().ok()).expect("a journal starts with its version")
}

impl Fold for Journal {
    fn name(&self) -> &'static str {
        "journal"
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn validate(&self, _: &Record<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn snapshots(&self) -> SnapshotPolicy {
        SnapshotPolicy::Events(2)
    }

    fn start(&self) -> Box<dyn FoldState> {
        Box::new(Entries { version: self.version, text: format!("[{}", self.version) })
    }

    fn resume(&self, json: &[u8]) -> Result<Box<dyn FoldState>, FoldError> {
        let text = std::str::from_utf8(json).map_err(|_not_utf8| FoldError::from("not text"))?;
        let text = text.strip_suffix(']').ok_or("not a list")?.to_owned();
        // A snapshot of another version would give a wrong answer without this being noticed.
        assert!(text.starts_with(&format!("[{}", self.version)), "a snapshot of another version");
        Ok(Box::new(Entries { version: self.version, text }))
    }
}

struct Entries {
    version: u32,
    text: String,
}

impl FoldState for Entries {
    fn apply(&mut self, event: &Event<'_>) -> Result<Applied, FoldError> {
        if event.record.data == b"\"no\"" {
            return Ok(Applied::Refused(format!("refused by {}", self.version).into()));
        }
        self.text.push_str(&format!(",\"{}\"", event.dot));
        Ok(Applied::Folded)
    }

    fn to_json(&self) -> Result<Vec<u8>, FoldError> {
        Ok(format!("{}]", self.text).into_bytes())
    }
}
