//! What has happened, what happens, and what follows.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::time::Duration;

use laterbase_core::Place;
use laterbase_core::event::{Event, Record};
use laterbase_core::fold::{Aggregate, Folds, Typed, check_snapshots};
use laterbase_core::id::RootName;
use laterbase_core::limits::BATCH_EVENTS_MAX;
use laterbase_core::typed::{AggregateAt, Append, AppendError, At, Fact};
use serde::Serialize;

use super::TestReplica;

/// The aggregate that a scenario is about.
const ID: &str = "tested";
const KIND: &str = "tested";

/// One aggregate, and what has happened to it.
#[derive(Debug)]
pub struct Scenario<A> {
    replica: TestReplica,
    root: RootName,
    /// Why the last events were refused, if they were and nobody has asked.
    refused: Option<AppendError>,
    aggregate: PhantomData<fn() -> A>,
}

/// Begins with events that have happened, one after the other, a second apart from
/// `2024-01-01T00:00:00Z` on. A [`Fact`] may say another time. The second type is the items', which
/// is left to be found out: `given::<Shipment, _>([…])`.
///
/// # Panics
/// If one of them is refused, or the aggregate cannot be registered.
#[must_use = "nothing is checked before something is said to follow"]
#[track_caller]
pub fn given<A, F>(events: impl IntoIterator<Item = F>) -> Scenario<A>
where
    A: Aggregate<Event: Serialize>,
    F: Into<Fact<A::Event>>,
{
    let folds = match Folds::new().aggregate::<A>(KIND) {
        Ok(folds) => folds,
        Err(error) => panic!("{error}"),
    };
    let root = RootName::new(KIND).expect("a name of a root");
    let replica = TestReplica::new("test", &folds);
    let scenario = Scenario { replica, root, refused: None, aggregate: PhantomData };
    for event in events {
        if let Err(error) = scenario.append([event]) {
            panic!("what is given is refused: {error}");
        }
    }
    scenario
}

impl<A: Aggregate<Event: Serialize>> Scenario<A> {
    /// Lets events happen together, whole or not at all.
    ///
    /// # Panics
    /// If events before were refused, and nobody has said so.
    #[must_use = "nothing is checked before something is said to follow"]
    #[track_caller]
    pub fn when<F: Into<Fact<A::Event>>>(mut self, events: impl IntoIterator<Item = F>) -> Self {
        self.check_not_refused();
        self.refused = self.append(events).err();
        self
    }

    /// Sets the clock to an RFC 3339 time: events that say nothing else happen then.
    ///
    /// # Panics
    /// If it is none.
    #[must_use = "nothing is checked before something is said to follow"]
    #[track_caller]
    pub fn clock(self, time: &str) -> Self {
        self.replica.set_clock(time);
        self
    }

    /// The state that follows. It is also checked that no snapshot, wherever it were taken, would
    /// change it.
    ///
    /// # Panics
    /// If it is another one, or the events were refused.
    #[track_caller]
    pub fn then_state(self, expected: &A) -> Self
    where
        A: PartialEq + Debug,
    {
        self.then_state_at(At::now(), expected)
    }

    /// The state as it was at some time.
    ///
    /// # Panics
    /// As for [`Self::then_state`].
    #[track_caller]
    pub fn then_state_at(self, at: At, expected: &A) -> Self
    where
        A: PartialEq + Debug,
    {
        assert_eq!(self.state(at), *expected);
        self
    }

    /// Hands the state that follows to a check.
    ///
    /// # Panics
    /// If the check does, or the events were refused.
    #[track_caller]
    pub fn then(self, check: impl FnOnce(&A)) -> Self {
        check(&self.state(At::now()));
        self
    }

    /// The last events were refused, for a reason that has this in it.
    ///
    /// # Panics
    /// If they were taken, or refused for another reason.
    #[track_caller]
    pub fn then_refused(mut self, reason: &str) -> Self {
        match self.refused.take().map(|error| error.to_string()) {
            None => panic!("the events were taken, and not refused for {reason:?}"),
            Some(error) if !error.contains(reason) => {
                panic!("the events were refused for {error:?}, and not for {reason:?}")
            }
            Some(_) => self,
        }
    }

    fn append<F: Into<Fact<A::Event>>>(
        &self,
        events: impl IntoIterator<Item = F>,
    ) -> Result<(), AppendError> {
        let append = Append::<A>::to(&self.root, ID);
        let append = events.into_iter().fold(append, Append::event);
        self.replica.append(&append)?;
        self.replica.advance_clock(Duration::from_secs(1));
        Ok(())
    }

    #[track_caller]
    fn state(&self, at: At) -> A {
        self.check_not_refused();
        self.check_snapshots();
        match self.replica.aggregate::<A>(&self.root, ID, at) {
            Ok(found) => found.map_or_else(A::default, |AggregateAt { state, .. }| state),
            Err(error) => panic!("there is no state: {error}"),
        }
    }

    #[track_caller]
    fn check_not_refused(&self) {
        if let Some(error) = &self.refused {
            panic!("the events were refused: {error}");
        }
    }

    #[track_caller]
    fn check_snapshots(&self) {
        let mut kept = Vec::new();
        let visit = &mut |event: &Event<'_>| {
            if event.voided_by.is_empty() {
                let mut bytes = Vec::new();
                event.record.encode(&mut bytes);
                kept.push(bytes);
            }
            ControlFlow::Continue(())
        };
        let (reader, query) = (self.replica.reader(), At::now().query(A::NAME));
        let mut after = Some(Place::START);
        while after.is_some() {
            let page =
                reader.aggregate_events(&self.root, ID, after, BATCH_EVENTS_MAX, &query, visit);
            after = page.expect("a store in memory does not fail").next;
        }
        let records: Vec<Record<'_>> = kept
            .iter()
            .map(|bytes| Record::decode(bytes).expect("a record that is kept is one"))
            .collect();
        let fold = Typed::<A>::new().expect("it was registered");
        if let Err(drift) = check_snapshots(&fold, &records) {
            panic!("{drift}");
        }
    }
}
