//! The keys that logs name: where these are few, the rest of a snapshot need not be loaded.
//!
//! ```text
//! bits   two bits for each key, at places that its hash tells; 32 times as many bits as keys
//! ```
//!
//! One key in three hundred seems to be named and is not: it is loaded, and nobody minds. But it is
//! written behind those that are copied, so the hash is the same in every run, as the output is to be.

use xxhash_rust::xxh3::xxh3_64;

use super::log::{Progress, Runner, read};
use crate::engine::{Route, lookup};
use crate::resp::{Command, command_keys};

/// Keys by their hashes.
#[derive(Debug)]
pub(super) struct Touched {
    bits: Vec<u64>,
    /// What is left of a hash when this is shifted out is the number of a bit.
    shift: u32,
}

impl Touched {
    /// The keys that the commands of these logs name, in any database. `None` where one of them
    /// works on more than the keys that it names, or is not known.
    pub(super) fn of_logs<'a>(logs: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut names = Names::default();
        for log in logs {
            // Where a log breaks off, its run will break off, too.
            read(log, 0, &Progress::default(), &mut names).ok()?;
        }
        Some(Touched::of(&names.hashes))
    }

    fn of(hashes: &[u64]) -> Self {
        let log2 = (hashes.len() * 32).next_power_of_two().ilog2().max(6);
        let mut touched = Touched { bits: vec![0; 1 << (log2 - 6)], shift: 64 - log2 };
        for &hash in hashes {
            for bit in touched.places(hash) {
                if let Some(word) = touched.bits.get_mut((bit / 64) as usize) {
                    *word |= 1 << (bit % 64);
                }
            }
        }
        touched
    }

    /// Whether a key is named; some that are not seem to be.
    #[inline]
    pub(super) fn holds(&self, key: &[u8]) -> bool {
        let is_set = |bit: u64| {
            self.bits.get((bit / 64) as usize).is_some_and(|word| word >> (bit % 64) & 1 != 0)
        };
        self.places(xxh3_64(key)).into_iter().all(is_set)
    }

    #[inline]
    fn places(&self, hash: u64) -> [u64; 2] {
        [hash >> self.shift, hash.rotate_left(32) >> self.shift]
    }
}

/// Gathers the hashes of the keys that commands name.
#[derive(Default)]
struct Names<'a> {
    hashes: Vec<u64>,
    args: Vec<&'a [u8]>,
}

/// A command works on more than the keys that it names.
struct Everything;

impl<'a> Runner<'a> for Names<'a> {
    type Stop = Everything;

    fn command(&mut self, _offset: u64, command: Command<'a>) -> Result<(), Everything> {
        let name = command.name();
        let spec = lookup(name).filter(|spec| spec.takes(command.argc() as usize));
        let spec = spec.ok_or(Everything)?;
        match spec.route {
            Route::Key(place) => {
                let key = command.args().nth(usize::from(place) - 1).ok_or(Everything)?;
                self.hashes.push(xxh3_64(key));
            }
            Route::Split(step) => {
                self.hashes.extend(command.args().step_by(step.into()).map(xxh3_64));
            }
            Route::Keys => {
                self.args.clear();
                self.args.extend(command.args());
                let before = self.hashes.len();
                self.hashes.extend(command_keys(name, &self.args).ok_or(Everything)?.map(xxh3_64));
                if self.hashes.len() == before {
                    return Err(Everything);
                }
            }
            Route::Nothing => {}
            Route::Each if spec.name == "SELECT" => {}
            Route::Each | Route::All => return Err(Everything),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::Touched;

    fn of(commands: &[&str]) -> Option<Touched> {
        let mut log = String::new();
        for command in commands {
            let words: Vec<&str> = command.split(' ').collect();
            write!(log, "*{}\r\n", words.len()).unwrap();
            words.iter().for_each(|word| write!(log, "${}\r\n{word}\r\n", word.len()).unwrap());
        }
        Touched::of_logs([log.as_bytes()])
    }

    #[test]
    fn all_keys_that_are_named_are_there() {
        let touched = of(&[
            "SELECT 3",
            "SET one 1",
            "MULTI",
            "DEL two three",
            "MSET four 4 five 5",
            "EXEC",
            "ZUNIONSTORE six 2 seven eight WEIGHTS 1 2",
            "RENAME nine ten",
            "XGROUP CREATE eleven group 0",
        ])
        .unwrap();
        let named = "one two three four five six seven eight nine ten eleven";
        assert!(named.split(' ').all(|key| touched.holds(key.as_bytes())));
        let others = (0..1000).filter(|n| touched.holds(format!("other:{n}").as_bytes()));
        // The same in every run.
        assert_eq!(others.collect::<Vec<_>>(), [284]);
    }

    #[test]
    fn where_nothing_is_named_nothing_is_there() {
        assert!(!of(&["PING"]).unwrap().holds(b"key"));
        assert!(!Touched::of_logs([]).unwrap().holds(b""));
    }

    #[test]
    fn commands_that_reach_further_say_so() {
        for command in [
            "FLUSHALL",
            "FLUSHDB ASYNC",
            "SWAPDB 0 1",
            "SORT key BY weight_* STORE dest",
            "FUNCTION FLUSH",
            "EVAL return 0",
            "NOSUCH key",
            "SET key",
        ] {
            assert!(of(&["SET key 1", command]).is_none(), "{command}");
        }
    }
}
