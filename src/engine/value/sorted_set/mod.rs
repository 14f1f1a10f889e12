//! Sorted sets in memory: small ones are a listpack, as in the servers, large ones a table and an
//! index.

mod index;
mod large;
mod packed;

use std::ops::{ControlFlow, Range};

use crate::engine::Bytes;
use crate::error::FormatError;
use crate::rdb::packed::{ListpackBuf, Ziplist};
use crate::rdb::{Entry, Limits, Scratch, Target, Text, ValueType};
use crate::value::{Elem, Item};
use large::Large;
pub use packed::Packing;

/// A sorted set.
#[derive(Debug, Clone)]
pub struct SortedSet(Form);

#[derive(Debug, Clone)]
enum Form {
    Packed(ListpackBuf),
    Large(Box<Large>),
}

impl Default for SortedSet {
    fn default() -> Self {
        SortedSet(Form::Packed(ListpackBuf::new()))
    }
}

impl SortedSet {
    /// An empty one, for so many members of which the first has so many bytes.
    pub fn for_members(members: usize, bytes: usize, packing: &Packing) -> Self {
        if members > packing.entries || bytes > packing.value {
            SortedSet(Form::Large(Box::new(Large::with_capacity(members))))
        } else {
            SortedSet::default()
        }
    }

    /// One of these members, each of which is there once, in any order; packed if it may be.
    pub fn of(mut members: Vec<(Vec<u8>, f64)>, packing: &Packing) -> Self {
        SortedSet::sort(&mut members);
        let most = members.iter().map(|(member, _)| member.len()).max().unwrap_or(0);
        let mut set = SortedSet::for_members(members.len(), most, packing);
        for (member, score) in &members {
            match &mut set.0 {
                Form::Packed(pack) => packed::push(pack, Elem::Bytes(member), *score, packing),
                Form::Large(large) => {
                    large.push(member, *score);
                }
            }
        }
        set
    }

    /// Puts members into the order of a sorted set.
    pub fn sort(members: &mut [(Vec<u8>, f64)]) {
        members.sort_unstable_by(|(a, a_score), (b, b_score)| {
            a_score.partial_cmp(b_score).unwrap_or(std::cmp::Ordering::Equal).then_with(|| a.cmp(b))
        });
    }

    /// The value of an entry.
    pub fn load(
        entry: &Entry<'_>,
        limits: &Limits,
        scratch: &mut Scratch,
    ) -> Result<Self, Box<FormatError>> {
        let packing = Packing::new(&Target::default(), limits);
        let (mut count, mut longest) = (0, 0);
        entry.visit(scratch, |item| {
            if let Item::Scored { member, .. } = item {
                count += 1;
                longest = longest.max(member.len());
            }
            ControlFlow::Continue(())
        })?;
        let small = count <= packing.entries;
        if small && let Some(pack) = adopt(entry) {
            return Ok(SortedSet(Form::Packed(pack)));
        }
        let mut members: Vec<(Bytes, f64)> = Vec::new();
        let mut text = itoa::Buffer::new();
        entry.visit(scratch, |item| {
            if let Item::Scored { member, score } = item {
                members.push((member.bytes(&mut text).into(), score));
            }
            ControlFlow::Continue(())
        })?;
        // Servers write the highest score first.
        if let [(first, low), .., (last, high)] = members.as_slice()
            && (low, first) > (high, last)
        {
            members.reverse();
        }
        let mut set = SortedSet::for_members(count, longest as usize, &packing);
        let in_order = members.is_sorted_by(|(a, low), (b, high)| (low, a) < (high, b));
        for (member, score) in &members {
            // A file may hold a member twice, with two scores.
            let pushed = match &mut set.0 {
                Form::Large(large) if in_order => large.push(member, *score),
                _ => false,
            };
            if !pushed {
                set.change(&packing, member, |_| Some(*score));
            }
        }
        Ok(set)
    }

    /// How many members there are.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Packed(pack) => pack.len() / 2,
            Form::Large(large) => large.len(),
        }
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What OBJECT ENCODING answers.
    pub fn encoding(&self, target: &Target) -> &'static str {
        match self.0 {
            Form::Packed(_) if target.has_listpacks() => "listpack",
            Form::Packed(_) => "ziplist",
            Form::Large(_) => "skiplist",
        }
    }

    /// The listpack of one that is packed.
    pub fn packed(&self) -> Option<&ListpackBuf> {
        match &self.0 {
            Form::Packed(pack) => Some(pack),
            Form::Large(_) => None,
        }
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.0 {
            Form::Packed(pack) => packed::find(pack, member).map(|(_, score)| score),
            Form::Large(large) => large.score(member),
        }
    }

    /// How many members come before this one, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match &self.0 {
            Form::Packed(pack) => {
                let (at, score) = packed::find(pack, member)?;
                Some((packed::rank_of(pack, at), score))
            }
            Form::Large(large) => large.rank(member),
        }
    }

    /// Makes a packed one large if so many members are too many: what a server does before it
    /// adds them one by one.
    #[inline]
    pub fn expect_members(&mut self, members: usize, packing: &Packing) {
        if members > packing.entries {
            self.unpack();
        }
    }

    /// Makes a packed one large, as servers do before they sort one.
    pub fn enlarge(&mut self) {
        self.unpack();
    }

    /// Sets the score of a member to what `decide` makes of the one that it has; `None` leaves
    /// everything as it is. The member is looked up once.
    #[inline]
    pub fn change(
        &mut self,
        packing: &Packing,
        member: &[u8],
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) {
        let pack = match &mut self.0 {
            Form::Large(large) => return large.change(member, decide),
            Form::Packed(pack) => pack,
        };
        if let Some((at, old)) = packed::find(pack, member) {
            if let Some(score) = decide(Some(old)).filter(|score| *score != old) {
                packed::put(pack, Some(at), member, score, packing);
            }
            return;
        }
        let Some(score) = decide(None) else { return };
        if pack.len() / 2 < packing.entries && member.len() <= packing.value {
            packed::put(pack, None, member, score, packing);
        } else {
            self.unpack().change(member, |_| Some(score));
        }
    }

    /// Makes it a large one.
    #[cold]
    fn unpack(&mut self) -> &mut Large {
        if let Form::Packed(pack) = &self.0 {
            let mut large = Box::new(Large::with_capacity(pack.len() / 2 + 1));
            for pair in packed::pairs(pack) {
                // One that was taken over as it was may be out of order.
                large.change(pair.member.bytes(&mut itoa::Buffer::new()), |_| Some(pair.score));
            }
            self.0 = Form::Large(large);
        }
        match &mut self.0 {
            Form::Large(large) => large,
            Form::Packed(_) => unreachable!("it was made large above"),
        }
    }

    /// Removes a member; its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.0 {
            Form::Packed(pack) => {
                let (at, score) = packed::find(pack, member)?;
                pack.remove(at, 2);
                Some(score)
            }
            Form::Large(large) => large.remove(member),
        }
    }

    /// Removes the members of these ranks.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) {
        match &mut self.0 {
            Form::Packed(pack) => {
                if let Some(at) = pack.seek(2 * ranks.start) {
                    pack.remove(at, 2 * ranks.len());
                }
            }
            Form::Large(large) => large.remove_ranks(ranks.start, ranks.len()),
        }
    }

    /// The ranks between two bounds: behind the members that are `below`, and as far as they are
    /// `within`.
    pub fn ranks(
        &self,
        below: impl Fn(Elem<'_>, f64) -> bool,
        within: impl Fn(Elem<'_>, f64) -> bool,
    ) -> Range<usize> {
        match &self.0 {
            Form::Packed(pack) => {
                let mut pairs =
                    packed::pairs(pack).map(|pair| (pair.member, pair.score)).peekable();
                let mut start = 0;
                while pairs.next_if(|(member, score)| below(*member, *score)).is_some() {
                    start += 1;
                }
                start..start + pairs.take_while(|(member, score)| within(*member, *score)).count()
            }
            Form::Large(large) => {
                let start = large.partition_point(|m, score| below(Elem::Bytes(m), score));
                let end = large.partition_point(|m, score| within(Elem::Bytes(m), score));
                start..end.max(start)
            }
        }
    }

    /// The same, sought from the end. Where the order is not that which is asked about, these are
    /// others.
    pub fn ranks_from_end(
        &self,
        below: impl Fn(Elem<'_>, f64) -> bool,
        within: impl Fn(Elem<'_>, f64) -> bool,
    ) -> Range<usize> {
        let Form::Packed(pack) = &self.0 else { return self.ranks(below, within) };
        let pairs: Vec<_> = packed::pairs(pack).map(|pair| (pair.member, pair.score)).collect();
        let behind = pairs.iter().rev().take_while(|(member, score)| !within(*member, *score));
        let end = pairs.len() - behind.count();
        let part = pairs.iter().take(end).rev();
        end - part.take_while(|(member, score)| !below(*member, *score)).count()..end
    }

    /// The first member and the last one.
    pub fn ends(&self) -> Option<[Elem<'_>; 2]> {
        match &self.0 {
            Form::Packed(pack) => {
                let mut members = packed::pairs(pack).map(|pair| pair.member);
                let first = members.next()?;
                Some([first, members.last().unwrap_or(first)])
            }
            Form::Large(large) => {
                let first = large.iter_from(0).next()?.0;
                let last = large.iter_before(large.len()).next()?.0;
                Some([Elem::Bytes(first), Elem::Bytes(last)])
            }
        }
    }

    /// Hands out the members of these ranks, in their order or the last one first.
    pub fn visit(&self, ranks: Range<usize>, backwards: bool, mut give: impl FnMut(Elem<'_>, f64)) {
        match &self.0 {
            Form::Packed(pack) => {
                let pairs = packed::pairs(pack).skip(ranks.start).take(ranks.len());
                if backwards {
                    let pairs: Vec<_> = pairs.collect();
                    pairs.iter().rev().for_each(|pair| give(pair.member, pair.score));
                } else {
                    pairs.for_each(|pair| give(pair.member, pair.score));
                }
            }
            Form::Large(large) if backwards => {
                let members = large.iter_before(ranks.end.min(large.len())).take(ranks.len());
                members.for_each(|(member, score)| give(Elem::Bytes(member), score));
            }
            Form::Large(large) => {
                let members = large.iter_from(ranks.start).take(ranks.len());
                members.for_each(|(member, score)| give(Elem::Bytes(member), score));
            }
        }
    }

    /// All members with their scores, in their order; from either end.
    pub fn iter(&self) -> Members<'_> {
        match &self.0 {
            Form::Packed(pack) => Members(Ends::Packed(packed::both(pack))),
            Form::Large(large) => Members(Ends::Large(large.iter())),
        }
    }

    /// Hands out all members in their order.
    pub fn each(&self, give: impl FnMut(Elem<'_>, f64)) {
        self.visit(0..self.len(), false, give);
    }

    /// One step of a scan: some members, and the cursor to go on with; 0 at the end. A packed one
    /// is given as a whole.
    pub fn scan(&self, cursor: usize, count: usize, mut give: impl FnMut(Elem<'_>, f64)) -> usize {
        match &self.0 {
            Form::Packed(_) => {
                self.each(give);
                0
            }
            Form::Large(large) => {
                large.scan(cursor, count, |member, score| give(Elem::Bytes(member), score))
            }
        }
    }
}

/// See [`SortedSet::iter`].
#[derive(Debug, Clone)]
pub struct Members<'a>(Ends<'a>);

#[derive(Debug, Clone)]
enum Ends<'a> {
    Packed(packed::Both<'a>),
    Large(large::Members<'a>),
}

impl<'a> Iterator for Members<'a> {
    type Item = (Elem<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Ends::Packed(pairs) => pairs.next(),
            Ends::Large(members) => {
                members.next().map(|(member, score)| (Elem::Bytes(member), score))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Ends::Packed(pairs) => pairs.size_hint(),
            Ends::Large(members) => members.size_hint(),
        }
    }
}

impl DoubleEndedIterator for Members<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Ends::Packed(pairs) => pairs.next_back(),
            Ends::Large(members) => {
                members.next_back().map(|(member, score)| (Elem::Bytes(member), score))
            }
        }
    }
}

impl ExactSizeIterator for Members<'_> {}

/// The listpack of an entry that is one, or is made of a ziplist with the same elements.
fn adopt(entry: &Entry<'_>) -> Option<ListpackBuf> {
    if !matches!(entry.value_type, ValueType::SortedSetListpack | ValueType::SortedSetZiplist) {
        return None;
    }
    let (_, text) = Text::parse(entry.body()).ok()?;
    let blob = text.to_cow().ok()?;
    if entry.value_type == ValueType::SortedSetListpack {
        return ListpackBuf::adopt(blob.into_owned());
    }
    let mut pack = ListpackBuf::with_capacity(blob.len());
    for elem in Ziplist::new(&blob).ok()?.iter() {
        pack.push_elem(elem.ok()?);
    }
    Some(pack)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(body: &[u8], value_type: ValueType) -> SortedSet {
        let entry = Entry::of_body(b"k", value_type, body, 0);
        SortedSet::load(&entry, &Limits::default(), &mut Scratch::default()).unwrap()
    }

    #[track_caller]
    fn check(set: &SortedSet, want: &[(&str, f64)]) {
        let text = |elem: Elem<'_>| String::from_utf8(elem.to_vec()).unwrap();
        let got: Vec<_> = set.iter().map(|(member, score)| (text(member), score)).collect();
        let want: Vec<_> =
            want.iter().map(|(member, score)| (member.to_string(), *score)).collect();
        assert_eq!(got, want);
        let mut back: Vec<_> = set.iter().rev().map(|(m, score)| (text(m), score)).collect();
        back.reverse();
        assert_eq!(back, want);
        assert_eq!(set.iter().len(), want.len());
        for (rank, (member, score)) in want.iter().enumerate() {
            assert_eq!(set.rank(member.as_bytes()), Some((rank, *score)));
        }
    }

    /// Type 5, the highest score first.
    fn body(members: &[(String, f64)]) -> Vec<u8> {
        let mut body = vec![0x80];
        body.extend((members.len() as u32).to_be_bytes());
        for (member, score) in members.iter().rev() {
            body.push(member.len() as u8);
            body.extend(member.as_bytes());
            body.extend(score.to_le_bytes());
        }
        body
    }

    #[test]
    fn what_a_snapshot_holds() {
        let few = [("a".to_owned(), -1.5), ("7".to_owned(), 2.0), ("b".to_owned(), 2.0)];
        let set = entry(&body(&few), ValueType::SortedSet2);
        assert!(set.packed().is_some());
        check(&set, &[("a", -1.5), ("7", 2.0), ("b", 2.0)]);

        let listpack = set.packed().unwrap().as_bytes();
        let mut blob = vec![listpack.len() as u8];
        blob.extend(listpack);
        let again = entry(&blob, ValueType::SortedSetListpack);
        assert_eq!(again.packed(), set.packed());

        let many: Vec<_> = (0..1000).map(|n| (format!("{n:04}"), f64::from(n / 10))).collect();
        let set = entry(&body(&many), ValueType::SortedSet2);
        assert!(set.packed().is_none());
        let want: Vec<_> = many.iter().map(|(member, score)| (member.as_str(), *score)).collect();
        check(&set, &want);
    }

    #[test]
    fn a_member_that_is_there_twice_is_there_once() {
        let mut many: Vec<_> = (0..200).map(|n| (format!("{n:04}"), f64::from(n))).collect();
        many.push(("0007".to_owned(), 1000.0));
        let set = entry(&body(&many), ValueType::SortedSet2);
        assert_eq!((set.len(), set.score(b"0007")), (200, Some(1000.0)));
        assert_eq!(set.rank(b"0007"), Some((199, 1000.0)));
    }

    #[test]
    fn minus_zero_goes_into_a_listpack_as_zero() {
        for (target, text) in [("redis:8.0", "0"), ("redis:6.2", "-0")] {
            let target: Target = target.parse().unwrap();
            let packing = Packing::new(&target, &target.limits);
            let mut set = SortedSet::default();
            set.change(&packing, b"m", |_| Some(-0.0));
            let pack = set.packed().unwrap();
            assert_eq!(pack.iter().nth(1).unwrap().1.to_vec(), text.as_bytes());
        }
    }
}
