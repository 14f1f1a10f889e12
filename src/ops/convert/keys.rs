//! The keys that are to be written, wherever they come from, and the way through them.

use crate::error::{Error, Result, unwrap_bad};
use crate::ops::filter::Filter;
use crate::ops::filtered::filtered;
use crate::ops::once::{Noted, Once};
use crate::ops::run::{self, Run, RunOptions, entries};
use crate::ops::snapshot::{self, Ended, Ran, View};
use crate::ops::walk::{Observer, Tally, WalkOptions};
use crate::rdb::{HEADER_BYTES, Header, Target};
use crate::report::filtered::FilteredFrom;
use crate::source::{Form, OpenOptions, Source};

/// Keys that are to be written.
pub(in crate::ops) enum Keys {
    /// Those of a snapshot that has not been read.
    Snapshot {
        /// The snapshot.
        base: Box<Source>,
        /// Its header.
        header: Header,
    },
    /// Those that a log has led to.
    Ran(Box<Run>),
}

/// How keys are gone through.
#[derive(Clone, Copy)]
pub(in crate::ops) struct How<'o> {
    pub(in crate::ops) walk: &'o WalkOptions,
    pub(in crate::ops) open: &'o OpenOptions,
    /// Whether what is written anew is packed.
    pub(in crate::ops) compress: bool,
    /// Whether keys of an engine come once more, with nothing packed.
    pub(in crate::ops) plain: bool,
    /// The server that is to load what is made of them: what it would refuse in a snapshot, values
    /// that are broken and keys that stand twice, is a failure.
    pub(in crate::ops) taker: Option<Target>,
    pub(in crate::ops) observer: &'o dyn Observer,
}

/// What there is to say when all keys have come.
#[derive(Default)]
pub(in crate::ops) struct Done {
    /// The run, where there was one.
    pub(in crate::ops) run: Option<Box<Run>>,
    /// What a filter chose from, where there is one.
    pub(in crate::ops) filtered_from: Option<FilteredFrom>,
    /// Whether they come from a snapshot without a checksum, as its writer was told to.
    pub(in crate::ops) is_unsigned: bool,
}

impl Keys {
    /// Those of a source; a log is run as the server runs it that they are for, because what its
    /// commands lead to differs between servers, and a log does not say who wrote it.
    pub(in crate::ops) fn of_source(
        source: Source,
        target: Option<Target>,
        walk: &WalkOptions,
        open: &OpenOptions,
        observer: &dyn Observer,
    ) -> Result<Self> {
        if source.form == Form::Dump {
            return Err(Error::Usage(format!(
                "{} is a DUMP payload: a value without a key, which no file can hold",
                source.name
            )));
        }
        match snapshot::view(source, open)? {
            View::Snapshot(base) => Keys::of_snapshot(base),
            View::Log(source) => {
                let asked = RunOptions {
                    target: target.or(walk.target),
                    sound: true,
                    ..RunOptions::of_walk(walk, open)
                };
                Ok(Keys::Ran(Box::new(run::run(source, &asked, observer)?)))
            }
        }
    }

    /// What there is to say of the log, if one was run.
    pub(in crate::ops) fn ran(&self) -> Option<Ran> {
        match self {
            Keys::Snapshot { .. } => None,
            Keys::Ran(run) => Some(snapshot::ran(run)),
        }
    }

    /// Tallies all of them. What is not sound is a failure. The run, where there was one.
    pub(in crate::ops) fn tally<T: Tally>(
        self,
        name: &str,
        how: &How<'_>,
        fresh: &(dyn Fn() -> T + Sync),
        root: &mut T,
    ) -> Result<Option<Box<Run>>> {
        self.all(name, how, fresh, root).map(|done| done.run)
    }

    /// The same of those that pass a filter. All of them have to be sound.
    pub(in crate::ops) fn tally_filtered<T: Tally>(
        self,
        name: &str,
        how: &How<'_>,
        filter: &Filter,
        fresh: &(dyn Fn() -> T + Sync),
        root: &mut T,
    ) -> Result<Done> {
        if filter.is_empty() {
            return self.all(name, how, fresh, root);
        }
        // Keys of an engine have the size and encoding by which all verbs know them where nothing
        // is packed.
        let how = &How { plain: how.plain || !filter.is_about_names(), ..*how };
        let (done, all) =
            filtered(filter, fresh, root, |fresh, root| self.all(name, how, fresh, root))?;
        Ok(Done { filtered_from: Some(all), ..done })
    }

    fn all<T: Tally>(
        self,
        name: &str,
        how: &How<'_>,
        fresh: &(dyn Fn() -> T + Sync),
        root: &mut T,
    ) -> Result<Done> {
        match self {
            Keys::Snapshot { base, header } => {
                let How { walk, open, observer, .. } = *how;
                let Some(taker) = how.taker else {
                    let ended = snapshot::walk(*base, open, fresh, root, walk, observer)?;
                    return check_ended(name, ended);
                };
                let mut noted = Noted::of(base.feed.as_ref(), taker);
                let asked = noted.asked();
                let fresh = || Once::batch(fresh(), asked);
                let root = &mut noted.root(root);
                let ended = snapshot::walk(*base, open, &fresh, root, walk, observer)?;
                let done = check_ended(name, ended)?;
                noted.finish(name, header, walk.threads)?;
                Ok(done)
            }
            Keys::Ran(run) => {
                let whole = entries::View::whole(&run.engine, how.walk.threads);
                let view = entries::View { compress: how.compress, plain: how.plain, ..whole };
                entries::tally(&run.engine, &view, fresh, root, how.observer)
                    .map_err(|error| error.in_file(name))?;
                Ok(Done { run: Some(run), ..Done::default() })
            }
        }
    }

    fn of_snapshot(mut base: Source) -> Result<Self> {
        let header = header_of(&mut base)?;
        Ok(Keys::Snapshot { base: Box::new(base), header })
    }

    pub(in crate::ops) fn is_snapshot(&self) -> bool {
        matches!(self, Keys::Snapshot { .. })
    }

    /// The form in which they come.
    pub(in crate::ops) fn header(&self) -> Header {
        match self {
            Keys::Snapshot { header, .. } => *header,
            Keys::Ran(run) => entries::View::whole(&run.engine, 1).target.header,
        }
    }

    /// Magic and version of the snapshot that they come from, be it the base of a log; of a log
    /// without one `AOF`.
    pub(in crate::ops) fn source_version(&self) -> String {
        let header = match self {
            Keys::Snapshot { header, .. } => Some(*header),
            Keys::Ran(run) => run.engine.keyspace.base().map(|base| base.header),
        };
        header.map_or_else(|| "AOF".to_owned(), |header| header.magic())
    }

    /// The server that most likely wrote them.
    pub(in crate::ops) fn writer(&self) -> Target {
        match self {
            Keys::Snapshot { header, .. } => Target::of_header(*header),
            Keys::Ran(run) => run.engine.env.target,
        }
    }

    pub(in crate::ops) fn size_bytes(&self) -> Option<u64> {
        match self {
            Keys::Snapshot { base, .. } => base.size_bytes,
            Keys::Ran(run) => Some(run.parts.iter().map(|part| part.size_bytes).sum()),
        }
    }
}

/// Magic and version of a snapshot that nobody has read from.
fn header_of(base: &mut Source) -> Result<Header> {
    let Some(feed) = &mut base.feed else {
        return Err(Error::Usage(format!("{} has no snapshot", base.name)));
    };
    use crate::bytes::input::Input as _;
    while feed.buffer().len() < HEADER_BYTES && feed.more()? {}
    match Header::parse(feed.buffer()) {
        Ok((_, header)) => Ok(header),
        Err(error) => {
            let fault = unwrap_bad(error).fault;
            let error = crate::error::FormatError {
                file: Some(base.name.clone()),
                offset: 0,
                doing: crate::error::Doing::Header,
                key: None,
                fault,
            };
            Err(Box::new(error).into())
        }
    }
}

/// What is not sound is not made to look sound.
fn check_ended(name: &str, ended: Ended) -> Result<Done> {
    if let Some(fault) = ended.fault {
        return Err(Error::from(fault).in_file(name));
    }
    match ended.checksum_mismatch {
        None => Ok(Done { is_unsigned: ended.is_unsigned, ..Done::default() }),
        Some((stored, computed)) => Err(Error::Source(format!(
            "{name}: the checksum is {stored:016x} but the bytes have {computed:016x}; nothing was \
             written, because the output would look sound. `rdbkit check` says more, and `rdbkit \
             repair` keeps what is sound"
        ))),
    }
}
