//! What each command does to the keys that are asked for: looked at before it and behind it.

use std::ops::ControlFlow;

use hashbrown::HashMap;

use super::{HistoryOptions, Place, Sink, Wanted};
use crate::Result;
use crate::engine::{Engine, Keyspace, Record, Value, save};
use crate::ops::run::{About, Watcher};
use crate::rdb::write::{Body, EntryRoom, Sink as BodySink};
use crate::rdb::{Entry, Scratch, Target};
use crate::report::history::{Effect, Event, State};
use crate::report::{get, keys};
use crate::resp::{command_keys, is_only_read};
use crate::value::Kind;

/// Watches a run.
pub(super) struct Watch<'o, 's> {
    options: &'o HistoryOptions,
    wanted: Wanted<'o>,
    sink: &'s mut Sink<'o>,
    file: String,
    /// Commands so far; what comes out of a snapshot counts as one.
    number: u64,
    /// Keys that are followed under another name or in another database, and what they were.
    followed: HashMap<Place, Place>,
    /// The keys that the command at hand may touch, and what they were before.
    touched: Vec<Touched>,
    /// Where the command at hand takes a key, if that is what it does.
    road: Option<Road>,
    /// The databases that the command at hand swaps.
    swap: Option<(u64, u64)>,
}

/// A key before a command.
struct Touched {
    place: Place,
    before: Option<State>,
    /// Whether the command makes another key of it, and does nothing to it.
    only_read: bool,
}

/// A key that a command takes from one place to another.
struct Road {
    from: Place,
    to: Place,
    /// Whether it stays where it was, too.
    stays: bool,
    /// Whether it does not go there: it is there already or not at all, or another one is there
    /// which the command does not overwrite.
    idle: bool,
}

impl<'o, 's> Watch<'o, 's> {
    pub(super) fn new(options: &'o HistoryOptions, sink: &'s mut Sink<'o>) -> Self {
        Watch {
            options,
            wanted: Wanted::of(options),
            sink,
            file: String::new(),
            number: 0,
            followed: HashMap::new(),
            touched: Vec::new(),
            road: None,
            swap: None,
        }
    }

    /// Tells what has expired by the time of the run.
    pub(super) fn end(&mut self, engine: &mut Engine) -> Result<()> {
        if self.options.deleted || self.options.last {
            return Ok(());
        }
        let now_ms = self.options.run.now_ms;
        for place in self.present(engine, None) {
            let state = state(engine, &place, false)?;
            let Some(at_ms) = state.as_ref().and_then(|s| s.expires_at_ms) else { continue };
            if at_ms < now_ms {
                self.number += 1;
                let event = self.bare(place, Effect::Expired, state);
                self.sink.event(event)?;
            }
        }
        Ok(())
    }

    /// An event that no command brought about.
    fn bare(&self, (db, key): Place, effect: Effect, before: Option<State>) -> Event {
        let was = self.followed.get(&(db, key.clone())).cloned();
        let after = if effect == Effect::Loaded { before.clone() } else { None };
        let before = if effect == Effect::Loaded { None } else { before };
        Event {
            file: self.file.clone(),
            offset: None,
            number: self.number,
            time_secs: None,
            multi: None,
            db,
            key,
            args: Vec::new(),
            effect,
            failed: None,
            was,
            before,
            after,
        }
    }

    /// The keys that are there and asked for, of one database or all, in order.
    fn present(&self, engine: &Engine, db: Option<usize>) -> Vec<Place> {
        let mut found = Vec::new();
        let dbs = match db {
            Some(db) => db..db + 1,
            None => 0..engine.keyspace.used_databases(),
        };
        for db in dbs {
            let takes = |key: &[u8]| self.takes(db as u64, key);
            let keys = engine.keyspace.records(db).map(|record| record.key.as_slice());
            found.extend(keys.filter(|key| takes(key)).map(|key| (db as u64, key.to_vec())));
        }
        found.sort();
        found
    }

    fn takes(&self, db: u64, key: &[u8]) -> bool {
        self.wanted.takes(db, key)
            || (!self.followed.is_empty() && self.followed.contains_key(&(db, key.to_vec())))
    }

    /// The keys that a command names, wherever they are.
    fn named(&mut self, engine: &Engine, args: &[&[u8]]) -> Vec<Place> {
        let db = engine.db() as u64;
        let Some((name, rest)) = args.split_first() else { return Vec::new() };
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        let arg = |at: usize| rest.get(at).copied().unwrap_or_default();
        let number = |at: usize| std::str::from_utf8(arg(at)).ok().and_then(|n| n.parse().ok());
        if is("FLUSHALL") || is("TRIMSLOTS") || is("SFLUSH") {
            return self.present(engine, None);
        }
        if is("FLUSHDB") {
            return self.present(engine, Some(engine.db()));
        }
        if is("SWAPDB") {
            self.swap = number(0).zip(number(1));
            return self.swapped(engine);
        }
        let keys = command_keys(name, rest).into_iter().flatten();
        if !["RENAME", "RENAMENX", "MOVE", "COPY"].iter().any(|word| is(word)) {
            let asked = keys.filter(|key| self.takes(db, key));
            let mut places: Vec<Place> = asked.map(|key| (db, key.to_vec())).collect();
            places.sort();
            places.dedup();
            return places;
        }
        let mut places: Vec<Place> = keys.map(|key| (db, key.to_vec())).collect();
        let from = (db, arg(0).to_vec());
        self.road = if is("RENAME") || is("RENAMENX") {
            Some(Road { from, to: (db, arg(1).to_vec()), stays: false, idle: false })
        } else if is("MOVE") {
            number(1).map(|to| Road { from, to: (to, arg(0).to_vec()), stays: false, idle: false })
        } else if is("COPY") {
            let word = rest.iter().skip(2).position(|arg| arg.eq_ignore_ascii_case(b"DB"));
            let to = word.and_then(|at| number(at + 3)).unwrap_or(db);
            places.truncate(1);
            Some(Road { from, to: (to, arg(1).to_vec()), stays: true, idle: false })
        } else {
            None
        };
        if let Some(road) = &self.road {
            places.push(road.to.clone());
        }
        // RENAME a b is about b where a is asked for, and the other way round.
        let asked = |road: &Road| !road.stays && self.takes(road.from.0, &road.from.1);
        let about_both = self.road.as_ref().is_some_and(asked);
        places.retain(|(db, key)| about_both || self.takes(*db, key));
        places.sort();
        places.dedup();
        places
    }

    /// The keys of two databases that change places.
    fn swapped(&self, engine: &Engine) -> Vec<Place> {
        let Some((one, other)) = self.swap else { return Vec::new() };
        let mut found = Vec::new();
        for (from, to) in [(one, other), (other, one)] {
            let here = usize::try_from(from).unwrap_or(usize::MAX);
            if here >= engine.keyspace.used_databases() {
                continue;
            }
            // A key is about to be in both, and may be asked for in one of them alone.
            let keys = engine.keyspace.records(here).map(|record| record.key.as_slice());
            for key in keys.filter(|key| self.takes(from, key) || self.takes(to, key)) {
                found.extend([(to, key.to_vec()), (from, key.to_vec())]);
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// Goes on to follow what was taken elsewhere.
    fn follow(&mut self, road: &Road) {
        let origin = self.followed.remove(&road.from);
        let asked = self.wanted.takes(road.from.0, &road.from.1) || origin.is_some();
        let lost = !self.wanted.takes(road.to.0, &road.to.1);
        if asked && lost {
            self.followed.insert(road.to.clone(), origin.unwrap_or_else(|| road.from.clone()));
        }
    }

    /// Goes on to follow what was swapped into the other database.
    fn follow_swapped(&mut self, (one, other): (u64, u64), arrived: Vec<Place>) {
        let across = |db: u64| match db {
            db if db == one => other,
            db if db == other => one,
            db => db,
        };
        let followed = std::mem::take(&mut self.followed);
        self.followed =
            followed.into_iter().map(|((db, key), was)| ((across(db), key), was)).collect();
        for (db, key) in arrived {
            let from = across(db);
            if self.wanted.takes(from, &key) && !self.wanted.takes(db, &key) {
                self.followed.insert((db, key.clone()), (from, key));
            }
        }
    }

    fn event(
        &self,
        about: &About,
        args: &[&[u8]],
        touched: Touched,
        after: Option<State>,
        failed: Option<&str>,
    ) -> Event {
        let Touched { place, before, only_read } = touched;
        let name = args.first().copied().unwrap_or_default();
        let is =
            |words: &[&str]| words.iter().any(|word| name.eq_ignore_ascii_case(word.as_bytes()));
        let road = self.road.as_ref();
        let leaves = road.is_some_and(|road| !road.stays && road.from == place);
        let comes = road.is_some_and(|road| road.to == place);
        let swap = is(&["SWAPDB"]);
        // A primary that finds a key expired deletes it, and writes that down as what it is.
        let late = |state: &State| {
            let secs = about.time_secs.and_then(|secs| i64::try_from(secs).ok());
            state.expires_at_ms.zip(secs).is_some_and(|(at, secs)| at < (secs + 1) * 1000)
        };
        let effect = match (&before, &after) {
            _ if failed.is_some() => Effect::Failed,
            (Some(_), Some(_)) if only_read => Effect::Read,
            (_, Some(_)) if road.is_some_and(|road| road.idle) => Effect::Nothing,
            (Some(_), None) if leaves || swap => Effect::MovedAway,
            (Some(state), None) if is(&["DEL", "UNLINK"]) && late(state) => Effect::DeletedExpired,
            (Some(_), None) => Effect::Deleted,
            (_, Some(_)) if comes && road.is_some_and(|road| road.stays) => Effect::Copied,
            (_, Some(_)) if comes => Effect::MovedHere,
            (_, Some(_)) if swap => Effect::MovedHere,
            (None, Some(_)) => Effect::Created,
            (Some(_), Some(_)) if road.is_some_and(|road| road.stays) => Effect::CopiedTo,
            (Some(_), Some(_)) if road.is_some() => Effect::Nothing,
            (Some(_), Some(_)) => Effect::Changed,
            (None, None) => Effect::Nothing,
        };
        Event {
            file: self.file.clone(),
            offset: Some(about.offset),
            number: self.number,
            time_secs: about.time_secs,
            multi: about.multi,
            was: self.followed.get(&place).cloned(),
            db: place.0,
            key: place.1,
            args: args.iter().map(|arg| arg.to_vec()).collect(),
            effect,
            failed: failed.map(str::to_owned),
            before,
            after,
        }
    }
}

impl Watcher for Watch<'_, '_> {
    fn part(&mut self, name: &str) {
        name.clone_into(&mut self.file);
    }

    fn loaded(&mut self, engine: &mut Engine) -> Result<()> {
        self.number += 1;
        for place in self.present(engine, None) {
            let found = state(engine, &place, self.options.values)?;
            let event = self.bare(place, Effect::Loaded, found);
            self.sink.event(event)?;
        }
        Ok(())
    }

    fn before(&mut self, engine: &mut Engine, _: &About, args: &[&[u8]]) -> Result<()> {
        self.touched.clear();
        (self.road, self.swap) = (None, None);
        let places = self.named(engine, args);
        if places.is_empty() {
            return Ok(());
        }
        if let Some(road) = &mut self.road {
            let there =
                |place: &Place| Ok::<_, crate::Error>(state(engine, place, false)?.is_some());
            let full = !overwrites(args) && there(&road.to)?;
            road.idle = road.from == road.to || full || !there(&road.from)?;
        }
        let (name, rest) = args.split_first().map_or((&[][..], args), |(name, rest)| (*name, rest));
        for place in places {
            let before = state(engine, &place, false)?;
            let only_read = is_only_read(name, rest, &place.1);
            self.touched.push(Touched { place, before, only_read });
        }
        Ok(())
    }

    fn after(
        &mut self,
        engine: &mut Engine,
        about: &About,
        args: &[&[u8]],
        failed: Option<&str>,
    ) -> Result<()> {
        self.number += 1;
        let mut arrived = Vec::new();
        for touched in std::mem::take(&mut self.touched) {
            let after = state(engine, &touched.place, self.options.values)?;
            let event = self.event(about, args, touched, after, failed);
            let effect = event.effect;
            let place = (event.db, event.key.clone());
            self.sink.event(event)?;
            match effect {
                Effect::MovedHere => arrived.push(place),
                Effect::Deleted | Effect::DeletedExpired => drop(self.followed.remove(&place)),
                _ => {}
            }
        }
        if let Some(road) = self.road.take()
            && !arrived.is_empty()
            && !road.stays
        {
            self.follow(&road);
        }
        if let Some(swap) = self.swap.take().filter(|_| failed.is_none()) {
            self.follow_swapped(swap, arrived);
        }
        Ok(())
    }
}

/// Whether a command that takes a key elsewhere overwrites what is there.
fn overwrites(args: &[&[u8]]) -> bool {
    let Some((name, rest)) = args.split_first() else { return false };
    let replaces = |arg: &&[u8]| arg.eq_ignore_ascii_case(b"REPLACE");
    name.eq_ignore_ascii_case(b"RENAME")
        || name.eq_ignore_ascii_case(b"COPY") && rest.iter().skip(2).any(replaces)
}

/// What a key holds, if it is there; its value too, where that is wanted.
fn state(engine: &Engine, (db, key): &Place, value: bool) -> Result<Option<State>> {
    let Ok(index) = usize::try_from(*db) else { return Ok(None) };
    if index >= engine.keyspace.used_databases() {
        return Ok(None);
    }
    let keyspace = &engine.keyspace;
    let Some(record) = keyspace.record(index, key) else { return Ok(None) };
    let frozen = match record.value {
        Value::Frozen(frozen) => keyspace.base().and_then(|base| base.entry(key, frozen)),
        _ => None,
    };
    let (kind, elements, size_bytes) = match &frozen {
        Some(entry) => measured(entry)?,
        None => held(&record.value),
    };
    let mut state = State {
        kind: kind.name(),
        elements,
        size_bytes,
        expires_at_ms: record.expires_at_ms(),
        text: Vec::new(),
        json: Vec::new(),
    };
    if value {
        written(record, keyspace, &engine.env.target, *db, &mut state)?;
    }
    Ok(Some(state))
}

/// Kind, elements and bytes of a string.
fn measured(entry: &Entry<'_>) -> Result<(Kind, u64, Option<u64>)> {
    let shape = entry.shape()?;
    let mut size_bytes = None;
    if shape.kind == Kind::String {
        entry.visit(&mut Scratch::default(), |item| {
            if let crate::value::Item::Text(text) = item {
                size_bytes = Some(text.len());
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok((shape.kind, shape.elements, size_bytes))
}

fn held(value: &Value) -> (Kind, u64, Option<u64>) {
    let text = |bytes: usize| (Kind::String, 1, Some(bytes as u64));
    let count = |kind: Kind, elements: usize| (kind, elements as u64, None);
    match value {
        Value::Str(bytes) => text(bytes.len()),
        Value::Raw(grown) => text(grown.len()),
        Value::Lying(it) => text(it.size_bytes()),
        Value::Int(n) => (Kind::String, 1, Some(crate::value::Elem::Int(*n).len())),
        Value::List(it) => count(Kind::List, it.len()),
        Value::Set(it) => count(Kind::Set, it.len()),
        Value::Hash(it) => count(Kind::Hash, it.len()),
        Value::SortedSet(it) => count(Kind::SortedSet, it.len()),
        Value::Stream(it) => count(Kind::Stream, it.len()),
        Value::Array(it) => count(Kind::Array, it.len()),
        // As values of modules are counted in a snapshot.
        Value::VectorSet(_) => count(Kind::Module, 1),
        Value::Opaque(it) => count(it.value_type.kind(), 1),
        // What is frozen was looked at in the base.
        Value::Frozen(it) => count(it.value_type().kind(), 1),
    }
}

/// Writes the value as `get` does, for the eye and as JSON.
fn written(
    record: &Record,
    keyspace: &Keyspace,
    target: &Target,
    db: u64,
    state: &mut State,
) -> Result<()> {
    let mut sink = BodySink::new(false).lossy();
    let mut room = EntryRoom::default();
    let body = save(record, keyspace, target, target, &mut sink, &mut room)?;
    let (ty, body) = match body {
        Body::Same(ty, body) => (ty, body),
        Body::Written(ty) => (ty, sink.as_bytes()),
        Body::Nothing => return Ok(()),
    };
    let mut entry = Entry::of_body(&record.key, ty, body, 0);
    entry.db = db;
    entry.expires_at_ms = record.expires_at_ms();
    let key = entry.key_bytes()?;
    let row: keys::KeyRow<'_> = crate::ops::keys::row(&entry, &key)?;
    let human = get::ValueFormat::Human { style: Default::default(), now_ms: 0 };
    for (format, out) in [(human, &mut state.text), (get::ValueFormat::JsonLines, &mut state.json)]
    {
        let mut writer = get::ValueWriter::new(format);
        writer.begin(&row, entry.value_type.kind());
        entry.visit(&mut Scratch::default(), |item| {
            // Writing into memory cannot fail.
            drop(writer.item(&item, out));
            ControlFlow::Continue(())
        })?;
        drop(writer.end(out));
    }
    Ok(())
}
