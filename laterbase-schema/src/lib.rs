//! JSON Schema (draft 2020-12) as a validation hook, for people who write no Rust.
//!
//! A root has a file that says, by event type, what the data of its events may be:
//!
//! ```json
//! {
//!   "$schema": "https://json-schema.org/draft/2020-12/schema",
//!   "events": {
//!     "Departed": {
//!       "type": "object",
//!       "properties": { "from": { "$ref": "#/$defs/place" } },
//!       "required": ["from"]
//!     }
//!   },
//!   "$defs": { "place": { "type": "string", "minLength": 1 } }
//! }
//! ```
//!
//! [`RootSchemas`] reads such files and puts them before folds. An event that its schema does not
//! take is refused where it is written. Where it comes by sync it is stored, and left out of every
//! state, as with any validation hook; so all replicas of a root need the same file to show the
//! same states.
//!
//! Events of types that the file does not name are taken as they are, unless it says
//! `"additionalEvents": false`. Events of the type `Voided` that take others back always are.

mod checked;
mod events;
mod files;
mod strict;

pub use events::{EventSchemas, SchemaError};
pub use files::{RootSchemas, SchemaFileError};
