//! Where a broken hash ends whose fields read like keys.
//!
//! ```text
//! field without expiry of a hash whose fields expire     00   field   value
//! key with a plain string                                00   key     value
//! ```
//!
//! Behind damage in such a hash the first place that reads like records is its own next field, so
//! its end is found in other ways. Two of them are exact: how many keys the database announces,
//! held against those that stand behind the next record that can be no field; and how many fields
//! the hash says it has. Where neither helps, what may be either is left out.

use super::resync::{CHAIN, Likeness, NEAR_BYTES, is_text, may_begin};
use crate::rdb::object::Checker;
use crate::rdb::{Claim, Framer, Record, Text, ValueType, length};

/// Fields whose names are longer do not say where a hash goes on.
const NAME_BYTES: u64 = 64 << 10;

/// Where records go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) at: usize,
    /// So many records before it were left out that may be fields or keys.
    pub(super) doubtful: u64,
}

impl From<usize> for Found {
    fn from(at: usize) -> Self {
        Found { at, doubtful: 0 }
    }
}

/// What is known of a hash that is broken, and of the keys behind it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// How many fields it says it has.
    pub(super) claim: Option<Claim>,
    /// How many keys its database should have behind it.
    pub(super) left: Option<u64>,
    /// Whether what is broken is a key for sure.
    pub(super) is_key: bool,
}

/// Whether fields of a value with this label read like keys.
pub(super) fn read_like_keys(label: &str) -> bool {
    [ValueType::HashMetadata, ValueType::HashMetadataPreGa].iter().any(|ty| ty.label() == label)
}

/// What reads like fields, up to a record that is none.
struct Stretch {
    /// All of them.
    fields: u64,
    /// Where those at its end begin that may as well be keys, and how many they are.
    run: usize,
    in_run: u64,
    end: usize,
    /// Those that begin with a length that is no type: nothing but a field that expires does.
    expiring: u64,
    /// Whether what follows is a record, and no field.
    leads_to_record: bool,
}

impl From<usize> for Stretch {
    fn from(at: usize) -> Self {
        Stretch { fields: 0, run: at, in_run: 0, end: at, expiring: 0, leads_to_record: false }
    }
}

impl Likeness {
    /// Where records go on behind a hash whose fields read like keys, and that cannot be read
    /// from `from` on, where its elements begin if it has a claim. `None` if nothing near looks
    /// like either.
    pub(super) fn behind_fields(
        &mut self,
        bytes: &[u8],
        from: usize,
        known: Known,
        framer: &Framer,
        checker: &mut Checker,
    ) -> Option<Found> {
        let (mut broken, mut sound) = (from, 0);
        let claimed = known.claim.map(|claim| claim.count());
        if let Some(found) = self.behind_swallowed(bytes, from, known, framer, checker) {
            return Some(found);
        }
        while claimed.is_some_and(|count| sound < count)
            && let Some(next) = field(bytes, broken)
        {
            broken = next;
            sound += 1;
        }
        let start = self.likely_start(bytes, broken, framer, checker)?;
        if start == broken {
            // All of them were sound, so it is the claim that is not.
            let stretch = self.stretch(bytes, from, framer, checker);
            return Some(self.end_of(bytes, &stretch, None, known.left, framer));
        }
        let stretch = self.stretch(bytes, start, framer, checker);
        let behind = claimed.map(|count| count.saturating_sub(sound + 1));
        let found = self.end_of(bytes, &stretch, behind, known.left, framer);
        if found.at < stretch.end || stretch.leads_to_record {
            return Some(found);
        }
        // More damage.
        let at = self.first(bytes, stretch.end + 1, framer, checker).unwrap_or(bytes.len());
        Some(Found { at, ..found })
    }

    /// The same where a length that lies has taken in whole fields: what makes up for them in the
    /// number of fields is none, and a name that is no text where keys are text may be several.
    fn behind_swallowed(
        &mut self,
        bytes: &[u8],
        from: usize,
        known: Known,
        framer: &Framer,
        checker: &mut Checker,
    ) -> Option<Found> {
        let claimed = known.claim.map(|claim| claim.count())?;
        let stretch = self.stretch(bytes, from, framer, checker);
        if stretch.leads_to_record {
            let is_short = stretch.fields < claimed;
            return is_short.then(|| self.end_of(bytes, &stretch, None, known.left, framer));
        }
        if !self.is_text() {
            return None;
        }
        let (mut odd, mut sound) = (from, 0);
        while sound < claimed && has_text_name(bytes, odd) {
            odd = field(bytes, odd)?;
            sound += 1;
        }
        // One that has no end is broken itself, and has taken nothing in.
        field(bytes, odd).filter(|_| sound < claimed)?;
        let start = self.likely_start(bytes, odd + 1, framer, checker)?;
        let stretch = self.stretch(bytes, start, framer, checker);
        let fits = stretch.leads_to_record
            && sound + 1 + stretch.fields <= claimed.saturating_add(stretch.in_run);
        fits.then(|| self.end_of(bytes, &stretch, None, known.left, framer))
    }

    /// The first place from `at` on, among those near, where fields or records begin.
    fn likely_start(
        &mut self,
        bytes: &[u8],
        at: usize,
        framer: &Framer,
        checker: &mut Checker,
    ) -> Option<usize> {
        let near = bytes.len().min(at.saturating_add(NEAR_BYTES));
        (at..near).find(|&at| {
            let rest = bytes.get(at..).unwrap_or_default();
            self.begins_with_fields(rest)
                || may_begin(rest) && self.is_believable(rest, NEAR_BYTES, framer, checker)
        })
    }

    /// Of what reads like plain strings from `at` on, where those begin that the database has
    /// announced.
    pub(super) fn announced(
        &mut self,
        bytes: &[u8],
        at: usize,
        known: Known,
        framer: &Framer,
        checker: &mut Checker,
    ) -> Found {
        if bytes.get(at) != Some(&0) {
            return at.into();
        }
        let stretch = self.stretch(bytes, at, framer, checker);
        if stretch.expiring > 0 {
            return self.end_of(bytes, &stretch, None, known.left, framer);
        }
        let keys = self.announced_in(bytes, &stretch, known.left, framer);
        let too_many = keys.map_or(0, |keys| stretch.in_run.saturating_sub(keys));
        // What is broken may be no key, so one too many says nothing then.
        if stretch.run != at || too_many < 1 + u64::from(!known.is_key) {
            return at.into();
        }
        nth(bytes, at, too_many).into()
    }

    /// Where the hash ends in a stretch: `behind` fields from its begin, if that is known.
    fn end_of(
        &mut self,
        bytes: &[u8],
        stretch: &Stretch,
        behind: Option<u64>,
        left: Option<u64>,
        framer: &Framer,
    ) -> Found {
        if let Some(keys) = self.announced_in(bytes, stretch, left, framer) {
            let fields = stretch.in_run.saturating_sub(keys);
            return nth(bytes, stretch.run, fields).into();
        }
        let others = stretch.fields - stretch.in_run;
        if let Some(behind) = behind.filter(|&behind| behind <= stretch.fields) {
            return nth(bytes, stretch.run, behind.saturating_sub(others)).into();
        }
        Found { at: stretch.end, doubtful: stretch.in_run }
    }

    /// How many keys there must be in a stretch, as all behind it are sound and their number is
    /// known.
    fn announced_in(
        &mut self,
        bytes: &[u8],
        stretch: &Stretch,
        left: Option<u64>,
        framer: &Framer,
    ) -> Option<u64> {
        let left = left.filter(|_| stretch.leads_to_record)?;
        let keys = self.keys_behind(bytes, stretch.end, framer)?;
        // One that is broken may have been counted twice.
        (keys <= left + 1).then(|| left.saturating_sub(keys))
    }

    /// How many keys there are from `at` to the end of their database, if all of it can be read.
    pub(super) fn keys_behind(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        framer: &Framer,
    ) -> Option<u64> {
        let mut framer = framer.clone();
        let (db, mut keys) = (framer.db(), 0);
        loop {
            let rest = bytes.get(at..).filter(|_| self.counted < bytes.len() as u64 * 4)?;
            let (record, behind) = framer.next(rest, 0).ok()?;
            match record {
                Record::Entry(_) => keys += 1,
                Record::SelectDb(other) if other != db => return Some(keys),
                Record::End { .. } => return Some(keys),
                _ => {}
            }
            self.counted += (rest.len() - behind.len()) as u64;
            at = bytes.len() - behind.len();
        }
    }

    fn stretch(
        &mut self,
        bytes: &[u8],
        start: usize,
        framer: &Framer,
        checker: &mut Checker,
    ) -> Stretch {
        let mut stretch = Stretch::from(start);
        while let Some(rest) = bytes.get(stretch.end..) {
            let may_be_key = rest.first() == Some(&0);
            if !may_be_key
                && may_begin(rest)
                && self.is_believable(rest, NEAR_BYTES, framer, checker)
            {
                stretch.leads_to_record = true;
                break;
            }
            let Some(next) = field(bytes, stretch.end) else { break };
            stretch.fields += 1;
            stretch.expiring += u64::from(rest.first().is_some_and(|&byte| byte >= 0x40));
            stretch.end = next;
            if may_be_key {
                stretch.in_run += 1;
            } else {
                (stretch.run, stretch.in_run) = (next, 0);
            }
        }
        stretch
    }

    /// Whether several fields follow each other here, all of them with names like the keys.
    fn begins_with_fields(&self, bytes: &[u8]) -> bool {
        let (wanted, text) = if self.is_text() { (CHAIN, true) } else { (2 * CHAIN, false) };
        let mut rest = bytes;
        (0..wanted).all(|_| {
            let name = length(rest).and_then(|(at, _)| Text::parse(at)).ok().map(|(_, name)| name);
            let is_likely = name
                .filter(|name| !name.is_empty() && name.len() <= NAME_BYTES)
                .and_then(|name| name.to_cow().ok())
                .is_some_and(|name| !text || is_text(&name));
            let next = field(rest, 0).filter(|_| is_likely).and_then(|next| rest.get(next..));
            next.map(|next| rest = next).is_some()
        })
    }
}

/// Whether there is a field at `at` whose name is text.
fn has_text_name(bytes: &[u8], at: usize) -> bool {
    let field = bytes.get(at..).and_then(|rest| length(rest).ok());
    let name = field.and_then(|(rest, _)| Text::parse(rest).ok()).map(|(_, name)| name);
    name.filter(|name| name.len() <= NAME_BYTES)
        .and_then(|name| name.to_cow().ok())
        .is_some_and(|name| is_text(&name))
}

/// The end of the field at `at`.
fn field(bytes: &[u8], at: usize) -> Option<usize> {
    let (rest, _) = length(bytes.get(at..)?).ok()?;
    let (rest, ()) = Text::skip(rest).ok()?;
    let (rest, ()) = Text::skip(rest).ok()?;
    Some(bytes.len() - rest.len())
}

/// Where the field or key begins before which there are `count` from `at` on.
pub(super) fn nth(bytes: &[u8], at: usize, count: u64) -> usize {
    (0..count).try_fold(at, |at, _| field(bytes, at)).unwrap_or(bytes.len())
}
