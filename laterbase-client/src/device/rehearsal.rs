//! Finding out what a write would do.

use std::borrow::Borrow;
use std::collections::BTreeSet;

use laterbase_core::PreparedBatch;

use super::{Device, TogetherError};
use crate::handover::other_refusals;

impl Device {
    /// Says what [`Self::record_together`] would do, and does nothing: for each batch, which of its
    /// events would be new. Those replayed by their idempotency key would not.
    ///
    /// # Errors
    /// [`TogetherError`], as for the write itself.
    pub fn rehearse<B: Borrow<PreparedBatch>>(
        &self,
        batches: &[B],
    ) -> Result<Vec<Vec<bool>>, TogetherError> {
        let mut replica = self.writer();
        let mut would_be_new = Vec::with_capacity(batches.len());
        // What is staged of one batch is seen by the next, and by no reader.
        let mut seen = BTreeSet::new();
        for (index, batch) in batches.iter().map(Borrow::borrow).enumerate() {
            let held = self.reader.held_seq(batch.root(), self.id());
            match replica.stage_append(batch, self.now_nanos()) {
                Ok(appended) => would_be_new.push(
                    appended
                        .dots
                        .iter()
                        .map(|dot| {
                            let is_own = dot.origin == self.id() && dot.seq > held;
                            is_own && seen.insert((batch.root().clone(), *dot))
                        })
                        .collect(),
                ),
                Err(source) => {
                    let (rest, now) = (&batches[index..], self.now_nanos());
                    let others = other_refusals(&replica, rest, &source, now);
                    let others = others.map(|(behind, error)| (index + behind, error)).collect();
                    replica.abandon();
                    return Err(TogetherError { batch: Some(index), source, others });
                }
            }
        }
        replica.abandon();
        Ok(would_be_new)
    }
}
