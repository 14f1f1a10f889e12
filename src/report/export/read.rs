//! Lines of NDJSON read back: what [`super::row`] writes, and nothing else.
//!
//! A name that is not known is refused: it may be a known one that is misspelt, and what it says
//! would be lost. What a line says beside that and what can be told from the value (`encoding`,
//! `elements`, `size_bytes`) is taken and not looked at.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{
    Deserializer, Error as _, IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer,
};
use serde_json::value::RawValue;

use crate::report::json::Blob;
use crate::value::{Kind, StreamId};

/// A line, its value not looked at yet.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line<'a> {
    #[serde(borrow)]
    schema: Option<Cow<'a, str>>,
    /// What is told where it is no key: `header`, `aux`, `function`, `module-aux`.
    #[serde(borrow)]
    pub(crate) record: Option<Cow<'a, str>>,
    /// Of the header: magic and version of the source.
    #[serde(borrow)]
    pub(crate) format: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) name: Option<Blob<'a>>,
    #[serde(borrow)]
    pub(crate) code: Option<Blob<'a>>,
    #[serde(borrow)]
    pub(crate) body: Option<Blob<'a>>,
    pub(crate) db: Option<u64>,
    #[serde(borrow)]
    pub(crate) key: Option<Blob<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    pub(crate) expires_at_ms: Option<i64>,
    pub(crate) idle_secs: Option<u64>,
    pub(crate) frequency: Option<u8>,
    #[serde(borrow)]
    pub(crate) meta: Option<Blob<'a>>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(rename = "encoding")]
    _encoding: Option<IgnoredAny>,
    #[serde(rename = "elements")]
    _elements: Option<IgnoredAny>,
    #[serde(rename = "size_bytes")]
    _size_bytes: Option<IgnoredAny>,
    #[serde(rename = "module")]
    _module: Option<IgnoredAny>,
    #[serde(rename = "version")]
    _version: Option<IgnoredAny>,
}

impl<'a> Line<'a> {
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, serde_json::Error> {
        let line: Line<'a> = serde_json::from_slice(text)?;
        match line.schema.as_deref() {
            None | Some("rdbkit.export/1") => Ok(line),
            Some(other) => Err(serde_json::Error::custom(format!(
                "the schema is {other:?}, and only rdbkit.export/1 can be read back"
            ))),
        }
    }

    fn kind(&self) -> Result<Kind, serde_json::Error> {
        let name = self.kind.as_deref().unwrap_or_default();
        Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            serde_json::Error::custom(format!("the type {name:?} is none that a key can have"))
        })
    }

    /// The value, taken apart.
    pub(crate) fn parts(&self) -> Result<Parts<'a>, serde_json::Error> {
        Ok(match self.kind()? {
            Kind::String => Parts::String(self.value()?),
            Kind::List => Parts::List(self.value()?),
            Kind::Set => Parts::Set(self.value()?),
            Kind::SortedSet => Parts::SortedSet(self.value()?),
            Kind::Hash => Parts::Hash(self.value()?),
            Kind::Stream => Parts::Stream(self.value()?),
            Kind::Array => Parts::Array(self.value()?),
            Kind::Module => Parts::Module(self.value()?),
        })
    }

    /// The value, which has the shape of its type.
    pub(crate) fn value<T: Deserialize<'a>>(&self) -> Result<T, serde_json::Error> {
        match self.value {
            // A column would count from the start of the value.
            Some(value) => serde_json::from_str(value.get()).map_err(|error| {
                let words = error.to_string();
                let words = words.split(" at line ").next().unwrap_or(&words);
                serde_json::Error::custom(format!("in the value: {words}"))
            }),
            None => Err(serde_json::Error::missing_field("value")),
        }
    }
}

/// A value, taken apart.
#[derive(Debug)]
pub(crate) enum Parts<'a> {
    String(Blob<'a>),
    List(Vec<Blob<'a>>),
    Set(Vec<Blob<'a>>),
    SortedSet(Vec<Scored<'a>>),
    Hash(Vec<Field<'a>>),
    Stream(Stream<'a>),
    Array(Array<'a>),
    Module(Module<'a>),
}

/// A score, or another double: a number, `"inf"`, `"-inf"` or `"nan"`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Double(pub(crate) f64);

/// What is in a cell of an array.
#[derive(Debug)]
pub(crate) enum CellValue<'a> {
    Int(i64),
    Double(f64),
    Bytes(Blob<'a>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scored<'a> {
    #[serde(borrow)]
    pub(crate) member: Blob<'a>,
    pub(crate) score: Double,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Field<'a> {
    #[serde(borrow)]
    pub(crate) field: Blob<'a>,
    #[serde(borrow)]
    pub(crate) value: Blob<'a>,
    pub(crate) expires_at_ms: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Array<'a> {
    pub(crate) insert_index: Option<u64>,
    #[serde(borrow)]
    pub(crate) cells: Vec<Cell<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cell<'a> {
    pub(crate) index: u64,
    #[serde(borrow)]
    pub(crate) value: CellValue<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Module<'a> {
    #[serde(rename = "module")]
    _module: Option<IgnoredAny>,
    #[serde(rename = "version")]
    _version: Option<IgnoredAny>,
    #[serde(borrow)]
    pub(crate) body: Blob<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stream<'a> {
    #[serde(borrow)]
    pub(crate) entries: Vec<StreamEntry<'a>>,
    pub(crate) length: Option<u64>,
    pub(crate) last_id: Option<Id>,
    pub(crate) first_id: Option<Id>,
    pub(crate) max_deleted_id: Option<Id>,
    pub(crate) entries_added: Option<u64>,
    pub(crate) idempotence_duration_secs: Option<u64>,
    pub(crate) idempotence_max_entries: Option<u64>,
    pub(crate) idempotence_added: Option<u64>,
    pub(crate) idempotence_duplicates: Option<u64>,
    #[serde(borrow, default)]
    pub(crate) groups: Vec<Group<'a>>,
    #[serde(borrow, default)]
    pub(crate) producers: Vec<Producer<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamEntry<'a> {
    pub(crate) id: Id,
    #[serde(borrow)]
    pub(crate) fields: Vec<(Blob<'a>, Blob<'a>)>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group<'a> {
    #[serde(borrow)]
    pub(crate) name: Blob<'a>,
    pub(crate) last_id: Id,
    pub(crate) entries_read: Option<u64>,
    #[serde(default)]
    pub(crate) pending: Vec<Pending>,
    #[serde(borrow, default)]
    pub(crate) consumers: Vec<Consumer<'a>>,
    #[serde(default)]
    pub(crate) nacked: Vec<Id>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pending {
    pub(crate) id: Id,
    pub(crate) delivered_at_ms: i64,
    pub(crate) deliveries: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Consumer<'a> {
    #[serde(borrow)]
    pub(crate) name: Blob<'a>,
    pub(crate) seen_at_ms: i64,
    pub(crate) active_at_ms: Option<i64>,
    #[serde(default)]
    pub(crate) pending: Vec<Id>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Producer<'a> {
    #[serde(borrow)]
    pub(crate) name: Blob<'a>,
    #[serde(borrow)]
    pub(crate) ids: Vec<Used<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Used<'a> {
    #[serde(borrow)]
    pub(crate) iid: Blob<'a>,
    pub(crate) id: Id,
}

/// `"1700000000000-0"`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Id(pub(crate) StreamId);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let parse = |text: &str| {
            let (ms, seq) = text.split_once('-')?;
            Some(StreamId { ms: ms.parse().ok()?, seq: seq.parse().ok()? })
        };
        let wrong = || D::Error::custom(format!("{text:?} is no id of a stream, such as 5-0"));
        parse(&text).map(Id).ok_or_else(wrong)
    }
}

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Double;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, \"inf\", \"-inf\" or \"nan\"")
            }

            fn visit_f64<E>(self, n: f64) -> Result<Double, E> {
                Ok(Double(n))
            }

            #[expect(clippy::cast_precision_loss, reason = "a score is a double")]
            fn visit_i64<E>(self, n: i64) -> Result<Double, E> {
                Ok(Double(n as f64))
            }

            #[expect(clippy::cast_precision_loss, reason = "a score is a double")]
            fn visit_u64<E>(self, n: u64) -> Result<Double, E> {
                Ok(Double(n as f64))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Double, E> {
                match text {
                    "inf" => Ok(Double(f64::INFINITY)),
                    "-inf" => Ok(Double(f64::NEG_INFINITY)),
                    "nan" => Ok(Double(f64::NAN)),
                    _ => Err(E::custom(format!("{text:?} is no number"))),
                }
            }
        }
        deserializer.deserialize_any(Number)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for CellValue<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = CellValue<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a string or {\"base64\": \"…\"}")
            }

            fn visit_i64<E>(self, n: i64) -> Result<Self::Value, E> {
                Ok(CellValue::Int(n))
            }

            fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<Self::Value, E> {
                i64::try_from(n).map(CellValue::Int).map_err(E::custom)
            }

            fn visit_f64<E>(self, n: f64) -> Result<Self::Value, E> {
                Ok(CellValue::Double(n))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(CellValue::Bytes(Blob(Cow::Borrowed(text.as_bytes()))))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(CellValue::Bytes(Blob(Cow::Owned(text.as_bytes().to_vec()))))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Blob::deserialize(MapAccessDeserializer::new(map)).map(CellValue::Bytes)
            }
        }
        deserializer.deserialize_any(Any)
    }
}
