//! Which event types a fold takes, learned from the enum of its events.
//!
//! `#[derive(Deserialize)]` knows the names of an enum's variants, with every `rename` and `alias`,
//! and tells them to whoever reads one: they are an argument of
//! [`deserialize_enum`](Deserializer::deserialize_enum). So a reader that holds nothing but a tag of
//! a name that no enum has learns all of them, and whether `#[serde(other)]` takes that name too.
//! It gives up behind the tag, before anything of an event would be made.

use std::fmt::{self, Display};

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::Aggregate;

/// The members of the JSON that an event is read from.
const TAG: &str = "type";
const CONTENT: &str = "data";

/// A name that no variant has.
const NOBODYS_NAME: &str = "\u{0}nobody's name\u{0}";

/// The event types that a fold takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventTypes {
    names: &'static [&'static str],
    takes_others: bool,
}

impl EventTypes {
    /// Those that an aggregate folds: [`Aggregate::TYPES`] if it says so, else those of its
    /// events' enum.
    ///
    /// # Errors
    /// [`EventTypesError`] if the enum does not tell them.
    pub fn of<A: Aggregate>() -> Result<Self, EventTypesError> {
        match A::TYPES {
            Some(names) => Ok(Self { names, takes_others: false }),
            None => Self::of_enum::<A::Event>(),
        }
    }

    /// Those of an enum that serde reads as `{"type": …, "data": …}`.
    ///
    /// # Errors
    /// [`EventTypesError`] if it does not tell them.
    pub fn of_enum<E: DeserializeOwned>() -> Result<Self, EventTypesError> {
        let reason = match E::deserialize(Whole) {
            Err(Stop::Learned(types)) if !types.names.is_empty() => return Ok(types),
            Err(Stop::Learned(_)) => "it has no variants".to_owned(),
            Err(Stop::Unlearnable(reason)) => reason,
            Ok(_) => "it does not read its `type`".to_owned(),
        };
        Err(EventTypesError { event: std::any::type_name::<E>(), reason })
    }

    /// The names, aliases included.
    pub const fn names(&self) -> &'static [&'static str] {
        self.names
    }

    /// Whether the enum has a variant for all other types, by `#[serde(other)]`.
    pub const fn takes_others(&self) -> bool {
        self.takes_others
    }

    /// Whether events of a type are folded.
    pub fn contains(&self, event_type: &str) -> bool {
        self.takes_others || self.names.contains(&event_type)
    }

    /// Whether a type is taken by the variant for all others.
    pub(super) fn is_other(&self, event_type: &str) -> bool {
        self.takes_others && !self.names.contains(&event_type)
    }
}

/// The type of an aggregate's events does not tell which there are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "which event types there are cannot be learned from {event}: {reason}; mark the enum with \
     `#[serde(tag = \"type\", content = \"data\")]`, or name them in `Aggregate::TYPES`"
)]
pub struct EventTypesError {
    /// The Rust type of the events.
    pub event: &'static str,
    /// What it is instead.
    pub reason: String,
}

/// How reading ends: always before there is a value.
#[derive(Debug)]
enum Stop {
    Learned(EventTypes),
    Unlearnable(String),
}

impl Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Learned(_) => f.write_str("it reads events by code of its own"),
            Self::Unlearnable(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Stop {}

impl de::Error for Stop {
    fn custom<T: Display>(reason: T) -> Self {
        Self::Unlearnable(reason.to_string())
    }

    fn unknown_variant(_: &str, names: &'static [&'static str]) -> Self {
        Self::Learned(EventTypes { names, takes_others: false })
    }
}

fn unlearnable<T>(reason: &str) -> Result<T, Stop> {
    Err(Stop::Unlearnable(reason.to_owned()))
}

/// An event that has a tag and nothing else.
struct Whole;

impl<'de> Deserializer<'de> for Whole {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        unlearnable("it is no enum, or is tagged internally or not at all, or has code of its own")
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Stop> {
        unlearnable("it is an enum without a tag")
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        if fields.contains(&TAG) && fields.contains(&CONTENT) {
            return visitor.visit_map(OnlyTag { is_read: false });
        }
        unlearnable(&format!("it has {fields:?} in the place of `{TAG}` and `{CONTENT}`"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

struct OnlyTag {
    is_read: bool,
}

impl<'de> MapAccess<'de> for OnlyTag {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Stop> {
        if self.is_read {
            return Ok(None);
        }
        self.is_read = true;
        let key: StrDeserializer<'_, Stop> = TAG.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stop> {
        seed.deserialize(Tag)
    }
}

/// The tag, of a name that no variant has.
struct Tag;

impl<'de> Deserializer<'de> for Tag {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        unlearnable("its `type` is no enum")
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        match visitor.visit_enum(NobodysVariant) {
            Ok(_other) => Err(Stop::Learned(EventTypes { names, takes_others: true })),
            Err(stop) => Err(stop),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct NobodysVariant;

impl<'de> EnumAccess<'de> for NobodysVariant {
    type Error = Stop;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Stop> {
        let name: StrDeserializer<'_, Stop> = NOBODYS_NAME.into_deserializer();
        seed.deserialize(name).map(|name| (name, self))
    }
}

impl<'de> VariantAccess<'de> for NobodysVariant {
    type Error = Stop;

    fn unit_variant(self) -> Result<(), Stop> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Stop> {
        unlearnable("its `type` holds more than a name")
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Stop> {
        unlearnable("its `type` holds more than a name")
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Stop> {
        unlearnable("its `type` holds more than a name")
    }
}

#[cfg(test)]
mod tests;
