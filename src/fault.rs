//! The rules that files break: one variant each, with the numbers that show it.
//!
//! [`Fault::code`] is the stable name that reports carry, [`Fault::expected`] and
//! [`Fault::found`] are the two halves of the sentence. A new rule is one entry in the table below.

use std::fmt;

macro_rules! faults {
    ($( $(#[doc = $doc:literal])+ $name:ident $({ $($field:ident: $type:ty),+ })? => $code:literal, $expected:literal, $found:literal; )+) => {
        /// A broken rule.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "the fields are the numbers of the sentence")]
        pub enum Fault {
            $( $(#[doc = $doc])+ $name $({ $($field: $type),+ })?, )+
        }

        impl Fault {
            /// The stable name of the rule, as reports carry it.
            pub fn code(&self) -> &'static str {
                match self { $( Fault::$name { .. } => $code, )+ }
            }

            /// What the rule asks for.
            #[allow(unused_variables, reason = "not every number is in both halves")]
            pub fn expected(&self) -> String {
                match *self {
                    Fault::Truncated { need: 0, .. } => "the rest of the frame".to_owned(),
                    Fault::Truncated { need: 1, .. } => "1 more byte".to_owned(),
                    $( Fault::$name $({ $($field),+ })? => format!($expected), )+
                }
            }

            /// What is there instead.
            #[allow(unused_variables, reason = "not every number is in both halves")]
            pub fn found(&self) -> String {
                match *self {
                    Fault::Truncated { have: 0, .. } => "the end of the data".to_owned(),
                    Fault::DumpSlack { bytes: 1 } => "1 byte in between".to_owned(),
                    Fault::TrailingBytes { bytes: 1 } => "1 more byte".to_owned(),
                    $( Fault::$name $({ $($field),+ })? => format!($found), )+
                }
            }
        }
    };
}

faults! {
    // Frames.
    /// The bytes end inside a frame. `need` is 0 where the missing part has no known length.
    Truncated { need: u64, have: u64 } => "truncated", "{need} more bytes", "the end of the data after {have}";
    /// The file does not begin with a magic that either family writes.
    Magic => "magic", "REDIS or VALKEY and a version", "other bytes";
    /// Version 0, or a version that goes with the other magic.
    Version { version: u32 } => "version", "a version that this magic can carry", "version {version}";
    /// A version that is newer than this reader.
    NewerVersion { version: u32, known: u32 } => "newer-version", "a version up to {known}", "version {version}";
    /// A first length byte that no version defines.
    LengthByte { byte: u8 } => "length-byte", "a length", "the byte 0x{byte:02x}";
    /// A special string encoding that does not exist, or one where a plain length must stand.
    StringEncoding { byte: u8 } => "string-encoding", "a string encoding 0 to 3", "the byte 0x{byte:02x}";
    /// A type that neither this version nor a newer known one has.
    UnknownType { byte: u8 } => "unknown-type", "a value type", "the byte 0x{byte:02x}, which no known version of this family defines";
    /// An end marker in the middle.
    EarlyEnd => "early-end", "a record", "an end marker whose checksum does not fit, with records behind it";
    /// A type or opcode whose layout is known only by hearsay.
    UnverifiedType { byte: u8 } => "unverified-type", "a type whose layout has been verified against a server", "0x{byte:02x}, whose layout no released server has confirmed";
    /// A pre-release type of modules that carries no lengths.
    ModulePreGa => "module-pre-ga", "a value that can be stepped over", "a module value of Redis 4.0 release candidates, which carries no lengths";
    /// An opcode with a value that is out of its range.
    OpcodeValue { value: u64, limit: u64 } => "opcode-value", "a value up to {limit}", "{value}";
    /// Key metadata must be followed directly by the type byte.
    KeyMetaOrder { byte: u8 } => "key-meta-order", "the type byte right after key metadata", "opcode 0x{byte:02x}";
    /// An opcode that only makes sense in the preamble of another family's file.
    ForeignOpcode { byte: u8, server: &'static str, what: &'static str } => "foreign-opcode", "an opcode or type of Redis or Valkey", "0x{byte:02x}, which in a file of {server} stands for {what}";
    /// A database whose number no server could be configured for.
    Database { db: u64 } => "database", "a database below 1048576", "database {db}";
    /// The checksum does not match the bytes.
    Checksum { stored: u64, computed: u64 } => "checksum", "checksum {computed:016x}, computed from the bytes", "{stored:016x} stored in the file";
    /// Bytes behind the end of the snapshot.
    TrailingBytes { bytes: u64 } => "trailing-bytes", "the end of the file", "{bytes} more bytes";
    /// A DUMP payload without its ten bytes of footer.
    DumpFooter { have: u64 } => "dump-footer", "at least 11 bytes with a footer of 10", "{have}";
    /// Bytes between the value of a DUMP payload and its footer.
    DumpSlack { bytes: u64 } => "dump-slack", "the footer right after the value", "{bytes} bytes in between";

    /// A compressed source whose bytes its decoder refuses. `raw` counts compressed bytes.
    CompressedCorrupt { name: &'static str, raw: u64 } => "compressed-corrupt", "a sound {name} stream", "bytes that do not decompress, among the first {raw} of the file";
    /// A compressed source that ends inside a frame. `raw` counts compressed bytes.
    CompressedTruncated { name: &'static str, raw: u64 } => "compressed-truncated", "a whole {name} stream", "its end after {raw} compressed bytes, inside a frame";

    // Compression of strings.
    /// The compressed bytes end inside a token.
    LzfTruncated => "lzf-truncated", "a whole LZF token", "the end of the compressed bytes";
    /// A back reference that points before the start of the output.
    LzfOffset { back: u32, have: u64 } => "lzf-offset", "an LZF reference into the {have} bytes written so far", "one that goes back {back}";
    /// The output is longer or shorter than declared.
    LzfLength { want: u64, got: u64 } => "lzf-length", "{want} bytes after decompression", "{got}";

    // Values as a whole.
    /// More elements than bytes are left in the file, and each takes at least one.
    ElementCount { count: u64, left: u64 } => "element-count", "at most {left} elements, as each takes a byte or more of those left", "a count of {count}";
    /// A container without elements.
    EmptyValue => "empty-value", "at least one element", "none";
    /// An element, member or field that stands there twice.
    Duplicate { first: u64 } => "duplicate-element", "every element once", "a repetition of element {first}";
    /// The element count of pairs or triples is not a multiple.
    TupleCount { count: u64, of: u64 } => "tuple-count", "a number of elements that divides by {of}", "{count}";
    /// A score that is no number.
    ScoreNan => "score-nan", "a score", "NaN";
    /// A score whose text is no number.
    ScoreText => "score-text", "a number as score", "text that is none";
    /// A sorted set whose elements are out of order.
    ScoreOrder { index: u64 } => "score-order", "elements by ascending score, then member", "element {index} before its place";
    /// A container of a list node that is neither plain nor packed.
    Container { container: u64 } => "list-container", "container 1 (plain) or 2 (packed)", "{container}";
    /// A plain list node whose element has no bytes.
    ListPlainEmpty => "list-plain-empty", "a plain list node with bytes in it", "none";
    /// A list node that holds nothing.
    ListNodeEmpty => "list-node-empty", "at least one element in every list node", "a node without";
    /// A list node with more elements than servers can count.
    ListNodeCount { entries: u64 } => "list-node-count", "at most 65535 elements in a list node", "{entries}, of which servers see what is left over modulo 65536";
    /// An expiry of a field that is out of range.
    FieldExpiry { value: i64 } => "field-expiry", "an expiry from 0 to 2^48-1 milliseconds", "{value}";
    /// An expiry of a field that is no integer.
    FieldExpiryText => "field-expiry-text", "an integer as expiry", "text";
    /// Fields with expiry must come in its order.
    FieldExpiryOrder { index: u64 } => "field-expiry-order", "fields by ascending expiry, those without last", "field {index} before its place";

    // Intset.
    /// The header does not fit the bytes.
    IntsetSize { need: u64, have: u64 } => "intset-size", "{need} bytes of elements", "{have}";
    /// A width that is none of 2, 4, 8.
    IntsetWidth { width: u32 } => "intset-width", "a width of 2, 4 or 8", "{width}";
    /// Members out of order or repeated.
    IntsetOrder { index: u64 } => "intset-order", "strictly ascending members", "member {index} not above the one before";

    // Listpack.
    /// The blob's length and the header's total differ.
    ListpackSize { total: u64, have: u64 } => "listpack-size", "a listpack of {total} bytes", "{have}";
    /// The end byte is missing.
    ListpackEnd { byte: u8 } => "listpack-end", "0xff at the end of the listpack", "0x{byte:02x}";
    /// An entry that begins with a byte no encoding has, or runs past the end.
    ListpackEntry { byte: u8 } => "listpack-entry", "a listpack entry that fits", "an entry that begins with 0x{byte:02x} and does not";
    /// The back length of an entry is not its length.
    ListpackBacklen { want: u64, found: u64 } => "listpack-backlen", "a back length of {want}", "one of {found}";
    /// The header's count differs from the entries.
    ListpackCount { header: u64, entries: u64 } => "listpack-count", "{header} entries, as the header says", "{entries}";

    // Ziplist.
    /// The blob's length and the header's differ.
    ZiplistSize { total: u64, have: u64 } => "ziplist-size", "a ziplist of {total} bytes", "{have}";
    /// The end byte is missing.
    ZiplistEnd { byte: u8 } => "ziplist-end", "0xff at the end of the ziplist", "0x{byte:02x}";
    /// The tail offset does not point at the last entry.
    ZiplistTail { tail: u64, want: u64 } => "ziplist-tail", "a tail offset of {want}", "{tail}";
    /// An entry that begins with a byte no encoding has, or runs past the end.
    ZiplistEntry { byte: u8 } => "ziplist-entry", "a ziplist entry that fits", "an entry with the encoding 0x{byte:02x} that does not";
    /// The length of the previous entry is not what the entry says.
    ZiplistPrevlen { want: u64, found: u64 } => "ziplist-prevlen", "a previous entry of {want} bytes", "{found}";
    /// The header's count differs from the entries.
    ZiplistCount { header: u64, entries: u64 } => "ziplist-count", "{header} entries, as the header says", "{entries}";

    // Zipmap.
    /// An entry runs past the end, or the end byte is missing.
    ZipmapEntry => "zipmap-entry", "a zipmap that ends with 0xff behind its last pair", "an entry that runs past the end";
    /// A long form of a length that the short one could say.
    ZipmapLength { len: u32 } => "zipmap-length", "a length below 254 in one byte", "{len} in five";
    /// The one count that is neither a count nor says that pairs must be counted.
    ZipmapCountByte => "zipmap-count-byte", "a count up to 253, or 254 where pairs must be counted", "255";
    /// The header's count differs from the pairs.
    ZipmapCount { header: u64, entries: u64 } => "zipmap-count", "{header} pairs, as the header says", "{entries}";

    // Streams.
    /// A node key that is not two 64-bit numbers.
    StreamNodeKey { bytes: u64 } => "stream-node-key", "a node key of 16 bytes", "{bytes}";
    /// Two nodes with one key, or nodes out of order.
    StreamNodeOrder => "stream-node-order", "nodes by ascending id", "a node at or below the one before";
    /// An element that must be an integer is none, or out of range.
    StreamInteger => "stream-integer", "an integer from the range of its field", "text that servers do not write for one, or a number out of range";
    /// A node whose head or entries do not add up.
    StreamNode { live: u64, deleted: u64, found_live: u64, found_deleted: u64 } => "stream-node", "{live} live and {deleted} deleted entries in the node, as its head says", "{found_live} live and {found_deleted} deleted ones";
    /// The head of a node that does not end with 0.
    StreamHeadEnd { found: i64 } => "stream-head-end", "0 behind the fields of the node's head", "{found}";
    /// A node that ends in the middle of its head or of an entry.
    StreamNodeEnd => "stream-node-end", "a whole head and whole entries in the node", "its end in the middle of one";
    /// The count of elements at the end of an entry is wrong.
    StreamEntryCount { want: u64, found: i64 } => "stream-entry-count", "{want} elements in the entry", "{found}";
    /// Ids must ascend, and lie within the stream.
    StreamIdOrder => "stream-id-order", "ids in ascending order", "an id at or below the one before";
    /// The declared length is not the number of live entries.
    StreamLength { want: u64, found: u64 } => "stream-length", "a length of {found}, the number of live entries", "{want}";
    /// Entries are declared but no node holds them.
    StreamNoNodes { length: u64 } => "stream-no-nodes", "nodes that hold the {length} entries", "none";
    /// The counter of entries ever added is below the length, or no signed number.
    StreamAdded { added: u64, length: u64 } => "stream-entries-added", "{length} to 2^63-1 entries ever added", "{added}";
    /// A group has read more entries than were ever added.
    StreamRead { read: u64, added: u64 } => "stream-entries-read", "at most {added} entries read by the group", "{read}";
    /// Two groups, consumers or producers of one name.
    StreamDuplicateName => "stream-duplicate-name", "every group, consumer and producer once", "a name that was there before";
    /// An id stands twice in a pending list.
    StreamDuplicatePending => "stream-duplicate-pending", "every pending id once", "an id that was there before";
    /// A consumer's pending id that the group does not have.
    StreamUnknownPending => "stream-unknown-pending", "pending ids of the consumer among those of the group", "one that the group does not have";
    /// A pending id that no consumer owns.
    StreamUnownedPending { ids: u64 } => "stream-unowned-pending", "an owner for every pending id", "{ids} without";
    /// A pending id that two consumers own, or a nacked one that has an owner.
    StreamSharedPending => "stream-shared-pending", "one owner for a pending id", "a second one";
    /// A limit of idempotent producers that is out of range.
    StreamIdempotence { value: u64, limit: u64 } => "stream-idempotence", "a value from 1 to {limit}", "{value}";

    // Modules, arrays, templates.
    /// An opcode that module values do not have.
    ModuleOpcode { opcode: u64 } => "module-opcode", "a module opcode 0 to 5", "{opcode}";
    /// The point at which auxiliary data is loaded.
    ModuleWhen { when: u64 } => "module-when", "1 (before the keys) or 2 (after them)", "{when}";
    /// Key metadata of more classes than a key can have.
    KeyMetaCount { count: u64 } => "key-meta-count", "at most 7 classes of key metadata", "{count}";
    /// An index that an array cannot have.
    ArrayIndex => "array-index", "an index up to 2^64-2", "2^64-1";
    /// Cells out of order or repeated: of two with one index the last one stays.
    ArrayOrder { index: u64 } => "array-order", "cells by ascending index", "cell {index} at or below the one before";
    /// The flag that says whether an insert position follows.
    ArrayFlag { flag: u64 } => "array-flag", "0 or 1", "{flag}";
    /// A tag that no array element has.
    ArrayTag { tag: u64 } => "array-tag", "an element tag 0 to 3", "{tag}";
    /// A short string of an array that is not short.
    ArrayShort { bytes: u64 } => "array-short", "at most 7 bytes", "{bytes}";
    /// A hash that refers to a template that was not defined before it.
    TemplateUnknown { id: u64 } => "template-unknown", "a template defined before the hash", "template {id}, which was not";
    /// A template that is defined twice.
    TemplateDuplicate { id: u64 } => "template-duplicate", "every template id once", "template {id} again";
    /// Names of a template must ascend by length, then bytes.
    TemplateOrder { index: u64 } => "template-order", "field names by ascending length, then bytes", "name {index} not above the one before";
    /// A hash with another number of values than its template has names.
    TemplateValues { names: u64, values: u64 } => "template-values", "{names} values, one for each name of the template", "{values}";
    /// A hash in a listpack that does not begin with the id of its template.
    TemplateIdText => "template-id-text", "an integer as template id in front of the values", "text, or nothing";
    /// The form of the names in a DUMP payload.
    TemplateForm { form: u64 } => "template-form", "0 (listpack) or 1 (strings)", "{form}";
    /// A type that DUMP payloads, or files, never hold.
    TypePlace { byte: u8 } => "type-place", "a type that may stand here", "0x{byte:02x}, which may not";

    // Logs.
    /// A byte where a command or an annotation must begin.
    CommandStart { byte: u8 } => "command-start", "a command (*) or an annotation (#)", "the byte 0x{byte:02x}";
    /// A command of no arguments, or of a negative number of them.
    CommandCount { count: i64 } => "command-count", "a command of at least one argument", "{count}";
    /// A byte where the header of an argument must begin.
    ArgumentStart { byte: u8 } => "argument-start", "the header of an argument ($)", "the byte 0x{byte:02x}";
    /// An argument of a negative length, or of one that no memory holds.
    ArgumentLength { length: i64 } => "argument-length", "an argument of 0 or more bytes", "a length of {length}";
    /// An annotation that is longer than the loader's line buffer.
    AnnotationLength { limit: u64 } => "annotation-length", "an annotation of at most {limit} bytes with its line end", "a longer one";
}

impl Fault {
    /// Whether more bytes could mend it: the one fault that a window answers by widening.
    #[inline]
    pub fn is_truncated(&self) -> bool {
        matches!(self, Fault::Truncated { .. })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, found {}", self.expected(), self.found())
    }
}
