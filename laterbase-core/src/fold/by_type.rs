//! `by-type`: what there is of each type of event.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::built_in::unreadable;
use super::{Applied, Fold, FoldError, FoldState, Refusal};
use crate::event::{Event, Record};
use crate::json::check_data;
use crate::time::format_time;

/// `by-type`: the state has, for each event type, how many there are (`count`), when the first and
/// the last of them in fold order happened (`first`, `last`, RFC 3339), and the newest data (`data`,
/// absent while there is none that is JSON), as it was written.
///
/// ```json
/// {"Departed":{"count":2,"first":"2024-03-01T08:00:00Z","last":"2024-03-02T09:30:00Z","data":{"from":"Accra"}}}
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ByType;

impl Fold for ByType {
    fn name(&self) -> &'static str {
        "by-type"
    }

    fn version(&self) -> u32 {
        1
    }

    fn validate(&self, _: &Record<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn start(&self) -> Box<dyn FoldState> {
        Box::new(Types::default())
    }

    fn resume(&self, json: &[u8]) -> Result<Box<dyn FoldState>, FoldError> {
        let types: Types =
            serde_json::from_slice(json).map_err(|error| FoldError(error.to_string()))?;
        Ok(Box::new(types))
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Types(BTreeMap<String, OfType>);

#[derive(Serialize, Deserialize)]
struct OfType {
    count: u64,
    first: String,
    last: String,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    data: Option<Box<RawValue>>,
}

/// Reads data that is there. `null` is data like any other.
fn present<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Deserialize::deserialize(input).map(Some)
}

impl FoldState for Types {
    fn apply(&mut self, event: &Event<'_>) -> Result<Applied, FoldError> {
        let record = &event.record;
        let data = if record.is_json {
            if let Err(error) = check_data(record.data) {
                return Ok(Applied::Refused(unreadable(error)));
            }
            let data = serde_json::from_slice::<Box<RawValue>>(record.data);
            Some(data.map_err(|error| FoldError(error.to_string()))?)
        } else {
            None
        };
        let time = format_time(event.occurred());
        let of_type = self.0.entry(record.event_type.to_owned()).or_insert_with(|| OfType {
            count: 0,
            first: time.clone(),
            last: String::new(),
            data: None,
        });
        of_type.count += 1;
        of_type.last = time;
        of_type.data = data.or(of_type.data.take());
        Ok(Applied::Folded)
    }

    fn to_json(&self) -> Result<Vec<u8>, FoldError> {
        serde_json::to_vec(self).map_err(|error| FoldError(error.to_string()))
    }
}

#[cfg(test)]
mod tests;
