//! The snapshot in front of a log, copied record by record: entries that a filter keeps go over as
//! they lie, with another key where it has a new name.
//!
//! ```text
//! records │ entry: prefixes, type │ key │ value │ records … FF checksum
//!           as it lies             new   as it lies           computed anew
//! ```
//!
//! Hints of how many keys come (RESIZEDB, SLOT_INFO) are left out where keys may go: servers need
//! none. The danger is two databases, or two names, that become one: a key would stand there twice,
//! and no server loads that.

use std::collections::BTreeMap;

use super::merged::Merged;
use super::renamed::Renamed;
use super::rules::Rules;
use crate::bytes::{Input, crc64};
use crate::error::{Doing, Error, FormatError, Result, unwrap_bad};
use crate::ops::sound;
use crate::ops::walk::Observer;
use crate::rdb::object::Checker;
use crate::rdb::{Entry, Framer, HEADER_BYTES, Header, Record, Target, length, opcode};
use crate::report::rewrite::SnapshotReport;
use crate::source::Feed;

/// Bytes are given back to the window in steps of this size.
const STEP_BYTES: usize = 256 << 10;

/// Where bytes go.
pub(super) type Put<'p> = &'p mut dyn FnMut(&[u8]) -> Result<()>;

/// Copies the snapshot at the feed's position; afterwards the feed stands behind it.
pub(super) fn copy(
    feed: &mut Feed,
    rules: &Rules,
    put: Put<'_>,
    merged: &mut Merged,
    observer: &dyn Observer,
) -> Result<SnapshotReport> {
    while feed.buffer().len() < HEADER_BYTES && feed.more()? {}
    let header = match Header::parse(feed.buffer()) {
        Ok((_, header)) => header,
        Err(error) => {
            let fault = unwrap_bad(error).fault;
            let doing = Doing::Header;
            let error = FormatError { file: None, offset: 0, doing, key: None, fault };
            return Err(Box::new(error).into());
        }
    };
    let start = feed.position();
    let mut copy = Copy {
        rules,
        put,
        crc: 0,
        read_crc: 0,
        report: SnapshotReport { read_keys: Some(0), written_keys: Some(0), ..Default::default() },
        databases: BTreeMap::new(),
        asks: !rules.keeps_snapshots(),
        renamed: Renamed::new(&rules.rename),
        taker: Target::of_header(header),
        checker: Checker::default(),
    };
    let mut framer = Framer::new(header);
    let head = feed.buffer().get(..HEADER_BYTES).unwrap_or_default();
    copy.write(head)?;
    copy.read_crc = crc64::update(0, head);
    feed.consume(HEADER_BYTES);
    loop {
        let buffer = feed.buffer();
        let mut at = 0;
        let mut wanting = None;
        let mut ended = false;
        while at < STEP_BYTES && !ended {
            let rest = buffer.get(at..).unwrap_or_default();
            match framer.next(rest, feed.position() + at as u64) {
                Ok((record, behind)) => {
                    let raw = rest.get(..rest.len() - behind.len()).unwrap_or_default();
                    ended = matches!(record, Record::End { .. });
                    copy.record(&record, raw)?;
                    at += raw.len();
                }
                Err(error) => {
                    wanting = Some(error);
                    break;
                }
            }
        }
        feed.consume(at);
        observer.progress(feed.position());
        if ended {
            break;
        }
        if let Some(error) = wanting
            && !(error.fault.is_truncated() && feed.more()?)
        {
            return Err(error.into());
        }
    }
    copy.report.read_bytes = feed.position() - start;
    copy.databases.values().for_each(|db| merged.note(*db));
    Ok(copy.report)
}

struct Copy<'c> {
    rules: &'c Rules,
    put: Put<'c>,
    crc: u64,
    read_crc: u64,
    report: SnapshotReport,
    /// The database that each one in the output comes from.
    databases: BTreeMap<u64, u64>,
    asks: bool,
    renamed: Renamed<'c>,
    /// Whoever is to load it: the server that wrote it.
    taker: Target,
    checker: Checker,
}

impl Copy<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.crc = crc64::update(self.crc, bytes);
        self.report.written_bytes += bytes.len() as u64;
        (self.put)(bytes)
    }

    fn record(&mut self, record: &Record<'_>, raw: &[u8]) -> Result<()> {
        if let Record::End { checksum } = record {
            return self.end(*checksum, raw);
        }
        self.read_crc = crc64::update(self.read_crc, raw);
        if let Record::Entry(entry) = record {
            *self.report.read_keys.get_or_insert(0) += 1;
            return self.entry(entry, raw);
        }
        if !self.asks {
            return self.write(raw);
        }
        match record {
            Record::SelectDb(db) if self.rules.maps_databases() => {
                let mut out = vec![opcode::SELECT_DB];
                push_length(&mut out, self.rules.mapped(*db));
                self.write(&out)
            }
            Record::ResizeDb { .. } | Record::SlotInfo { .. } => Ok(()),
            _ => self.write(raw),
        }
    }

    fn entry(&mut self, entry: &Entry<'_>, raw: &[u8]) -> Result<()> {
        let key = entry.key_bytes()?;
        if self.asks {
            if !self.rules.filter.matches_db(entry.db) || !self.rules.filter.matches_key(&key) {
                return Ok(());
            }
            let to = self.rules.mapped(entry.db);
            let from = *self.databases.entry(to).or_insert(entry.db);
            if from != entry.db {
                return Err(Error::Usage(format!(
                    "databases {from} and {} of the snapshot would both become database {to}, and a \
                     key may be in both: keep one of them out with --not-db",
                    entry.db
                )));
            }
        }
        sound::value(&mut self.checker, entry, &self.taker)?;
        *self.report.written_keys.get_or_insert(0) += 1;
        let Some(new) = self.renamed.name(entry.db, &key)? else {
            return self.write(raw);
        };
        let head = key_start(raw, entry).unwrap_or_default();
        let mut out = raw.get(..head).unwrap_or_default().to_vec();
        push_length(&mut out, new.len() as u64);
        out.extend_from_slice(&new);
        self.write(&out)?;
        self.write(entry.body())
    }

    fn end(&mut self, stored: Option<u64>, raw: &[u8]) -> Result<()> {
        self.read_crc = crc64::update(self.read_crc, raw.get(..1).unwrap_or_default());
        if let Some(stored) = stored
            && stored != 0
            && stored != self.read_crc
        {
            return Err(Error::Source(format!(
                "the snapshot in front of the log has checksum {stored:016x} but its bytes have \
                 {:016x}: rdbkit repair saves what is sound",
                self.read_crc
            )));
        }
        if !self.asks {
            return self.write(raw);
        }
        self.write(&[opcode::EOF])?;
        match stored {
            // Its writer had checksums switched off.
            Some(0) => self.write(&[0; 8]),
            Some(_) => self.write(&self.crc.to_le_bytes()),
            None => Ok(()),
        }
    }
}

/// Where the key of an entry begins in its bytes.
fn key_start(raw: &[u8], entry: &Entry<'_>) -> Option<usize> {
    let mut at = 0;
    loop {
        at += 1 + match *raw.get(at)? {
            opcode::EXPIRE_MS => 8,
            opcode::EXPIRE_SECS => 4,
            opcode::FREQ => 1,
            opcode::IDLE => {
                let rest = raw.get(at + 1..)?;
                rest.len() - length(rest).ok()?.0.len()
            }
            opcode::KEY_META_OR_SLOT_IMPORT => entry.meta?.len(),
            _ => return Some(at + 1),
        };
    }
}

/// A length, as short as it can be.
fn push_length(out: &mut Vec<u8>, length: u64) {
    match (u8::try_from(length), u32::try_from(length)) {
        (Ok(short @ 0..64), _) => out.push(short),
        (_, Ok(middle @ 0..16384)) => {
            let [_, _, high, low] = middle.to_be_bytes();
            out.extend_from_slice(&[0x40 | high, low]);
        }
        (_, Ok(long)) => {
            out.push(0x80);
            out.extend_from_slice(&long.to_be_bytes());
        }
        _ => {
            out.push(0x81);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::filter::{Criteria, Filter};
    use crate::ops::rewrite::rules::Rename;
    use crate::ops::walk::Silent;
    use crate::rdb::Snapshot;

    /// Database 0: `user:1` = 1 with an expiry and an idle time, `user:2` = x; database 3: `tags`.
    const FILE: &[u8] = b"REDIS0009\xfe\x00\xfb\x02\x01\xfc\x10\x27\0\0\0\0\0\0\xf8\x41\x00\x00\
        \x06user:1\xc0\x01\x00\x06user:2\x01x\xfe\x03\x0b\x04tags\x0a\x02\0\0\0\x01\0\0\0\x01\0\xff";

    #[test]
    fn lengths_are_as_short_as_they_can_be() {
        for n in [0, 63, 64, 16383, 16384, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            let mut out = Vec::new();
            push_length(&mut out, n);
            assert_eq!(length(&out).unwrap(), (&[][..], n));
        }
    }

    #[test]
    fn without_rules_it_is_the_same() {
        assert_eq!(copied(FILE, &Rules::default()).unwrap(), signed(FILE));
    }

    #[test]
    fn keys_are_filtered_renamed_and_moved() {
        let prefix = Criteria { prefixes: vec![b"user:".to_vec()], ..Criteria::default() };
        let filter = Filter::new(&prefix, &Criteria::default(), 0).unwrap();
        let rename = vec![Rename::new(b"user:*=a-much-longer-name-than-before:*").unwrap()];
        check(&Rules { filter: filter.clone(), ..Rules::default() }, "0 user:1 10000, 0 user:2");
        let rules = Rules { rename, ..Rules::default() };
        let want =
            "0 a-much-longer-name-than-before:1 10000, 0 a-much-longer-name-than-before:2, 3 tags";
        check(&rules, want);
        let swap = |pairs: &[(u64, u64)]| Rules {
            map_db: pairs.iter().copied().collect(),
            ..Rules::default()
        };
        check(&swap(&[(3, 70), (0, 3)]), "3 user:1 10000, 3 user:2, 70 tags");
        let error = copied(FILE, &swap(&[(3, 0)])).unwrap_err().to_string();
        assert!(error.contains("both become database 0"), "{error}");
        check(&Rules { filter, ..swap(&[(0, 3)]) }, "3 user:1 10000, 3 user:2");
    }

    #[test]
    fn a_snapshot_without_a_checksum_stays_so() {
        let rename = vec![Rename::new(b"user:*=u:*").unwrap()];
        let unsigned = [FILE, &[0; 8]].concat();
        let out = copied_raw(unsigned, &Rules { rename, ..Rules::default() }).unwrap();
        assert_eq!(out[out.len() - 9..], [0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn names_that_become_one_are_refused() {
        let rename = vec![Rename::new(b"user:1=user:2").unwrap()];
        let error = copied(FILE, &Rules { rename, ..Rules::default() }).unwrap_err().to_string();
        assert!(error.contains(r#""user:1" and "user:2" of db 0"#), "{error}");
    }

    #[test]
    fn what_is_not_sound_is_refused() {
        let mut bytes = signed(FILE);
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert!(copied_raw(bytes, &Rules::default()).is_err());
        assert!(copied_raw(FILE[..40].to_vec(), &Rules::default()).is_err());
    }

    fn signed(file: &[u8]) -> Vec<u8> {
        [file, &crc64::plain(0, file).to_le_bytes()].concat()
    }

    fn copied(file: &[u8], rules: &Rules) -> Result<Vec<u8>> {
        copied_raw(signed(file), rules)
    }

    fn copied_raw(bytes: Vec<u8>, rules: &Rules) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut feed = Feed::of_bytes(bytes);
        copy(
            &mut feed,
            rules,
            &mut |bytes| {
                out.extend_from_slice(bytes);
                Ok(())
            },
            &mut Merged::default(),
            &Silent,
        )?;
        Ok(out)
    }

    #[track_caller]
    fn check(rules: &Rules, want: &str) {
        let out = copied(FILE, rules).unwrap();
        assert_eq!(crc64::plain(0, &out[..out.len() - 8]).to_le_bytes(), out[out.len() - 8..]);
        let keys: Vec<String> = Snapshot::new(&out)
            .unwrap()
            .entries()
            .map(|entry| {
                let entry = entry.unwrap();
                let key = String::from_utf8(entry.key_bytes().unwrap().into_owned()).unwrap();
                let expiry = entry.expires_at_ms.map(|ms| format!(" {ms}")).unwrap_or_default();
                format!("{} {key}{expiry}", entry.db)
            })
            .collect();
        assert_eq!(keys.join(", "), want);
    }
}
