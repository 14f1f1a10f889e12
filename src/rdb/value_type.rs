//! Value types: the byte before each key, looked up in the family of the file.

use super::{Family, opcode};
use crate::error::Fault;
use crate::value::Kind;

macro_rules! value_types {
    ($( $(#[doc = $doc:literal])+ $name:ident = $code:literal, $kind:ident, $label:literal, $encoding:literal, since $since:literal; )+) => {
        /// How a value lies in a snapshot.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ValueType {
            $( $(#[doc = $doc])+ $name, )+
        }

        impl ValueType {
            /// Every type, in the order of the numbers.
            pub const ALL: &[ValueType] = &[ $( ValueType::$name, )+ ];

            /// The byte in the file.
            pub fn code(self) -> u8 {
                match self { $( ValueType::$name => $code, )+ }
            }

            /// The kind that TYPE would answer.
            pub fn kind(self) -> Kind {
                match self { $( ValueType::$name => Kind::$kind, )+ }
            }

            /// The name of the type in the servers' own tables.
            pub fn label(self) -> &'static str {
                match self { $( ValueType::$name => $label, )+ }
            }

            /// The encoding on disk, in the words of OBJECT ENCODING where it has one.
            pub fn encoding(self) -> &'static str {
                match self { $( ValueType::$name => $encoding, )+ }
            }

            /// The first version whose servers wrote it.
            pub fn since(self) -> u32 {
                match self { $( ValueType::$name => $since, )+ }
            }
        }
    };
}

value_types! {
    /// A string.
    String = 0, String, "STRING", "string", since 1;
    /// Elements one by one.
    List = 1, List, "LIST", "linkedlist", since 1;
    /// Members one by one.
    Set = 2, Set, "SET", "hashtable", since 1;
    /// Members with scores as text.
    SortedSet = 3, SortedSet, "ZSET", "skiplist", since 1;
    /// Fields and values one by one.
    Hash = 4, Hash, "HASH", "hashtable", since 1;
    /// Members with scores as doubles.
    SortedSet2 = 5, SortedSet, "ZSET_2", "skiplist", since 8;
    /// A module value without lengths (Redis 4.0 release candidates).
    ModulePreGa = 6, Module, "MODULE_PRE_GA", "module", since 8;
    /// A module value, annotated so that it can be stepped over.
    Module2 = 7, Module, "MODULE_2", "module", since 8;
    /// A zipmap.
    HashZipmap = 9, Hash, "HASH_ZIPMAP", "zipmap", since 1;
    /// A ziplist of elements.
    ListZiplist = 10, List, "LIST_ZIPLIST", "ziplist", since 1;
    /// Integers of one width.
    SetIntset = 11, Set, "SET_INTSET", "intset", since 1;
    /// A ziplist of members and scores.
    SortedSetZiplist = 12, SortedSet, "ZSET_ZIPLIST", "ziplist", since 2;
    /// A ziplist of fields and values.
    HashZiplist = 13, Hash, "HASH_ZIPLIST", "ziplist", since 4;
    /// Nodes, each a ziplist.
    ListQuicklist = 14, List, "LIST_QUICKLIST", "quicklist", since 7;
    /// A stream, first layout.
    Stream = 15, Stream, "STREAM_LISTPACKS", "stream", since 9;
    /// A listpack of fields and values.
    HashListpack = 16, Hash, "HASH_LISTPACK", "listpack", since 10;
    /// A listpack of members and scores.
    SortedSetListpack = 17, SortedSet, "ZSET_LISTPACK", "listpack", since 10;
    /// Nodes, each a listpack or one plain element.
    ListQuicklist2 = 18, List, "LIST_QUICKLIST_2", "quicklist", since 10;
    /// A stream with its first, deleted and added ids.
    Stream2 = 19, Stream, "STREAM_LISTPACKS_2", "stream", since 10;
    /// A listpack of members.
    SetListpack = 20, Set, "SET_LISTPACK", "listpack", since 11;
    /// A stream whose consumers have an active time.
    Stream3 = 21, Stream, "STREAM_LISTPACKS_3", "stream", since 11;
    /// Fields with expiry, absolute (Redis 7.4 release candidates).
    HashMetadataPreGa = 22, Hash, "HASH_METADATA_PRE_GA", "hashtable", since 12;
    /// A listpack of fields, values and expiries (Redis 7.4 release candidates).
    HashListpackExPreGa = 23, Hash, "HASH_LISTPACK_EX_PRE_GA", "listpackex", since 12;
    /// Fields with expiry, relative to the smallest.
    HashMetadata = 24, Hash, "HASH_METADATA", "hashtable", since 12;
    /// The smallest expiry, then a listpack of fields, values and expiries.
    HashListpackEx = 25, Hash, "HASH_LISTPACK_EX", "listpackex", since 12;
    /// A stream with idempotent producers.
    Stream4 = 26, Stream, "STREAM_LISTPACKS_4", "stream", since 13;
    /// A stream with nacked entries.
    Stream5 = 27, Stream, "STREAM_LISTPACKS_5", "stream", since 14;
    /// A sparse array.
    Array = 28, Array, "ARRAY", "array", since 14;
    /// A hash in a DUMP payload: names of a template, then a listpack of values.
    HashTemplateListpackDump = 29, Hash, "HASH_TMPL_LP", "template-listpack", since 15;
    /// A hash in a file: a template's id and values in a listpack.
    HashTemplateListpack = 30, Hash, "HASH_TMPL_LP_REF", "template-listpack", since 15;
    /// A hash in a DUMP payload: names of a template, then values one by one.
    HashTemplateArrayDump = 31, Hash, "HASH_TMPL_ARRAY", "template-array", since 15;
    /// A hash in a file: a template's id and values one by one.
    HashTemplateArray = 32, Hash, "HASH_TMPL_ARRAY_REF", "template-array", since 15;
    /// Fields with expiry as Valkey 9 writes them.
    HashValkey = 22, Hash, "HASH_2", "hashtable", since 80;
}

impl ValueType {
    /// Whether fields of such a hash can expire.
    pub fn has_field_expiry(self) -> bool {
        use ValueType::*;
        matches!(
            self,
            HashMetadataPreGa | HashListpackExPreGa | HashMetadata | HashListpackEx | HashValkey
        )
    }

    /// Looks a type byte up in its family. The layouts that only hearsay describes (PATH_HASH of
    /// Valkey 9.2, GCRA of special builds of Redis 8.8) are refused by name.
    #[inline]
    pub fn of(family: Family, byte: u8) -> Result<ValueType, Fault> {
        match family {
            Family::Redis => REDIS.get(usize::from(byte)).copied().flatten(),
            Family::Valkey => VALKEY.get(usize::from(byte)).copied().flatten(),
        }
        .ok_or_else(|| Self::refusal(family, byte))
    }

    #[cold]
    fn refusal(family: Family, byte: u8) -> Fault {
        match (family, byte) {
            (Family::Redis, 33) | (Family::Valkey, 23) => Fault::UnverifiedType { byte },
            _ => match opcode::foreign(byte) {
                Some((server, what)) => Fault::ForeignOpcode { byte, server, what },
                None => Fault::UnknownType { byte },
            },
        }
    }
}

const REDIS: [Option<ValueType>; 33] = table(Family::Redis);
const VALKEY: [Option<ValueType>; 33] = table(Family::Valkey);

/// The numbers of one family; they are shared up to 21.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
const fn table(family: Family) -> [Option<ValueType>; 33] {
    use ValueType::*;
    let mut table = [None; 33];
    let shared = [
        (0, String),
        (1, List),
        (2, Set),
        (3, SortedSet),
        (4, Hash),
        (5, SortedSet2),
        (6, ModulePreGa),
        (7, Module2),
        (9, HashZipmap),
        (10, ListZiplist),
        (11, SetIntset),
        (12, SortedSetZiplist),
        (13, HashZiplist),
        (14, ListQuicklist),
        (15, Stream),
        (16, HashListpack),
        (17, SortedSetListpack),
        (18, ListQuicklist2),
        (19, Stream2),
        (20, SetListpack),
        (21, Stream3),
    ];
    let mut i = 0;
    while i < shared.len() {
        table[shared[i].0] = Some(shared[i].1);
        i += 1;
    }
    match family {
        Family::Valkey => table[22] = Some(HashValkey),
        Family::Redis => {
            let redis = [
                HashMetadataPreGa,
                HashListpackExPreGa,
                HashMetadata,
                HashListpackEx,
                Stream4,
                Stream5,
                Array,
                HashTemplateListpackDump,
                HashTemplateListpack,
                HashTemplateArrayDump,
                HashTemplateArray,
            ];
            let mut i = 0;
            while i < redis.len() {
                table[22 + i] = Some(redis[i]);
                i += 1;
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_finds_its_type() {
        for &ty in ValueType::ALL {
            let family = if ty == ValueType::HashValkey { Family::Valkey } else { Family::Redis };
            assert_eq!(ValueType::of(family, ty.code()), Ok(ty));
        }
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        assert_eq!(ValueType::of(Family::Redis, 8), Err(Fault::UnknownType { byte: 8 }));
        assert_eq!(ValueType::of(Family::Redis, 33), Err(Fault::UnverifiedType { byte: 33 }));
        assert_eq!(ValueType::of(Family::Valkey, 23), Err(Fault::UnverifiedType { byte: 23 }));
        assert_eq!(ValueType::of(Family::Valkey, 24), Err(Fault::UnknownType { byte: 24 }));
        let foreign = Fault::ForeignOpcode { byte: 64, server: "KeyDB", what: "a cron job" };
        assert_eq!(ValueType::of(Family::Redis, 64), Err(foreign));
    }
}
