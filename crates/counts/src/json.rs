//! One row of JSON lines. Only the values that a table needs are kept, so a row takes no more memory than its bytes.

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::{borrow::Cow, collections::BTreeMap, fmt};

/// A value, as the text that CSV would hold.
pub enum Scalar<'a> {
    Text(Cow<'a, str>),
    /// An array or object.
    Nested,
}

/// The values of some names, in their order; `None` where the object has no such name.
pub type Row<'a> = [Option<Scalar<'a>>; 7];

/// Reads an object.
pub fn row<'a>(text: &'a [u8], names: &[&str; 7]) -> serde_json::Result<Row<'a>> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let row = Names(names).deserialize(&mut json)?;
    json.end()?;
    Ok(row)
}

/// All names of an object, sorted.
pub fn names(text: &[u8]) -> Vec<String> {
    let names: BTreeMap<String, IgnoredAny> = serde_json::from_slice(text).unwrap_or_default();
    names.into_keys().collect()
}

#[derive(Clone, Copy)]
struct Names<'n>(&'n [&'n str; 7]);

impl<'de> DeserializeSeed<'de> for Names<'_> {
    type Value = Row<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Row<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Names<'_> {
    type Value = Row<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row<'de>, A::Error> {
        let mut row = Row::default();
        while let Some(at) = map.next_key_seed(Place(self.0))? {
            match at {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(at) if row[at].is_some() => {
                    return Err(A::Error::custom(format_args!("{} appears twice", self.0[at])));
                }
                Some(at) => row[at] = Some(map.next_value()?),
            }
        }
        Ok(row)
    }
}

/// Where a key is in the list of names.
struct Place<'n>(&'n [&'n str; 7]);

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Place<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|name| *name == key))
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Scalar<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Scalar::Text("".into()))
            }
            fn visit_bool<E>(self, v: bool) -> Result<Self::Value, E> {
                Ok(Scalar::Text(if v { "true" } else { "false" }.into()))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
                Ok(Scalar::Text(v.to_string().into()))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
                Ok(Scalar::Text(v.to_string().into()))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
                Ok(Scalar::Text(format!("{v:?}").into()))
            }
            fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(v.trim().to_owned().into()))
            }
            fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(v.trim().into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Nested)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Nested)
            }
        }

        deserializer.deserialize_any(Any)
    }
}
