//! Which snapshots some events of their aggregate make wrong.

use super::Rung;
use crate::keys::Place;

/// Events of one aggregate, to ask which snapshots have not seen one that they should have seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overtaking {
    /// Rising places, each with the last arrival position of the events up to there.
    steps: Vec<(Place, u64)>,
}

impl Overtaking {
    /// Of places that rise, with their arrival positions.
    pub(crate) fn of(events: impl IntoIterator<Item = (Place, u64)>) -> Self {
        let mut steps: Vec<(Place, u64)> = Vec::new();
        for (place, position) in events {
            if steps.last().is_none_or(|(_, last)| position > *last) {
                steps.push((place, position));
            }
        }
        Self { steps }
    }

    /// Whether one of the events lies at or before the snapshot's place, and arrived behind what
    /// it has seen.
    pub(crate) fn hits(&self, rung: &Rung) -> bool {
        let behind = self.steps.partition_point(|(place, _)| *place <= rung.place);
        behind.checked_sub(1).is_some_and(|last| self.steps[last].1 > rung.position)
    }

    /// The first place of an event that arrived behind a position.
    pub(crate) fn first_after(&self, position: u64) -> Option<Place> {
        // The positions rise too, so the first such event is a step.
        let first = self.steps.partition_point(|(_, last)| *last <= position);
        self.steps.get(first).map(|(place, _)| *place)
    }
}
