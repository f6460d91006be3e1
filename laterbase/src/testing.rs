//! Tests of your own folds: replicas in memory, clocks that are set by hand, and no waiting.
//!
//! [`given`] says what has happened, what happens, and what follows:
//!
//! ```
//! use laterbase::prelude::*;
//! use laterbase::testing::given;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
//! struct Pallet {
//!     kg: u32,
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(tag = "type", content = "data")]
//! enum PalletEvent {
//!     Weighed { kg: u32 },
//! }
//!
//! impl Aggregate for Pallet {
//!     type Event = PalletEvent;
//!     const NAME: &'static str = "pallet";
//!
//!     fn validate(event: &PalletEvent) -> Result<(), Refusal> {
//!         let PalletEvent::Weighed { kg } = event;
//!         if *kg == 0 { Err("a pallet weighs something".into()) } else { Ok(()) }
//!     }
//!
//!     fn apply(&mut self, event: PalletEvent, _: &Event<'_>) -> Result<(), FoldError> {
//!         let PalletEvent::Weighed { kg } = event;
//!         self.kg = kg;
//!         Ok(())
//!     }
//! }
//!
//! let weighed = |kg| PalletEvent::Weighed { kg };
//! given::<Pallet, _>([weighed(412)]).when([weighed(398)]).then_state(&Pallet { kg: 398 });
//! given::<Pallet, _>([weighed(412)])
//!     .when([weighed(0)])
//!     .then_refused("weighs something")
//!     .then_state(&Pallet { kg: 412 });
//!
//! // An event that comes late takes its place among the others.
//! let yesterday = parse_time("2023-12-31T12:00:00Z").unwrap();
//! let late = Fact::of(weighed(500)).occurred_at(yesterday);
//! given::<Pallet, _>([weighed(412)]).when([late]).then_state(&Pallet { kg: 412 });
//! ```
//!
//! [`TestReplica`]s take the calls of devices and servers, and sync with each other:
//!
//! ```
//! # use laterbase::prelude::*;
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
//! # struct Pallet { kg: u32 }
//! # #[derive(Serialize, Deserialize)]
//! # #[serde(tag = "type", content = "data")]
//! # enum PalletEvent { Weighed { kg: u32 } }
//! # impl Aggregate for Pallet {
//! #     type Event = PalletEvent;
//! #     const NAME: &'static str = "pallet";
//! #     fn apply(&mut self, event: PalletEvent, _: &Event<'_>) -> Result<(), FoldError> {
//! #         let PalletEvent::Weighed { kg } = event;
//! #         self.kg = kg;
//! #         Ok(())
//! #     }
//! # }
//! use laterbase::testing::TestReplica;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folds = Folds::new().aggregate::<Pallet>("pallet")?;
//! let (office, truck) = (TestReplica::new("office", &folds), TestReplica::new("truck", &folds));
//! let root = RootName::new("pallet")?;
//! let weighed = |kg| Append::<Pallet>::to(&root, "P1").event(PalletEvent::Weighed { kg });
//! office.set_clock("2024-03-02T09:00:00Z");
//! truck.set_clock("2024-03-02T08:00:00Z");
//! office.append(&weighed(412))?;
//! truck.append(&weighed(398))?;
//! truck.sync_with(&office);
//! for replica in [&office, &truck] {
//!     let pallet = replica.aggregate::<Pallet>(&root, "P1", At::now())?.unwrap();
//!     assert_eq!((pallet.state.kg, pallet.event_count), (412, 2));
//! }
//! # Ok(()) }
//! ```

mod replica;
mod scenario;

pub use replica::TestReplica;
pub use scenario::{Scenario, given};

#[cfg(test)]
mod tests;
