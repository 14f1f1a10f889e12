//! Keys of a snapshot that rules for names would make one.
//!
//! A snapshot in which a key stands twice is loaded by no server, so such rules are refused, by the
//! names of both keys. What commands make of their keys is not known without running them.
//!
//! ```text
//! rule a:*=c:*      a:1 ─► c:1 ◄─ b:1     rule b:*=c:*
//!                          └ hash ─► the rule that made it, by which it is traced back
//! ```
//!
//! Only names that a rule can make are kept, each as its hash and the number of its rule.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::rules::Rename;
use crate::bytes::quoted;
use crate::error::{Error, Result};

/// The names of the output that a rule can make, and which rule made each, if one did.
#[derive(Debug)]
pub(super) struct Renamed<'r> {
    rules: &'r [Rename],
    taken: HashMap<u128, Option<usize>>,
}

impl<'r> Renamed<'r> {
    pub(super) fn new(rules: &'r [Rename]) -> Self {
        Renamed { rules, taken: HashMap::new() }
    }

    /// The new name of a key of database `db`, if it gets one. Fails where another key has the same.
    pub(super) fn name(&mut self, db: u64, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let made = self.rules.iter().enumerate();
        let (rule, new) = made
            .filter_map(|(rule, rename)| Some((rule, rename.apply(key)?)))
            .next()
            .map_or((None, None), |(rule, new)| (Some(rule), Some(new)));
        let name = new.as_deref().unwrap_or(key);
        if rule.is_none() && !self.rules.iter().any(|rename| rename.source_of(name).is_some()) {
            return Ok(None);
        }
        match self.taken.entry(xxh3_128_with_seed(name, db)) {
            Entry::Vacant(place) => {
                place.insert(rule);
            }
            Entry::Occupied(place) => {
                let by = place.get().and_then(|rule| self.rules.get(rule));
                let other = by.and_then(|rename| rename.source_of(name));
                return Err(both(db, other.as_deref().unwrap_or(name), key, name));
            }
        }
        Ok(new)
    }
}

/// Why two keys of a database cannot both stay.
fn both(db: u64, one: &[u8], other: &[u8], name: &[u8]) -> Error {
    if one == other {
        return Error::Source(format!(
            "key {} in db {db} stands there twice: no server loads that, and nothing was written. \
             `rdbkit repair` keeps one of each",
            quoted(one)
        ));
    }
    Error::Usage(format!(
        "keys {} and {} of db {db} in the snapshot would both become {}, and no server loads one in \
         which a key stands twice: give one of them another name with --rename, or leave it out with \
         --not-key",
        quoted(one),
        quoted(other),
        quoted(name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_that_become_one_are_named() {
        check("a:*=c:*,b:*=c:*", &["a:1", "b:2", "c:3"], None);
        check("a:*=c:*,b:*=c:*", &["a:1", "b:1"], Some(r#""a:1" and "b:1" of db 0"#));
        check("a:*=c:*", &["c:1", "a:1"], Some(r#""c:1" and "a:1" of db 0"#));
        check("a:*=c:*", &["a:1", "c:1"], Some(r#""a:1" and "c:1" of db 0"#));
        check("a=b,*-x=*", &["a", "b-x"], Some(r#"would both become "b""#));
        check("a=b,b=a", &["a", "b"], None);
        check("a=b", &["a", "a"], Some(r#""a" in db 0 stands there twice"#));
        check("a=b", &["c", "c"], None);
    }

    #[test]
    fn databases_are_apart() {
        let rules = [Rename::new(b"a=b").unwrap()];
        let mut renamed = Renamed::new(&rules);
        assert_eq!(renamed.name(0, b"a").unwrap().unwrap(), b"b");
        assert_eq!(renamed.name(1, b"b").unwrap(), None);
    }

    #[track_caller]
    fn check(rules: &str, keys: &[&str], want: Option<&str>) {
        let rules: Vec<Rename> =
            rules.split(',').map(|rule| Rename::new(rule.as_bytes()).unwrap()).collect();
        let mut renamed = Renamed::new(&rules);
        let done = keys.iter().try_for_each(|key| renamed.name(0, key.as_bytes()).map(drop));
        match (done, want) {
            (Ok(()), None) => {}
            (Err(error), Some(want)) => assert!(error.to_string().contains(want), "{error}"),
            (done, want) => panic!("{done:?} {want:?}"),
        }
    }
}
