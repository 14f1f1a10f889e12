//! What a log is made of: commands by name, databases, times.
//!
//! A [`LogTally`], so that pieces of a log are counted side by side. What a piece cannot know from
//! its own bytes, the database and the time at its start, it counts apart, until the piece before
//! it tells. All of it is bounded: past a limit, names and databases are folded into one, and the
//! buckets of time double in width.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::annotation::Annotation;
use super::walk::LogTally;
use crate::resp::Command;

/// How many distinct names are kept apart. Servers have about 400 commands, modules add some.
const NAMES: usize = 2048;
/// Longer names are cut: no server has them, so they are damage or an attack.
const NAME_BYTES: usize = 64;
/// How many databases are kept apart.
const DATABASES: usize = 4096;
/// How much of the key of the biggest command is kept.
const KEY_BYTES: usize = 256;
/// How many buckets of time are kept at most.
const BUCKETS: usize = 120;

/// How often, and how many bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Volume {
    /// Commands.
    pub commands: u64,
    /// The bytes of their frames.
    pub bytes: u64,
}

impl Volume {
    fn add(&mut self, later: Volume) {
        self.commands += later.commands;
        self.bytes += later.bytes;
    }
}

/// The biggest command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Biggest {
    /// Where it begins.
    pub offset: u64,
    /// The bytes of its frame.
    pub size_bytes: u64,
    /// Its name in upper case, cut to 64 bytes.
    pub name: Vec<u8>,
    /// Its first argument, cut to 256 bytes.
    pub key: Option<Vec<u8>>,
}

/// Commands over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    /// How many seconds a bucket is wide: a power of two.
    pub width_secs: u64,
    /// The commands by the second in which their bucket begins, a multiple of the width.
    pub buckets: BTreeMap<u64, u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { width_secs: 1, buckets: BTreeMap::new() }
    }
}

impl Histogram {
    fn add(&mut self, secs: u64, commands: u64) {
        if commands == 0 {
            return;
        }
        *self.buckets.entry(secs & !(self.width_secs - 1)).or_default() += commands;
        while self.buckets.len() > BUCKETS {
            self.widen(self.width_secs.saturating_mul(2));
        }
    }

    fn widen(&mut self, width_secs: u64) {
        self.width_secs = width_secs;
        let mut wide = BTreeMap::new();
        for (&secs, commands) in &self.buckets {
            *wide.entry(secs & !(width_secs - 1)).or_default() += commands;
        }
        self.buckets = wide;
    }

    fn merge(&mut self, later: Histogram) {
        if self.width_secs < later.width_secs {
            self.widen(later.width_secs);
        }
        for (secs, commands) in later.buckets {
            self.add(secs, commands);
        }
    }
}

/// Where the volumes of short names are, as they were written: logs repeat a few of them over and
/// over, and this saves hashing them.
#[derive(Debug, Clone)]
pub(super) struct Recent([(u64, usize, usize); 64]);

impl Default for Recent {
    fn default() -> Self {
        // No name has no length.
        Recent([(0, 0, 0); 64])
    }
}

/// What is remembered changes nothing.
impl PartialEq for Recent {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Recent {}

impl Recent {
    /// All bytes of a name of 1 to 8 in one number, which together with its length is the name.
    #[inline(always)]
    fn pack(name: &[u8]) -> Option<u64> {
        match (name, name.first_chunk::<4>(), name.last_chunk::<4>()) {
            (_, Some(head), Some(tail)) if name.len() <= 8 => Some(
                u64::from(u32::from_le_bytes(*head)) | u64::from(u32::from_le_bytes(*tail)) << 32,
            ),
            (&[a, b, c], ..) => Some(u64::from(u32::from_le_bytes([a, b, c, 0]))),
            (&[a, b], ..) => Some(u64::from(u32::from_le_bytes([a, b, 0, 0]))),
            (&[a], ..) => Some(u64::from(a)),
            _ => None,
        }
    }

    #[inline(always)]
    fn slot(packed: u64) -> usize {
        (packed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize
    }

    #[inline(always)]
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        let packed = Self::pack(name)?;
        let &(known, length, at) = self.0.get(Self::slot(packed))?;
        (known == packed && length == name.len()).then_some(at)
    }

    pub(super) fn keep(&mut self, name: &[u8], at: usize) {
        if let Some(packed) = Self::pack(name)
            && let Some(slot) = self.0.get_mut(Self::slot(packed))
        {
            *slot = (packed, name.len(), at);
        }
    }
}

/// What a log is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogStats {
    /// Where in `volumes` a name in upper case has its own.
    names: HashMap<Box<[u8]>, usize>,
    volumes: Vec<Volume>,
    recent: Recent,
    other_names: Volume,
    selects: u64,
    databases: BTreeMap<u64, u64>,
    other_databases: u64,
    /// The database that is selected; before the first SELECT of a piece, unknown.
    database: Option<u64>,
    /// Commands since the last SELECT, or since the start of the piece.
    in_database: u64,
    /// Commands of a piece before its first SELECT.
    before_select: u64,
    biggest: Option<Biggest>,
    histogram: Histogram,
    first_secs: Option<u64>,
    last_secs: Option<u64>,
    /// Commands since the last time, or since the start of the piece.
    since_time: u64,
    /// Commands before the first time.
    before_time: u64,
}

impl LogStats {
    /// For the start of a log, where database 0 is selected.
    pub fn at_start() -> Self {
        LogStats { database: Some(0), ..LogStats::default() }
    }

    /// The commands by name in upper case, most bytes first.
    pub fn names(&self) -> Vec<(&[u8], Volume)> {
        let volume = |at: &usize| self.volumes.get(*at).copied().unwrap_or_default();
        let mut names: Vec<_> = self.names.iter().map(|(name, at)| (&**name, volume(at))).collect();
        names.sort_by(|(a, x), (b, y)| y.bytes.cmp(&x.bytes).then(a.cmp(b)));
        names
    }

    /// The names in the order in which they were met, so that the same ones are kept apart in
    /// however many pieces a log is counted.
    fn names_as_met(&self) -> Vec<(&[u8], Volume)> {
        let mut names: Vec<_> = self.names.iter().map(|(name, &at)| (at, &**name)).collect();
        names.sort_unstable();
        names.into_iter().map(|(_, name)| name).zip(self.volumes.iter().copied()).collect()
    }

    /// Commands with names past the number that is kept apart.
    pub fn other_names(&self) -> Volume {
        self.other_names
    }

    /// How many SELECTs there are.
    pub fn selects(&self) -> u64 {
        self.selects
    }

    /// The commands by database, SELECT itself not counted.
    pub fn databases(&self) -> BTreeMap<u64, u64> {
        let mut databases = self.databases.clone();
        if let Some(database) = self.database.filter(|_| self.in_database > 0) {
            *databases.entry(database).or_default() += self.in_database;
        }
        databases
    }

    /// Commands in databases past the number that is kept apart.
    pub fn other_databases(&self) -> u64 {
        self.other_databases
    }

    /// The biggest command.
    pub fn biggest(&self) -> Option<&Biggest> {
        self.biggest.as_ref()
    }

    /// The first and the last time that annotations give, in unix seconds.
    pub fn time_range_secs(&self) -> Option<(u64, u64)> {
        self.first_secs.zip(self.last_secs)
    }

    /// Commands over time. A command belongs to the time in front of it.
    pub fn histogram(&self) -> Histogram {
        let mut histogram = self.histogram.clone();
        if let Some(secs) = self.last_secs {
            histogram.add(secs, self.since_time);
        }
        histogram
    }

    /// Commands per second, from the first time to the last; the last second counts as one.
    pub fn commands_per_sec(&self) -> Option<f64> {
        let (first, last) = self.time_range_secs()?;
        let timed: u64 = self.histogram().buckets.values().sum();
        let secs = last.checked_sub(first)? + 1;
        Some(timed as f64 / secs as f64)
    }

    #[inline]
    fn name(&mut self, name: &[u8], volume: Volume) {
        let at = match self.recent.find(name) {
            Some(at) => at,
            None => self.look_up(name),
        };
        match self.volumes.get_mut(at) {
            Some(known) => known.add(volume),
            None => self.other_names.add(volume),
        }
    }

    /// Where a name has its volume; past the number that is kept apart, nowhere.
    #[cold]
    fn look_up(&mut self, name: &[u8]) -> usize {
        let mut upper = [0; NAME_BYTES];
        let upper = upper_case(name, &mut upper);
        let at = match self.names.get(upper) {
            Some(&at) => at,
            None if self.volumes.len() < NAMES => {
                self.volumes.push(Volume::default());
                let at = self.volumes.len() - 1;
                self.names.insert(upper.into(), at);
                at
            }
            None => return usize::MAX,
        };
        self.recent.keep(name, at);
        at
    }

    /// Files what was counted since the last SELECT under the database it was counted for.
    fn leave_database(&mut self) {
        let commands = std::mem::take(&mut self.in_database);
        match self.database {
            _ if commands == 0 => {}
            None => self.before_select += commands,
            Some(database) => self.file_database(database, commands),
        }
    }

    fn file_database(&mut self, database: u64, commands: u64) {
        if self.databases.len() < DATABASES || self.databases.contains_key(&database) {
            *self.databases.entry(database).or_default() += commands;
        } else {
            self.other_databases += commands;
        }
    }

    fn select(&mut self, command: &Command) {
        self.selects += 1;
        // One that a server would not follow leaves the database as it is.
        let Some(database) = command.args().next().and_then(database) else { return };
        self.leave_database();
        self.database = Some(database);
    }

    /// Files what was counted since the last time under that time.
    fn leave_time(&mut self) {
        let commands = std::mem::take(&mut self.since_time);
        match self.last_secs {
            None => self.before_time += commands,
            Some(secs) => self.histogram.add(secs, commands),
        }
    }

    fn note_biggest(&mut self, offset: u64, command: &Command) {
        let mut name = [0; NAME_BYTES];
        let key = command.args().next().map(|key| key.get(..KEY_BYTES).unwrap_or(key).to_vec());
        self.biggest = Some(Biggest {
            offset,
            size_bytes: command.size_bytes(),
            name: upper_case(command.name(), &mut name).to_vec(),
            key,
        });
    }
}

impl LogTally for LogStats {
    fn fork(&self) -> Self {
        LogStats::default()
    }

    #[inline]
    fn command(&mut self, offset: u64, command: &Command) {
        let bytes = command.size_bytes();
        self.name(command.name(), Volume { commands: 1, bytes });
        self.since_time += 1;
        if command.name().len() == 6 && command.is("SELECT") {
            self.select(command);
        } else {
            self.in_database += 1;
        }
        if self.biggest.as_ref().is_none_or(|biggest| biggest.size_bytes < bytes) {
            self.note_biggest(offset, command);
        }
    }

    fn annotation(&mut self, _: u64, annotation: &Annotation) {
        if let Some(secs) = annotation.timestamp_secs() {
            self.leave_time();
            self.first_secs.get_or_insert(secs);
            self.last_secs = Some(secs);
        }
    }

    fn merge(&mut self, later: Self) {
        for (name, volume) in later.names_as_met() {
            self.name(name, volume);
        }
        self.other_names.add(later.other_names);

        self.selects += later.selects;
        if later.database.is_some() {
            self.in_database += later.before_select;
            self.leave_database();
            for (database, commands) in later.databases {
                self.file_database(database, commands);
            }
            self.other_databases += later.other_databases;
            self.database = later.database;
        }
        self.in_database += later.in_database;

        if later.last_secs.is_some() {
            self.since_time += later.before_time;
            self.leave_time();
            self.histogram.merge(later.histogram);
            self.first_secs = self.first_secs.or(later.first_secs);
            self.last_secs = later.last_secs;
        }
        self.since_time += later.since_time;

        // The first of equals is the biggest, whichever way the log was cut.
        let size = |biggest: &Option<Biggest>| biggest.as_ref().map_or(0, |b| b.size_bytes);
        if size(&later.biggest) > size(&self.biggest) {
            self.biggest = later.biggest;
        }
    }
}

fn upper_case<'a>(name: &[u8], room: &'a mut [u8; NAME_BYTES]) -> &'a [u8] {
    let length = name.len().min(NAME_BYTES);
    for (to, from) in room.iter_mut().zip(name) {
        *to = from.to_ascii_uppercase();
    }
    room.get(..length).unwrap_or(&[])
}

/// The number of a database, as SELECT reads it.
fn database(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 10 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |n, b| n * 10 + u64::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::{LogStats, Volume};
    use crate::aof::scan::{ScanOptions, scan};
    use crate::resp::encode;

    fn log() -> Vec<u8> {
        let mut out = Vec::new();
        encode::command(&mut out, ["set", "a", "1"]);
        out.extend(b"#TS:100\r\n");
        encode::command(&mut out, ["SELECT", "3"]);
        encode::command(&mut out, ["SET", "b", "22"]);
        encode::command(&mut out, ["HSET", "c", "f", "a longer value"]);
        out.extend(b"#TS:103\r\n");
        encode::command(&mut out, ["SELECT", "x"]);
        encode::command(&mut out, ["DEL", "b"]);
        encode::command(&mut out, ["select", "0"]);
        encode::command(&mut out, ["DEL", "a"]);
        out
    }

    #[test]
    fn a_log_is_counted() {
        let log = log();
        let options = ScanOptions::default();
        let (_, stats) = scan(&log, 0, &options, LogStats::at_start(), &|_| {}).unwrap();
        let names: Vec<_> = stats.names().into_iter().map(|(n, v)| (n.to_vec(), v)).collect();
        assert_eq!(names.len(), 4);
        assert_eq!(names[0].0, b"SELECT");
        assert!(names.contains(&(b"SET".to_vec(), Volume { commands: 2, bytes: 27 + 28 })));
        assert_eq!(stats.selects(), 3);
        assert_eq!(stats.databases().into_iter().collect::<Vec<_>>(), [(0, 2), (3, 3)]);
        assert_eq!(stats.time_range_secs(), Some((100, 103)));
        let histogram = stats.histogram();
        assert_eq!(histogram.buckets.into_iter().collect::<Vec<_>>(), [(100, 3), (103, 4)]);
        assert_eq!(stats.commands_per_sec(), Some(7.0 / 4.0));
        let biggest = stats.biggest().unwrap();
        assert_eq!((&biggest.name[..], biggest.key.as_deref()), (&b"HSET"[..], Some(&b"c"[..])));
        let frame = &log[biggest.offset as usize..][..biggest.size_bytes as usize];
        assert!(frame.starts_with(b"*4\r\n$4\r\nHSET") && frame.ends_with(b"value\r\n"));
    }

    #[test]
    fn names_differ_by_every_byte() {
        let names = ["a", "b", "ab", "abc", "abd", "abcd", "abcdefgh", "abcdefgi", "abxdefgh"];
        let long = ["abcdefghi", "abcdefghj", ""];
        let mut out = Vec::new();
        for name in names.iter().chain(&long).cycle().take(600) {
            encode::command(&mut out, [name]);
            encode::command(&mut out, [name.to_uppercase()]);
        }
        let (_, stats) =
            scan(&out, 0, &ScanOptions::default(), LogStats::at_start(), &|_| {}).unwrap();
        assert_eq!(stats.names().len(), names.len() + long.len());
        assert!(stats.names().iter().all(|(_, volume)| volume.commands == 100));
    }

    #[test]
    fn pieces_add_up_to_the_whole() {
        let log = log().repeat(30);
        let whole = scan(&log, 0, &ScanOptions::default(), LogStats::at_start(), &|_| {}).unwrap();
        for piece_bytes in [1, 7, 50, 133, 1000] {
            let options = ScanOptions { threads: 2, piece_bytes, ..ScanOptions::default() };
            let pieces = scan(&log, 0, &options, LogStats::at_start(), &|_| {}).unwrap();
            assert_eq!(pieces, whole, "pieces of {piece_bytes} bytes");
        }
    }

    #[test]
    fn time_stays_within_its_buckets() {
        let mut out = Vec::new();
        for i in 0..5000_u64 {
            out.extend(format!("#TS:{}\r\n", i * i).bytes());
            encode::command(&mut out, ["INCR", "a"]);
        }
        let (_, stats) =
            scan(&out, 0, &ScanOptions::default(), LogStats::at_start(), &|_| {}).unwrap();
        let histogram = stats.histogram();
        assert!(histogram.buckets.len() <= super::BUCKETS);
        assert_eq!(histogram.buckets.values().sum::<u64>(), 5000);
    }

    #[test]
    fn names_are_bounded() {
        let mut out = Vec::new();
        for i in 0..3000 {
            encode::command(&mut out, [format!("{i}{}", "x".repeat(i % 100))]);
        }
        let (_, stats) =
            scan(&out, 0, &ScanOptions::default(), LogStats::at_start(), &|_| {}).unwrap();
        assert_eq!(stats.names().len(), super::NAMES);
        assert_eq!(stats.other_names().commands, 3000 - super::NAMES as u64);
    }
}
