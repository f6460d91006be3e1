//! The times that a read looks at.

use crate::reader::Query;

/// What a read looks at, on the three axes of time. The default is everything that is held.
///
/// Times are nanoseconds since 1970 UTC, inclusive; [`parse_time`](crate::time::parse_time) makes
/// one of RFC 3339 text. The bounds can be combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct At {
    /// Only what had happened by then (valid time).
    pub occurred_until: Option<i64>,
    /// Only what its origin had recorded by then (transaction time).
    pub recorded_until: Option<i64>,
    /// Only what the replica that is asked had received by then (arrival).
    pub known_at: Option<i64>,
}

impl At {
    /// Everything that is held.
    pub const fn now() -> Self {
        Self { occurred_until: None, recorded_until: None, known_at: None }
    }

    /// Looks at what had happened by then only.
    #[must_use]
    pub const fn occurred_until(self, nanos: i64) -> Self {
        Self { occurred_until: Some(nanos), ..self }
    }

    /// Looks at what its origin had recorded by then only, wherever that was.
    #[must_use]
    pub const fn recorded_until(self, nanos: i64) -> Self {
        Self { recorded_until: Some(nanos), ..self }
    }

    /// Looks at what the replica that is asked had received by then only.
    #[must_use]
    pub const fn known_at(self, nanos: i64) -> Self {
        Self { known_at: Some(nanos), ..self }
    }

    /// The query of these times by a fold.
    pub fn query(self, fold: &str) -> Query {
        let Self { occurred_until, recorded_until, known_at } = self;
        Query { fold: Some(fold.to_owned()), occurred_until, recorded_until, known_at }
    }
}
