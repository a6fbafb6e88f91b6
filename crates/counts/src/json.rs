//! One row of JSON. Only the values that a table needs are kept, so a row takes no more memory than its bytes.

use crate::Column;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::{borrow::Cow, fmt, ops::Range};

/// A value, as the text that CSV would hold.
pub(crate) enum Scalar<'a> {
    /// A string, a truth value, or null as nothing.
    Text(Cow<'a, str>),
    /// A number.
    Number(String),
    /// A list of the above.
    List(Vec<Scalar<'a>>),
    /// Any other array or object.
    Nested,
}

/// The values of some names, in their order; `None` where the object has no such name.
pub(crate) type Row<'a> = [Option<Scalar<'a>>; Column::COUNT];

/// Reads an object.
pub(crate) fn row<'a>(text: &'a [u8], names: &[&str; Column::COUNT]) -> serde_json::Result<Row<'a>> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let row = Names(names).deserialize(&mut json)?;
    json.end()?;
    Ok(row)
}

/// All names of an object, in its order.
pub(crate) fn names(text: &[u8]) -> serde_json::Result<Vec<String>> {
    serde_json::from_slice::<Entries<IgnoredAny>>(text)
        .map(|entries| entries.0.into_iter().map(|(name, _)| name).collect())
}

/// Where the objects are in a text of one, of several, or of an array of them. An error for anything else.
pub(crate) fn objects(text: &[u8]) -> serde_json::Result<Vec<Range<usize>>> {
    let blank = |at: usize| at + text[at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
    let (mut at, mut found) = (blank(0), vec![]);
    let array = text.get(at) == Some(&b'[');
    at = if array { blank(at + 1) } else { at };
    while at < text.len() && !(array && text[at] == b']') {
        // Names no scalar would have.
        let mut values = serde_json::Deserializer::from_slice(&text[at..]).into_iter::<Entries<IgnoredAny>>();
        match values.next() {
            Some(value) => drop(value?),
            None => break,
        }
        found.push(at..at + values.byte_offset());
        at = blank(at + values.byte_offset());
        if array && text.get(at) == Some(&b',') {
            at = blank(at + 1);
        } else if array && text.get(at) != Some(&b']') {
            return Err(serde_json::Error::custom("expected `,` or `]` in the array"));
        }
    }
    let end = if array { blank((at + 1).min(text.len())) } else { at };
    if end < text.len() || array && at >= text.len() {
        return Err(serde_json::Error::custom("the array does not end where the text does"));
    }
    Ok(found)
}

/// An object in its own order.
pub(crate) struct Entries<T>(pub Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Map<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
                let mut entries = vec![];
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Map(std::marker::PhantomData))
    }
}

#[derive(Clone, Copy)]
struct Names<'n>(&'n [&'n str; Column::COUNT]);

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
struct Place<'n>(&'n [&'n str; Column::COUNT]);

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

impl Scalar<'_> {
    /// The text that CSV would hold; `None` of what is nested.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(text) => Some(text),
            Self::List(_) | Self::Nested => None,
        }
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
                Ok(Scalar::Number(v.to_string()))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
                Ok(Scalar::Number(v.to_string()))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
                Ok(Scalar::Number(format!("{v:?}")))
            }
            fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(v.trim().to_owned().into()))
            }
            fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(v.trim().into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let (mut list, mut flat) = (vec![], true);
                while let Some(value) = seq.next_element::<Scalar<'de>>()? {
                    flat &= value.text().is_some();
                    if flat {
                        list.push(value);
                    }
                }
                Ok(if flat { Scalar::List(list) } else { Scalar::Nested })
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Nested)
            }
        }

        deserializer.deserialize_any(Any)
    }
}
