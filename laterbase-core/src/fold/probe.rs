//! Finding what `serde_json` would write as `null` without a word.

use std::fmt::{self, Display};

use serde::ser::{self, Serialize, Serializer};

/// Whether a value comes back from JSON as far as can be told from the values in it: it holds no
/// number that is not finite, and no `Some` of something that is `null` in JSON.
///
/// A value that fails to be serialized is for the one who serializes it.
pub(crate) fn survives_json<T: Serialize + ?Sized>(value: &T) -> bool {
    !matches!(value.serialize(Probe { in_some: false }), Err(Stop::Lost))
}

/// Walks through a value and writes nothing.
#[derive(Clone, Copy)]
struct Probe {
    /// Whether the value is that of a `Some`.
    in_some: bool,
}

const INSIDE: Probe = Probe { in_some: false };

/// Why a walk ended early.
#[derive(Debug)]
enum Stop {
    /// Something does not survive.
    Lost,
    /// The value cannot be serialized.
    Failed,
}

impl Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value is not what its JSON says")
    }
}

impl std::error::Error for Stop {}

impl ser::Error for Stop {
    fn custom<T: Display>(_: T) -> Self {
        Self::Failed
    }
}

type Walked = Result<(), Stop>;

impl Probe {
    const fn null(self) -> Walked {
        if self.in_some { Err(Stop::Lost) } else { Ok(()) }
    }
}

macro_rules! plain {
    ($($method:ident: $type:ty),+) => {
        $(fn $method(self, _: $type) -> Walked {
            Ok(())
        })+
    };
}

impl Serializer for Probe {
    type Ok = ();
    type Error = Stop;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    plain!(
        serialize_bool: bool, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32,
        serialize_u64: u64, serialize_u128: u128
    );

    fn serialize_f32(self, number: f32) -> Walked {
        if number.is_finite() { Ok(()) } else { Err(Stop::Lost) }
    }

    fn serialize_f64(self, number: f64) -> Walked {
        if number.is_finite() { Ok(()) } else { Err(Stop::Lost) }
    }

    fn serialize_none(self) -> Walked {
        self.null()
    }

    fn serialize_unit(self) -> Walked {
        self.null()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Walked {
        self.null()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Walked {
        value.serialize(Self { in_some: true })
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Walked {
        Ok(())
    }

    /// Transparent in JSON.
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Walked {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Walked {
        value.serialize(INSIDE)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Stop> {
        Ok(INSIDE)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Stop> {
        Ok(INSIDE)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Stop> {
        Ok(INSIDE)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Stop> {
        Ok(INSIDE)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Stop> {
        Ok(INSIDE)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Stop> {
        Ok(INSIDE)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Stop> {
        Ok(INSIDE)
    }
}

/// Implements the traits for what holds other values: each value is walked through.
macro_rules! compound {
    ($($trait:ident::$method:ident($($name:ty)?)),+) => {
        $(impl ser::$trait for Probe {
            type Ok = ();
            type Error = Stop;

            fn $method<T: Serialize + ?Sized>(&mut self, $(_: $name,)? value: &T) -> Walked {
                value.serialize(INSIDE)
            }

            fn end(self) -> Walked {
                Ok(())
            }
        })+
    };
}

compound!(
    SerializeSeq::serialize_element(),
    SerializeTuple::serialize_element(),
    SerializeTupleStruct::serialize_field(),
    SerializeTupleVariant::serialize_field(),
    SerializeStruct::serialize_field(&'static str),
    SerializeStructVariant::serialize_field(&'static str)
);

impl ser::SerializeMap for Probe {
    type Ok = ();
    type Error = Stop;

    /// A name is text in JSON, or fails to be written.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Walked {
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Walked {
        value.serialize(INSIDE)
    }

    fn end(self) -> Walked {
        Ok(())
    }
}
