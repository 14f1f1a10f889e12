//! What each command does to the keys that are asked for: looked at before it and behind it.

use hashbrown::{Equivalent, HashMap};

use super::idle::left_alone;
use super::state::state;
use super::{HistoryOptions, Place, Sink, Wanted};
use crate::Result;
use crate::ops::run::{About, Done, Scene, Watcher};
use crate::report::history::{Effect, Event, State};
use crate::resp::{command_keys, is_only_read};

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

/// A place that is looked for.
#[derive(Hash)]
struct At<'k>(u64, &'k [u8]);

impl Equivalent<Place> for At<'_> {
    fn equivalent(&self, (db, key): &Place) -> bool {
        (self.0, self.1) == (*db, key)
    }
}

/// What a command is about.
enum Reach {
    /// All keys.
    All,
    /// Those of its database.
    Database,
    /// Those of two databases, which change places.
    Swap(Option<(u64, u64)>),
    /// A key that it takes elsewhere.
    Road(Road),
    /// The keys that it names.
    Named,
}

impl Reach {
    /// Of a command that runs in this database.
    fn of(db: u64, args: &[&[u8]]) -> Self {
        let Some((name, rest)) = args.split_first() else { return Reach::Named };
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        let arg = |at: usize| rest.get(at).copied().unwrap_or_default();
        let number = |at: usize| std::str::from_utf8(arg(at)).ok().and_then(|n| n.parse().ok());
        let road = |to: Place, stays: bool| {
            Reach::Road(Road { from: (db, arg(0).to_vec()), to, stays, idle: false })
        };
        // Most names are told apart by their first letter.
        match name.first().map(u8::to_ascii_uppercase) {
            Some(b'F') if is("FLUSHALL") => Reach::All,
            Some(b'F') if is("FLUSHDB") => Reach::Database,
            Some(b'T') if is("TRIMSLOTS") => Reach::All,
            Some(b'S') if is("SFLUSH") => Reach::All,
            Some(b'S') if is("SWAPDB") => Reach::Swap(number(0).zip(number(1))),
            Some(b'R') if is("RENAME") || is("RENAMENX") => road((db, arg(1).to_vec()), false),
            Some(b'M') if is("MOVE") => match number(1) {
                Some(to) => road((to, arg(0).to_vec()), false),
                None => Reach::Named,
            },
            Some(b'C') if is("COPY") => {
                let word = rest.iter().skip(2).position(|arg| arg.eq_ignore_ascii_case(b"DB"));
                let to = word.and_then(|at| number(at + 3)).unwrap_or(db);
                road((to, arg(1).to_vec()), true)
            }
            _ => Reach::Named,
        }
    }
}

/// The keys that a command names.
fn named<'a>(args: &'a [&[u8]]) -> impl Iterator<Item = &'a [u8]> {
    let (name, rest) = args.split_first().map_or((&[][..], args), |(name, rest)| (*name, rest));
    command_keys(name, rest).into_iter().flatten()
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
    pub(super) fn end(&mut self, scene: Scene<'_>) -> Result<()> {
        if self.options.deleted || self.options.last {
            return Ok(());
        }
        let now_ms = self.options.run.now_ms;
        for place in self.present(scene, None) {
            let state = state(scene, &place, false)?;
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
    fn present(&self, scene: Scene<'_>, db: Option<usize>) -> Vec<Place> {
        let mut found = Vec::new();
        let dbs = match db {
            Some(db) => db..db + 1,
            None => 0..scene.keyspace.used_databases(),
        };
        for db in dbs {
            let takes = |key: &[u8]| self.takes(db as u64, key);
            let keys = scene.keyspace.records(db).map(|record| record.key.as_slice());
            found.extend(keys.filter(|key| takes(key)).map(|key| (db as u64, key.to_vec())));
        }
        found.sort();
        found
    }

    fn takes(&self, db: u64, key: &[u8]) -> bool {
        self.wanted.takes(db, key)
            || (!self.followed.is_empty() && self.followed.contains_key(&At(db, key)))
    }

    /// The keys that a command is about, wherever they are.
    fn concerned(&mut self, scene: Scene<'_>, args: &[&[u8]]) -> Vec<Place> {
        let db = scene.db as u64;
        match Reach::of(db, args) {
            Reach::All => self.present(scene, None),
            Reach::Database => self.present(scene, Some(scene.db)),
            Reach::Swap(swap) => {
                self.swap = swap;
                self.swapped(scene)
            }
            Reach::Road(road) => {
                let mut places = vec![road.from.clone(), road.to.clone()];
                places.retain(|place| self.takes_of_road(&road, place));
                self.road = Some(road);
                places.sort();
                places.dedup();
                places
            }
            Reach::Named => {
                let asked = named(args).filter(|key| self.takes(db, key));
                let mut places: Vec<Place> = asked.map(|key| (db, key.to_vec())).collect();
                places.sort();
                places.dedup();
                places
            }
        }
    }

    /// Whether a key that is taken elsewhere, or the one that it becomes, is to be told.
    fn takes_of_road(&self, road: &Road, place: &Place) -> bool {
        // RENAME a b is about b where a is asked for, too.
        (!road.stays && self.takes(road.from.0, &road.from.1)) || self.takes(place.0, &place.1)
    }

    /// The keys of two databases that change places.
    fn swapped(&self, scene: Scene<'_>) -> Vec<Place> {
        let Some((one, other)) = self.swap else { return Vec::new() };
        let mut found = Vec::new();
        for (from, to) in [(one, other), (other, one)] {
            let here = usize::try_from(from).unwrap_or(usize::MAX);
            if here >= scene.keyspace.used_databases() {
                continue;
            }
            // A key is about to be in both, and may be asked for in one of them alone.
            let keys = scene.keyspace.records(here).map(|record| record.key.as_slice());
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
        idle: bool,
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
            (Some(_), Some(_)) if idle => Effect::Nothing,
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

    fn loaded(&mut self, scene: Scene<'_>) -> Result<()> {
        self.number += 1;
        for place in self.present(scene, None) {
            let found = state(scene, &place, self.options.values)?;
            let event = self.bare(place, Effect::Loaded, found);
            self.sink.event(event)?;
        }
        Ok(())
    }

    fn takes(&self, db: u64, key: &[u8]) -> bool {
        Watch::takes(self, db, key)
    }

    fn concerns(&self, db: u64, args: &[&[u8]]) -> bool {
        match Reach::of(db, args) {
            Reach::All | Reach::Database | Reach::Swap(_) => true,
            Reach::Road(road) => {
                [&road.from, &road.to].iter().any(|it| self.takes_of_road(&road, it))
            }
            Reach::Named => named(args).any(|key| self.takes(db, key)),
        }
    }

    fn passed(&mut self, commands: u64) {
        self.number += commands;
    }

    fn before(&mut self, scene: Scene<'_>, _: &About, args: &[&[u8]]) -> Result<()> {
        self.touched.clear();
        (self.road, self.swap) = (None, None);
        let places = self.concerned(scene, args);
        if places.is_empty() {
            return Ok(());
        }
        if let Some(road) = &mut self.road {
            let there =
                |place: &Place| Ok::<_, crate::Error>(state(scene, place, false)?.is_some());
            let full = !overwrites(args) && there(&road.to)?;
            road.idle = road.from == road.to || full || !there(&road.from)?;
        }
        let (name, rest) = args.split_first().map_or((&[][..], args), |(name, rest)| (*name, rest));
        for place in places {
            let before = state(scene, &place, false)?;
            let only_read = is_only_read(name, rest, &place.1);
            self.touched.push(Touched { place, before, only_read });
        }
        Ok(())
    }

    fn after(
        &mut self,
        scene: Scene<'_>,
        about: &About,
        args: &[&[u8]],
        done: Done<'_>,
    ) -> Result<()> {
        self.number += 1;
        let failed = match done {
            Done::Failed(words) => Some(words),
            Done::Answered(_) | Done::Skipped => None,
        };
        let mut arrived = Vec::new();
        for touched in std::mem::take(&mut self.touched) {
            let after = state(scene, &touched.place, self.options.values)?;
            let idle = match (done, &touched.before, &after) {
                (Done::Answered(reply), Some(before), Some(after)) => {
                    left_alone(args, reply, &touched.place, before, after)
                }
                (Done::Skipped, ..) => true,
                _ => false,
            };
            let event = self.event(about, args, touched, after, failed, idle);
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
