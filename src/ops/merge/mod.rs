//! `merge`: several sources into one snapshot or log.
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

mod conflict;
mod extras;
mod index;
mod input;
mod look;

use std::path::Path;

use self::extras::Extras;
use self::index::Index;
use self::input::Input;
pub use self::input::bytes_to_read;
use self::look::look;
use super::behind::Behind;
use super::convert::counts::Counts;
use super::convert::encode::{Encoder, Plan, Room};
use super::convert::output::{Output, Place};
use super::convert::{ConvertOptions, OutputForm, listed, refusal, refuse_forms};
use super::filter::Filter;
use super::sources_of;
use super::walk::{Observer, Tally, WalkOptions};
use crate::bytes::rooms::Rooms;
use crate::error::{Error, Result};
use crate::rdb::{Entry, Target};
use crate::report::merge::{MergeReport, MergedFile, MergedSource};
use crate::source::{OpenOptions, Source};
use crate::target::Publish;

/// Which of several keys of one name and database stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// None: nothing is written, unless they are the same in all sources, whatever their encoding.
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
    /// The form of the output.
    pub form: OutputForm,
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

/// Merges sources into one snapshot or log.
///
/// Fails with [`Error::Usage`] where keys are not the same in several sources and none is to win,
/// where the target cannot hold all of it, or where the output may not be replaced; nothing is
/// published then.
///
/// ```
/// use rdbkit::ops::merge::{MergeOptions, OnConflict, merge};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let day = |when: &str| {
///     let file = format!("fixtures/redis-8.10.2-day-{when}.rdb");
///     open(&file.as_str().into(), &OpenOptions::default())
/// };
/// let sources = vec![day("before")?, day("after")?];
/// let options = MergeOptions { on_conflict: OnConflict::Newest, ..MergeOptions::default() };
/// let report = merge(sources, &folder.path().join("all.rdb"), &options, &Silent)?;
/// assert_eq!((report.keys_written, report.conflicts), (12, 8));
/// # Ok(())
/// # }
/// ```
pub fn merge(
    sources: Vec<Source>,
    out: &Path,
    options: &MergeOptions,
    observer: &dyn Observer,
) -> Result<MergeReport> {
    let publish = Publish {
        force: options.force,
        in_place: false,
        sources: sources.iter().flat_map(sources_of).collect(),
    };
    let mut place = Place::create(out, options.form, &publish)?;
    let mut inputs = Vec::new();
    let mut done = 0;
    for source in sources {
        let size_bytes = source.size_bytes.unwrap_or(0);
        let input = Input::of(source, options, &Behind::bytes(observer, done))?;
        done += if input.is_copied() { size_bytes } else { 0 };
        inputs.push(input);
    }
    let target = match options.target {
        Some(target) => target,
        None => newest(&inputs)?,
    };
    refuse_forms(options.form, &target)?;

    let mut index = Index::default();
    let mut extras = Extras::default();
    for (number, input) in inputs.iter_mut().enumerate() {
        let observer = Behind::bytes(observer, done);
        let seen = look(number, input, options, &mut index, &mut extras, &observer)?;
        done += input.size_bytes.unwrap_or(0);
        if let Some(secs) = seen {
            input.written_secs = secs;
        }
    }
    let ranks = ranks(&inputs, options.on_conflict);
    let may_fail = options.on_conflict == OnConflict::Fail;
    let mut lost = index.losers(&ranks, may_fail)?;
    if may_fail && lost.conflicts > 0 {
        let (count, clashes) = conflict::differing(&inputs, &lost.contested, &ranks, options)?;
        if count > 0 {
            return Err(Error::Usage(conflict::sentence(&clashes, count, &inputs, options)?));
        }
    }
    lost.contested = Vec::new();

    let plan = Plan {
        target,
        source: target.header,
        same: false,
        held: false,
        compress: None,
        snapshot: options.form.is_snapshot(),
        drop_expired_at_ms: None,
        list: options.list,
        filter: options.filter.clone(),
        functions: false,
        prove: None,
        copies: false,
        chooses: false,
        parts: true,
        rooms: Rooms::default(),
    };
    let begin = ConvertOptions { form: options.form, ..ConvertOptions::default() };
    let mut output = Output::begin(place.writer(), &begin, &target, false)?;
    let mut all = Counts::default();
    let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
    output.chunk(&extras.chunk(&plan, &ranks, options.on_conflict, &names, &mut all)?)?;
    let mut merged = Vec::new();
    for (number, input) in inputs.iter().enumerate() {
        let losers = lost.of.get(number).map_or(&[][..], Vec::as_slice);
        let rooms = &plan.rooms;
        let fresh =
            || Merging { encoder: Encoder::batch(&plan), rooms, losers, lost: 0, root: None };
        let root = Root { output: &mut output, counts: Counts::default() };
        let mut root = Merging { root: Some(root), ..fresh() };
        input.tally(Some(target), options, &fresh, &mut root, &Behind::bytes(observer, done))?;
        done += input.size_bytes.unwrap_or(0);
        let Merging { root: Some(Root { counts, .. }), lost, .. } = root else { continue };
        merged.push(MergedSource {
            source: input.name.clone(),
            ran: input.ran.clone(),
            source_version: input.header.magic(),
            written_secs: input.written_secs,
            keys_read: counts.keys + lost,
            keys_written: counts.written,
            keys_lost: lost,
            filtered: (!options.filter.is_empty()).then_some(counts.filtered),
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
    let size_bytes = output.finish()?.size_bytes;
    let published = place.publish(size_bytes)?;
    Ok(MergeReport {
        schema: "rdbkit.merge/1",
        output: published.name,
        form: options.form.name(),
        target: target.to_string(),
        target_version: target.header.magic(),
        sources: merged,
        conflicts: lost.conflicts,
        keys_written: all.written,
        copied: all.copied,
        functions: all.functions,
        size_bytes: published.size_bytes,
        files: published
            .files
            .into_iter()
            .map(|(file, bytes)| MergedFile { file, size_bytes: bytes })
            .collect(),
        losses,
    })
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

/// Keys that win, on their way to the output.
struct Merging<'p, 'r, 'w> {
    encoder: Encoder<'p, 'p>,
    /// Where the room of the encoder is from.
    rooms: &'p Rooms,
    /// Offsets of the keys that lose, ascending.
    losers: &'p [u64],
    lost: u64,
    root: Option<Root<'r, 'w>>,
}

struct Root<'r, 'w> {
    output: &'r mut Output<'w>,
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
        let (chunk, counts) = later.encoder.into_chunk();
        if let Some(Root { output, counts: all }) = &mut self.root {
            output.chunk(&chunk)?;
            all.add(counts, usize::MAX);
        }
        self.rooms.give(chunk.bytes);
        Ok(())
    }
}
