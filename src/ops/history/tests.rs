//! What is told is what a run on one thread tells that looks at every command.

use std::fs;
use std::path::{Path, PathBuf};

use hashbrown::HashMap;

use super::watch::Watch;
use super::{HistoryOptions, Sink};
use crate::error::Result;
use crate::ops::filter::{Criteria, Filter};
use crate::ops::run::{About, Done, Pace, RunOptions, Scene, Watcher, run_watched};
use crate::ops::walk::Silent;
use crate::report::history::{Effect, Event};
use crate::resp::encode;
use crate::source::{OpenOptions, open};

/// Has every command shown, so that each is run alone.
struct Every<'w, 'o, 's>(&'w mut Watch<'o, 's>);

impl Watcher for Every<'_, '_, '_> {
    fn part(&mut self, name: &str) {
        self.0.part(name);
    }

    fn loaded(&mut self, scene: Scene<'_>) -> Result<()> {
        self.0.loaded(scene)
    }

    fn takes(&self, _: u64, _: &[u8]) -> bool {
        true
    }

    fn concerns(&self, _: u64, _: &[&[u8]]) -> bool {
        true
    }

    fn passed(&mut self, commands: u64) {
        assert_eq!(commands, 0);
    }

    fn before(&mut self, scene: Scene<'_>, about: &About, args: &[&[u8]]) -> Result<()> {
        self.0.before(scene, about, args)
    }

    fn after(
        &mut self,
        scene: Scene<'_>,
        about: &About,
        args: &[&[u8]],
        done: Done<'_>,
    ) -> Result<()> {
        self.0.after(scene, about, args, done)
    }
}

/// The events, and what the run came to.
fn told(log: &Path, options: &HistoryOptions, plain: bool, pace: Pace) -> (Vec<Event>, String) {
    let mut events = Vec::new();
    let mut each = |event: &Event| {
        events.push(event.clone());
        Ok(())
    };
    let source = open(&log.as_os_str().into(), &OpenOptions::default()).unwrap();
    let mut sink = Sink::new(options, &mut each);
    let mut watch = Watch::new(options, &mut sink);
    let mut every;
    let run = {
        let watcher: &mut dyn Watcher = if plain {
            every = Every(&mut watch);
            &mut every
        } else {
            &mut watch
        };
        run_watched(source, &options.run, &Silent, watcher, pace)
    };
    let came_to = match run {
        Ok(run) => {
            let engine = &run.engine;
            let scene = Scene { keyspace: &engine.keyspace, target: &engine.env.target, db: 0 };
            watch.end(scene).unwrap();
            sink.finish().unwrap();
            format!("{} {:?} {:?}", run.commands, run.failures, run.parts)
        }
        Err(error) => error.to_string(),
    };
    (events, came_to)
}

/// Holds the quick ways against the plain one; how many events there are.
#[track_caller]
fn same(log: &Path, options: &HistoryOptions) -> usize {
    let mut options = options.clone();
    options.run = RunOptions {
        threads: 1,
        skip_unknown: options.run.skip_unknown,
        ..RunOptions::at(Some(4_200_000_000_000))
    };
    let want = told(log, &options, true, Pace::default());
    for (threads, section) in [(1, 1 << 20), (3, 40)] {
        options.run.threads = threads;
        let pace = Pace { section, worth_sharing: 5, worth_threads: 0 };
        let found = told(log, &options, false, pace);
        let asked: Vec<_> =
            options.patterns.iter().map(|pattern| String::from_utf8_lossy(pattern)).collect();
        assert_eq!(found.1, want.1, "{} {asked:?}", log.display());
        for (at, (found, want)) in found.0.iter().zip(&want.0).enumerate() {
            assert_eq!(found, want, "event {at} of {} {asked:?}", log.display());
        }
        assert_eq!(found.0.len(), want.0.len(), "{} {asked:?}", log.display());
    }
    want.0.len()
}

fn asked(patterns: &[&str]) -> HistoryOptions {
    let patterns = patterns.iter().map(|pattern| pattern.as_bytes().to_vec()).collect();
    HistoryOptions { patterns, values: true, ..HistoryOptions::default() }
}

/// Commands over few keys, so that they meet often, with all that takes keys elsewhere.
fn log(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut chance = |bound: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % bound
    };
    let mut log = Vec::new();
    let mut open = false;
    for n in 0..1500_u64 {
        let (one, other, third) = (chance(12), chance(12), chance(12));
        let long = "a-long-text-that-is-not-copied-".repeat(1 + chance(3) as usize);
        let words = match chance(31) {
            0 => format!("SELECT {}", chance(3)),
            1 => format!("MSET k{one} {n} k{other} {long} k{third} x"),
            2 => format!("MSET k{one} {n} k{other}"),
            3 => format!("DEL k{one} l{other} k{third}"),
            4 | 5 => format!("RENAME k{one} k{other}"),
            6 => format!("RENAMENX k{one} l{other}"),
            7 if chance(12) == 0 => "FLUSHDB".to_owned(),
            7 if chance(30) == 0 => "FLUSHALL ASYNC".to_owned(),
            7 | 8 => format!("LPUSH l{one} {n} {long}"),
            9 => format!("LMOVE l{one} l{other} LEFT RIGHT"),
            10 => format!("COPY k{one} k{other} DB {} REPLACE", chance(3)),
            11 => format!("COPY k{one} s{other}"),
            12 => format!("MOVE k{one} {}", chance(3)),
            13 => format!("APPEND k{one} {long}"),
            14 => format!("PEXPIREAT k{one} {}", 4_100_000_000_000 + chance(200_000_000_000)),
            15 => format!("SINTERSTORE s{one} s{other} s{third}"),
            16 => format!("SADD s{one} {} {}", chance(30), chance(30)),
            17 if chance(4) == 0 => format!("SWAPDB {} {}", chance(3), chance(3)),
            18 => format!("SMOVE s{one} s{other} {}", chance(30)),
            19 => format!("SORT l{one} BY nosort STORE l{other}"),
            20 => format!("SORT s{one} BY k* GET k* STORE l{other}"),
            21 if open => "EXEC".to_owned(),
            21 | 22 => "MULTI".to_owned(),
            23 => format!("GET k{one}"),
            24 if cfg!(feature = "lua") => {
                format!(
                    "EVAL redis.call('SET',KEYS[1],ARGV[1]);redis.call('DEL','k3') 1 k{one} {n}"
                )
            }
            25 => format!("INCR k{one}"),
            26 => format!("UNLINK k{one}"),
            27 => format!("MOVE k{one} nowhere"),
            28 => format!("SPOP s{one}"),
            29 => format!("PUBLISH k{one} {n}"),
            _ => format!("SET k{one} {long}{n}"),
        };
        match words.as_str() {
            "MULTI" if open => continue,
            "MULTI" => open = true,
            "EXEC" => open = false,
            _ => {}
        }
        let args: Vec<_> = words.split(' ').map(str::as_bytes).collect();
        encode::command(&mut log, args);
        if n % 100 == 7 && !open {
            log.extend_from_slice(format!("#TS:{}\r\n", 1_700_000_000 + n).as_bytes());
        }
    }
    if open {
        encode::command(&mut log, [&b"EXEC"[..]]);
    }
    log
}

#[test]
fn what_is_told_is_what_a_look_at_every_command_tells() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("appendonly.aof");
    let only_db = |db: u64, mut options: HistoryOptions| {
        let criteria = Criteria { dbs: vec![db..=db], ..Criteria::default() };
        options.filter = Filter::new(&criteria, &Criteria::default(), 0).unwrap();
        options
    };
    let mut events = 0;
    for seed in 1..5 {
        fs::write(&path, log(seed)).unwrap();
        for patterns in [&["k3"][..], &["k1", "l2", "s3"], &["k1*", "nobody"], &["*"], &["s?"]] {
            events += same(&path, &asked(patterns));
        }
        for db in 0..3 {
            events += same(&path, &only_db(db, asked(&["k2", "s*"])));
        }
        events += same(&path, &HistoryOptions { last: true, ..asked(&["k*"]) });
        events += same(&path, &HistoryOptions { deleted: true, ..asked(&["k4", "k5"]) });
        events += same(&path, &HistoryOptions { deleted: true, ..asked(&[]) });
    }
    assert!(events > 10_000, "{events}");
}

/// What is told to have changed nothing has the value that it had, and the other way round.
#[test]
fn a_key_that_is_left_alone_is_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("appendonly.aof");
    let moving = ["SMOVE", "LMOVE", "SADD", "SPOP", "APPEND", "INCR", "LPUSH", "PEXPIREAT", "GET"];
    let (mut alone, mut changed) = (0, 0);
    for seed in 20..24 {
        fs::write(&path, log(seed)).unwrap();
        let mut last = HashMap::new();
        for event in told(&path, &asked(&["*"]), false, Pace::default()).0 {
            let place = (event.db, event.key.clone());
            let now = event.after.as_ref().map(|state| (state.json.clone(), state.expires_at_ms));
            let was = last.insert(place, now.clone()).flatten();
            let (Some(_), Some(was), Some(now)) = (&event.before, was, now) else { continue };
            let name = String::from_utf8_lossy(event.command()).into_owned();
            match event.effect {
                Effect::Read | Effect::Nothing | Effect::Failed | Effect::CopiedTo => {
                    assert_eq!(was, now, "{event:?}");
                    alone += 1;
                }
                Effect::Changed if moving.contains(&&*name) => {
                    let round = name == "LMOVE" && event.args.get(1) == event.args.get(2);
                    assert!(was != now || round, "{event:?}");
                    changed += 1;
                }
                _ => {}
            }
        }
    }
    assert!(alone > 250 && changed > 250, "{alone} {changed}");
}

#[test]
fn a_run_that_ends_early_tells_what_came_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("appendonly.aof");
    let mut bytes = log(3);
    encode::command(&mut bytes, [&b"NOSUCH"[..], b"k1"]);
    bytes.extend_from_slice(&log(4));
    for tail in [&b""[..], b"*2\r\n$3\r\nGET", b"garbage"] {
        fs::write(&path, [&bytes[..], tail].concat()).unwrap();
        let mut options = asked(&["k1"]);
        assert!(same(&path, &options) > 10);
        options.run.skip_unknown = true;
        assert!(same(&path, &options) > 20);
    }
}

/// The logs of servers.
#[test]
fn logs_of_servers_are_told_the_same() {
    let mut logs = vec![PathBuf::from("fixtures")];
    // Those of a larger corpus, where there is one, too.
    logs.extend(std::env::var_os("RDBKIT_CORPUS").map(|corpus| Path::new(&corpus).join("gen")));
    let mut seen = 0;
    for folder in logs {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !(name.ends_with(".aof") || name.contains("aofdir")) || name == "empty.aof" {
                continue;
            }
            for patterns in [&["*1*"][..], &["hash:many", "str:empty", "user:1000"], &["str:*"]] {
                same(&path, &asked(patterns));
            }
            seen += 1;
        }
    }
    assert!(seen >= 8, "{seen}");
}
