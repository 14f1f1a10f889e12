//! `merge`: several sources into one snapshot.
//!
//! ```text
//! each source ─ walk ─ hashes of its keys ─► index ─ which keys are in several, and who wins
//! each source ─ walk again ─ keys that win, copied where they can be ─► output
//! ```
//!
//! The index keeps 24 bytes for each key, beyond some millions in a temporary file; what is kept
//! of a key that loses is where it lies. A source that cannot be read twice (a pipe, what is
//! compressed, a log that has to be run) is made a snapshot in a temporary file first. Keys come in
//! the order of the sources.

mod extras;
mod index;

use std::path::Path;

use self::extras::{Extra, Extras};
use self::index::{Clash, Index, hash};
use super::convert::encode::{Chunk, Counts, Encoder, Plan, Room};
use super::convert::output::Databases;
use super::convert::{How, Keys, listed, refusal, to_unnamed};
use super::filter::Filter;
use super::walk::{Observer, Silent, Tally, WalkOptions};
use crate::bytes::quoted;
use crate::error::{Error, Result};
use crate::rdb::write::SnapshotWriter;
use crate::rdb::{Entry, Header, Record, Target};
use crate::report::merge::{MergeReport, MergedSource};
use crate::source::{Form, OpenOptions, Source};
use crate::target::{AtomicFile, Publish};

/// Which of several keys of one name and database stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// None: nothing is written.
    #[default]
    Fail,
    /// That of the source that is named first.
    First,
    /// That of the source that is named last.
    Last,
    /// That of the source that was written last, by its `ctime`, else by the time of its file; of
    /// equal ones the one that is named last.
    Newest,
}

/// How sources are merged.
#[derive(Debug, Clone, Default)]
pub struct MergeOptions {
    /// Which of several keys of one name stays.
    pub on_conflict: OnConflict,
    /// Which keys at all.
    pub filter: Filter,
    /// Whom the output is written for; without that, for a server that writes the newest version
    /// among the sources.
    pub target: Option<Target>,
    /// Writes what can be written where the target cannot hold all.
    pub lossy: bool,
    /// How many keys are listed, of conflicts and for each kind of loss.
    pub list: usize,
    /// An output that exists is replaced.
    pub force: bool,
    /// How the walks are done.
    pub walk: WalkOptions,
    /// How sources are opened.
    pub open: OpenOptions,
}

/// A source on its way: it can be read as often as needed.
struct Input {
    name: String,
    header: Header,
    size_bytes: Option<u64>,
    /// Opens it anew.
    again: Again,
    /// When it was written, unix time in seconds.
    written_secs: u64,
}

enum Again {
    Path(std::path::PathBuf),
    Unnamed(std::fs::File),
}

impl Input {
    fn of(source: Source, options: &MergeOptions, observer: &dyn Observer) -> Result<Self> {
        let (name, size_bytes) = (source.name.clone(), source.size_bytes);
        let path = source.path.clone();
        let is_lines = source.form == Form::Ndjson;
        let modified = path.as_deref().and_then(modified_secs).unwrap_or_default();
        let seekable = source.compression.is_none()
            && source.feed.as_ref().is_some_and(crate::source::Feed::is_seekable);
        let keys = Keys::of_source(source, &options.walk, &options.open, observer)?;
        let header = keys.header();
        let again = match path {
            Some(path) if seekable && keys.is_snapshot() && !is_lines => Again::Path(path),
            _ => Again::Unnamed(to_unnamed(&name, keys, &options.walk, &options.open, observer)?),
        };
        Ok(Input { name, header, size_bytes, again, written_secs: modified })
    }

    fn keys(&self, options: &MergeOptions) -> Result<Keys> {
        let source = match &self.again {
            Again::Path(path) => crate::source::open_part(path, &options.open)?,
            Again::Unnamed(file) => {
                let failed = |cause| Error::io("cannot read a temporary file", cause);
                let mut file = file.try_clone().map_err(failed)?;
                std::io::Seek::rewind(&mut file).map_err(failed)?;
                crate::source::open_unnamed(&self.name, file, &options.open)?
            }
        };
        Keys::of_source(source, &options.walk, &options.open, &Silent)
    }
}

fn modified_secs(path: &Path) -> Option<u64> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    modified.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// Merges sources into one snapshot.
///
/// Fails with [`Error::Usage`] where keys are in several sources and none is to win, where the
/// target cannot hold all of it, or where the output may not be replaced; nothing is published
/// then.
pub fn merge(
    sources: Vec<Source>,
    out: &Path,
    options: &MergeOptions,
    observer: &dyn Observer,
) -> Result<MergeReport> {
    let publish = Publish {
        force: options.force,
        in_place: false,
        sources: sources.iter().filter_map(|source| source.path.clone()).collect(),
    };
    let mut file = AtomicFile::create(out, &publish)?;
    let mut inputs = Vec::new();
    for source in sources {
        inputs.push(Input::of(source, options, observer)?);
    }
    let target = match options.target {
        Some(target) => target,
        None => newest(&inputs)?,
    };

    let mut index = Index::default();
    let mut extras = Extras::default();
    for (number, input) in inputs.iter_mut().enumerate() {
        let seen = look(number, input, options, &mut index, &mut extras)?;
        if let Some(secs) = seen {
            input.written_secs = secs;
        }
    }
    let ranks = ranks(&inputs, options.on_conflict);
    let lost = index.losers(&ranks, options.list)?;
    if options.on_conflict == OnConflict::Fail
        && let Some(sentence) = conflict(&lost.clashes, lost.conflicts, &inputs, options)?
    {
        return Err(Error::Usage(sentence));
    }

    let plan = Plan {
        target,
        source: target.header,
        same: false,
        compress: None,
        snapshot: true,
        drop_expired_at_ms: None,
        list: options.list,
        filter: options.filter.clone(),
        functions: false,
        digest: false,
        parts: true,
    };
    let mut writer = SnapshotWriter::new(&mut file, &target, true);
    writer.aux(b"rdbkit-ver", env!("CARGO_PKG_VERSION").as_bytes())?;
    writer.aux(b"redis-bits", b"64")?;
    let functions =
        extras.write(&mut writer, &ranks, options.on_conflict, &inputs_names(&inputs))?;
    let mut databases = Databases::default();
    let mut all = Counts::default();
    let mut merged = Vec::new();
    for (number, input) in inputs.iter().enumerate() {
        let losers = lost.of.get(number).map_or(&[][..], Vec::as_slice);
        let fresh = || Merging { encoder: Encoder::batch(&plan), losers, lost: 0, root: None };
        let root =
            Root { writer: &mut writer, databases: &mut databases, counts: Counts::default() };
        let mut root = Merging { root: Some(root), ..fresh() };
        let how = How {
            walk: &options.walk,
            open: &options.open,
            compress: true,
            plain: false,
            observer,
        };
        input.keys(options)?.tally(&input.name, &how, &fresh, &mut root)?;
        let Merging { root: Some(Root { counts, .. }), lost, .. } = root else { continue };
        merged.push(MergedSource {
            source: input.name.clone(),
            source_version: input.header.magic(),
            written_secs: input.written_secs,
            keys_read: counts.keys + lost,
            keys_written: counts.written,
            keys_lost: lost,
            size_bytes: input.size_bytes,
        });
        all.add(counts, plan.list);
    }
    let losses = listed(all.losses);
    if !options.lossy
        && let Some(sentence) = refusal(&target, &losses)
    {
        return Err(Error::Usage(sentence));
    }
    writer.finish()?;
    let published = file.commit()?;
    Ok(MergeReport {
        schema: "rdbkit.merge/1",
        output: published.path,
        target: target.to_string(),
        target_version: target.header.magic(),
        sources: merged,
        conflicts: lost.conflicts,
        keys_written: all.written,
        copied: all.copied,
        functions,
        size_bytes: published.size_bytes,
        losses,
    })
}

fn inputs_names(inputs: &[Input]) -> Vec<&str> {
    inputs.iter().map(|input| input.name.as_str()).collect()
}

/// The server that writes the newest version among the sources, where these are of one family.
fn newest(inputs: &[Input]) -> Result<Target> {
    let Some(first) = inputs.first() else {
        return Err(Error::Usage("there is nothing to merge: name the sources".to_owned()));
    };
    if let Some(other) = inputs.iter().find(|input| input.header.family != first.header.family) {
        return Err(Error::Usage(format!(
            "{} is {} and {} is {}: say with --target for which server they are merged",
            first.name,
            first.header.magic(),
            other.name,
            other.header.magic()
        )));
    }
    let newest = inputs.iter().map(|input| input.header).max_by_key(|header| header.version);
    Ok(Target::of_header(newest.unwrap_or(first.header)))
}

/// Who wins: of several sources the one with the highest rank.
fn ranks(inputs: &[Input], on_conflict: OnConflict) -> Vec<usize> {
    let mut order: Vec<usize> = (0..inputs.len()).collect();
    match on_conflict {
        OnConflict::Last => {}
        OnConflict::First | OnConflict::Fail => order.reverse(),
        OnConflict::Newest => order
            .sort_by_key(|&number| inputs.get(number).map(|input| (input.written_secs, number))),
    }
    let mut ranks = vec![0; inputs.len()];
    for (rank, number) in order.into_iter().enumerate() {
        if let Some(place) = ranks.get_mut(number) {
            *place = rank;
        }
    }
    ranks
}

/// The sentence about keys that are in several sources, if there are such.
fn conflict(
    clashes: &[Clash],
    count: u64,
    inputs: &[Input],
    options: &MergeOptions,
) -> Result<Option<String>> {
    if count == 0 {
        return Ok(None);
    }
    let keys = if count == 1 { "1 key is".to_owned() } else { format!("{count} keys are") };
    let mut text = format!(
        "{keys} in more than one source; --on-conflict first, last or newest says which stays:"
    );
    for (number, input) in inputs.iter().enumerate() {
        let wanted: Vec<u64> = clashes
            .iter()
            .filter(|clash| clash.source == number)
            .map(|clash| clash.offset)
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let how = How {
            walk: &options.walk,
            open: &options.open,
            compress: false,
            plain: false,
            observer: &Silent,
        };
        let fresh = || Named { wanted: &wanted, found: Vec::new() };
        let mut root = fresh();
        input.keys(options)?.tally(&input.name, &how, &fresh, &mut root)?;
        for (db, key) in root.found {
            text += &format!("\n  db {db} {}, also in {}", quoted(&key), input.name);
        }
    }
    let more = count.saturating_sub(clashes.len() as u64);
    if more > 0 {
        text += &format!("\n  and {more} more");
    }
    Ok(Some(text))
}

/// The names of keys that lie at some offsets.
struct Named<'w> {
    wanted: &'w [u64],
    found: Vec<(u64, Vec<u8>)>,
}

impl Tally for Named<'_> {
    type Room = ();

    fn entry(&mut self, entry: &Entry<'_>, (): &mut ()) -> Result<()> {
        if self.wanted.contains(&entry.offset) {
            self.found.push((entry.db, entry.key_bytes()?.into_owned()));
        }
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.found.extend(later.found);
        Ok(())
    }
}

/// Looks at the keys of a source, and at what it has beside them; when it says that it was written.
fn look(
    number: usize,
    input: &Input,
    options: &MergeOptions,
    index: &mut Index,
    extras: &mut Extras,
) -> Result<Option<u64>> {
    let how = How {
        walk: &options.walk,
        open: &options.open,
        compress: false,
        plain: false,
        observer: &Silent,
    };
    let fresh = || Look {
        filter: &options.filter,
        seen: Vec::new(),
        extras: Vec::new(),
        ctime: None,
        root: None,
    };
    let mut root = Look { root: Some((number, index)), ..fresh() };
    input.keys(options)?.tally(&input.name, &how, &fresh, &mut root)?;
    let Look { extras: found, ctime, .. } = root;
    for extra in found {
        extras.add(number, extra);
    }
    Ok(ctime)
}

/// Keys as hashes with their places.
struct Look<'o, 'i> {
    filter: &'o Filter,
    seen: Vec<(u128, u64)>,
    extras: Vec<Extra>,
    ctime: Option<u64>,
    root: Option<(usize, &'i mut Index)>,
}

impl Tally for Look<'_, '_> {
    type Room = Vec<u8>;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Vec<u8>) -> Result<()> {
        if self.filter.matches(entry)? {
            self.seen.push((hash(entry.db, &entry.key_bytes()?, room), entry.offset));
        }
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>, _: u64, _: &mut Vec<u8>) -> Result<()> {
        if let Record::Aux { name, value } = record {
            let is_ctime = name.to_cow().is_ok_and(|name| name.eq_ignore_ascii_case(b"ctime"));
            let secs = value.to_cow().ok().and_then(|value| {
                std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok())
            });
            if is_ctime && secs.is_some() {
                self.ctime = secs;
            }
        }
        self.extras.extend(Extra::of(record));
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.extras.extend(later.extras);
        self.ctime = later.ctime.or(self.ctime);
        match &mut self.root {
            Some((number, index)) => index.add(*number, &later.seen),
            None => Ok(()),
        }
    }
}

/// Keys that win, on their way to the output.
struct Merging<'p, 'r, 'f> {
    encoder: Encoder<'p, 'p>,
    /// Offsets of the keys that lose, ascending.
    losers: &'p [u64],
    lost: u64,
    root: Option<Root<'r, 'f>>,
}

struct Root<'r, 'f> {
    writer: &'r mut SnapshotWriter<&'f mut AtomicFile>,
    databases: &'r mut Databases,
    counts: Counts,
}

impl Tally for Merging<'_, '_, '_> {
    type Room = Room;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Room) -> Result<()> {
        if self.losers.binary_search(&entry.offset).is_ok() {
            self.lost += 1;
            return Ok(());
        }
        self.encoder.entry(entry, room)
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.lost += later.lost;
        let (chunk, counts): (Chunk, Counts) = later.encoder.into_chunk();
        if let Some(Root { writer, databases, counts: all }) = &mut self.root {
            databases.put(writer, &chunk)?;
            all.add(counts, usize::MAX);
        }
        Ok(())
    }
}
