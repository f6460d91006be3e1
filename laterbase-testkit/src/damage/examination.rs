//! What is found of one damaged store.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use laterbase_core::delta::Delta;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::store::{Scan, Store, StoreError, Table};
use laterbase_core::verify::{Salvaged, salvage, verify};

use super::answers::Answers;
use super::{Damageable, moments, specimen};

/// What came of a damage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The store did not open, or could not be read, and the error says so.
    Refused,
    /// It opened, and the check found faults.
    Faults,
    /// Nothing was found, and all answers are as before.
    Same,
    /// Nothing was found; the newest commits are gone, and the answers are those of before them.
    Earlier,
    /// Some answers are errors, the others as before.
    Errors,
    /// An answer is another one, and nothing says so.
    Wrong(String),
}

/// Examines a store as one does who suspects damage: the files, then the whole contents, and what
/// can be taken out. If nothing is found, every answer must be right.
pub(super) fn with_care<H: Damageable>(directory: &Path, sound: &Sound) -> Finding {
    let early = match H::check_files(directory) {
        Some(Err(_)) => Some(Finding::Refused),
        Some(Ok(report)) if !report.is_sound() => Some(Finding::Faults),
        Some(Ok(_)) | None => None,
    };
    if let Some(early) = early {
        let left = H::wreck(directory).map(|wreck| check_salvage(&*wreck, sound));
        return left.and_then(Result::err).map_or(early, Finding::Wrong);
    }
    let harness = H::at(directory).expect("the backend has directories");
    let Ok(store) = harness.open() else { return Finding::Refused };
    let report = verify(&store, &mut |_, _| {});
    if let Err(difference) = check_salvage(&store, sound) {
        return Finding::Wrong(difference);
    }
    match report {
        Err(_) => Finding::Refused,
        Ok(report) if !report.is_sound() => Finding::Faults,
        Ok(_) => {
            let moment = moments::print_of(&store);
            match answers(Arc::new(store)) {
                Err(error) => Finding::Wrong(format!("sound, but does not open: {error}")),
                Ok(answers) => judge(sound, &answers, moment),
            }
        }
    }
}

fn judge(sound: &Sound, answers: &Answers, moment: Option<u64>) -> Finding {
    if let Some(error) = answers.errors().first() {
        return Finding::Wrong(format!("sound, but {error}"));
    }
    let contradictions = sound.answers.contradictions(answers);
    match contradictions.first() {
        None => Finding::Same,
        Some(_) if moment != sound.moment && moments::was_once(moment) => Finding::Earlier,
        Some(first) => Finding::Wrong(format!("{} answers, {first}", contradictions.len())),
    }
}

/// Opens a store and reads it, as one does who suspects nothing.
pub(super) fn without_care<H: Damageable>(directory: &Path, sound: &Sound) -> Finding {
    let harness = H::at(directory).expect("the backend has directories");
    let Ok(store) = harness.open() else { return Finding::Refused };
    let moment = moments::print_of(&store);
    let Ok(answers) = answers(Arc::new(store)) else { return Finding::Refused };
    let contradictions = sound.answers.contradictions(&answers);
    match contradictions.first() {
        Some(_) if answers.tells_damage => Finding::Errors,
        Some(_) if moment != sound.moment && moments::was_once(moment) => Finding::Earlier,
        Some(first) => Finding::Wrong(format!("{} answers, {first}", contradictions.len())),
        None if answers.errors().is_empty() => Finding::Same,
        None => Finding::Errors,
    }
}

fn answers(store: Arc<dyn Store>) -> Result<Answers, String> {
    let mut replica = specimen::open(store, 1).map_err(|error| error.to_string())?;
    Ok(Answers::of(&mut replica))
}

/// (root, origin, seq) → stamp and record.
type Events = BTreeMap<(RootName, ReplicaId, u64), Vec<u8>>;

/// What the store held before it was damaged.
pub(super) struct Sound {
    answers: Answers,
    /// The print of the truth.
    moment: Option<u64>,
    events: Events,
    /// The log's entries by their positions, and what names roots and origins.
    log: Vec<Vec<u8>>,
    meta: Vec<Vec<u8>>,
}

impl Sound {
    /// Reads a store that is not damaged.
    pub(super) fn read<H: Damageable>(directory: &Path) -> Self {
        let harness = H::at(directory).expect("the backend has directories");
        let store = harness.open().expect("the store opens");
        let report = verify(&store, &mut |_, _| {}).expect("the store can be read");
        assert!(report.is_sound(), "the specimen is not sound: {:?}", report.faults);
        let (events, salvaged) = salvaged(&store).expect("the store can be read");
        assert!(salvaged.is_whole(), "{salvaged:?}");
        let log = values(&store, Table::Log).expect("the store can be read");
        let meta = values(&store, Table::Meta).expect("the store can be read");
        let moment = moments::print_of(&store);
        let answers = answers(Arc::new(store)).expect("the store opens");
        assert!(answers.errors().is_empty(), "{:?}", answers.errors());
        assert_eq!(events.len(), log.len());
        Self { answers, moment, events, log, meta }
    }
}

fn values(store: &dyn Store, table: Table) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut values = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        values.push([key, value].concat());
        ControlFlow::Continue(())
    };
    store.snapshot()?.scan(Scan::all(table), &mut visit)?;
    Ok(values)
}

/// Salvage gives nothing that was not there, and all that is whole up to the first damage of each
/// origin.
fn check_salvage(store: &dyn Store, sound: &Sound) -> Result<(), String> {
    let (events, salvaged) = salvaged(store).map_err(|error| format!("salvage: {error}"))?;
    if let Some((event, _)) = events.iter().find(|(id, bytes)| sound.events.get(*id) != Some(bytes))
    {
        return Err(format!("salvage gives another event as {event:?}"));
    }
    if values(store, Table::Meta).ok().as_ref() != Some(&sound.meta) {
        // Without names, whole entries are of no use.
        return Ok(());
    }
    let expected = sound.whole_entries(store);
    if events.len() != expected {
        let found = events.len();
        return Err(format!("salvage gives {found} of {expected} events: {salvaged:?}"));
    }
    Ok(())
}

impl Sound {
    /// How many events of all origins can be had, up to the first one of each that cannot.
    fn whole_entries(&self, store: &dyn Store) -> usize {
        let snapshot = store.snapshot().expect("the store is open");
        let mut ended = BTreeSet::new();
        let mut whole = 0;
        for (key, value) in self.log.iter().map(|entry| entry.split_at(8)) {
            // Root and origin number stand behind the checksum.
            let place = value[4..12].to_vec();
            let read = snapshot.get(Table::Log, key);
            if read.is_ok_and(|read| read.as_deref() == Some(value)) && !ended.contains(&place) {
                whole += 1;
            } else {
                ended.insert(place);
            }
        }
        whole
    }
}

fn salvaged(store: &dyn Store) -> Result<(Events, Salvaged), StoreError> {
    let mut pages = Vec::new();
    let mut take = |page: &[u8], _: usize| {
        pages.push(page.to_vec());
        Ok::<_, StoreError>(())
    };
    let salvaged = salvage(store, &|_| true, &mut take, &mut |_, _| {})?;
    let mut events = Events::new();
    for page in &pages {
        let delta = Delta::decode(page).expect("what salvage gives is well-formed");
        for run in &delta.runs {
            for (seq, event) in (run.first_seq..).zip(&run.events) {
                let stamp = event.recorded.to_bits().to_be_bytes();
                let bytes = [&stamp, event.record].concat();
                events.insert((run.root.clone(), run.origin, seq), bytes);
            }
        }
    }
    Ok((events, salvaged))
}
