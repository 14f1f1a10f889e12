//! Records: what a snapshot is made of, as views into it.

use super::{Entry, Framer, Header, Text};
use crate::error::{Doing, FormatError, unwrap_bad};

/// One record of a snapshot.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Record<'a> {
    /// A name and a text about the file.
    Aux {
        /// The name.
        name: Text<'a>,
        /// The text.
        value: Text<'a>,
    },
    /// The database of the keys that follow.
    SelectDb(u64),
    /// A hint at how many keys the database holds.
    ResizeDb {
        /// Keys.
        keys: u64,
        /// Keys with an expiry.
        expires: u64,
    },
    /// A slot and what it holds, before its first key (Redis 7.4 and newer, cluster mode).
    SlotInfo {
        /// The slot.
        slot: u64,
        /// Keys.
        keys: u64,
        /// Keys with an expiry.
        expires: u64,
    },
    /// A function library: its source.
    Function(Text<'a>),
    /// A function library as release candidates of Redis 7.0 wrote it.
    FunctionPreGa {
        /// The library's name.
        name: Text<'a>,
        /// The engine.
        engine: Text<'a>,
        /// A description, if there is one.
        description: Option<Text<'a>>,
        /// The source without its first line.
        body: Text<'a>,
    },
    /// What a module wants to remember besides its keys.
    ModuleAux {
        /// The module's id.
        id: u64,
        /// 1 before the keys, 2 after them.
        when: u64,
        /// The opcode stream behind them, its end marker included.
        body: &'a [u8],
    },
    /// A slot import in progress (Valkey 9).
    SlotImport {
        /// The job's name, 40 bytes.
        job: &'a [u8],
        /// The pairs of first and last slot, as lengths.
        ranges: &'a [u8],
    },
    /// A template of hash fields (Redis 8.10).
    HashTemplate {
        /// Its id.
        id: u64,
        /// How many names it has.
        names: u64,
        /// The names, as strings.
        body: &'a [u8],
    },
    /// A key.
    Entry(Entry<'a>),
    /// The end marker, and the checksum behind it where the version has one.
    End {
        /// The checksum as stored; 0 says that none was computed.
        checksum: Option<u64>,
    },
}

/// A snapshot whose bytes are all at hand.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot<'a> {
    header: Header,
    bytes: &'a [u8],
}

impl<'a> Snapshot<'a> {
    /// Looks at the header.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Box<FormatError>> {
        let (_, header) = Header::parse(bytes).map_err(|error| {
            let bad = unwrap_bad(error);
            let offset = (bytes.len() - bad.at.len()) as u64;
            FormatError { file: None, offset, doing: Doing::Header, key: None, fault: bad.fault }
        })?;
        Ok(Snapshot { header, bytes })
    }

    /// Magic and version.
    pub fn header(&self) -> Header {
        self.header
    }

    /// All records, the end included; the first error ends the iteration.
    pub fn records(&self) -> Records<'a> {
        let rest = self.bytes.get(super::HEADER_BYTES..).unwrap_or_default();
        Records {
            framer: Framer::new(self.header),
            rest,
            offset: super::HEADER_BYTES as u64,
            done: false,
        }
    }

    /// All keys.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry<'a>, Box<FormatError>>> + use<'a> {
        self.records().filter_map(|record| match record {
            Ok(Record::Entry(entry)) => Some(Ok(entry)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }
}

/// See [`Snapshot::records`].
#[derive(Debug)]
pub struct Records<'a> {
    framer: Framer,
    rest: &'a [u8],
    offset: u64,
    done: bool,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Box<FormatError>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        match self.framer.next(self.rest, self.offset) {
            Ok((record, rest)) => {
                self.done = matches!(record, Record::End { .. });
                self.offset += (self.rest.len() - rest.len()) as u64;
                self.rest = rest;
                Some(Ok(record))
            }
            Err(error) => {
                self.done = true;
                Some(Err(error))
            }
        }
    }
}
