//! Sets, in the forms that servers hold them in.
//!
//! ```text
//! ints      integers in order; 2, 4 or 8 bytes each      intset
//! packed    listpack                                     listpack, 7.2 and newer
//! table     members by hash                              hashtable
//! ```
//!
//! A set grows from the first to the last and never goes back; whatever is too large to be packed
//! is a table at once. A target without packed sets has room for none in [`Limits::set_entries`].

mod load;

use hashbrown::DefaultHashBuilder;
use indexmap::IndexSet;

use crate::bytes::number::integer;
use crate::engine::Bytes;
use crate::rdb::Limits;
use crate::rdb::packed::{Elems, ListpackBuf};
use crate::value::Elem;

type Table = IndexSet<Bytes, DefaultHashBuilder>;

/// A set.
#[derive(Debug, Clone)]
pub struct Set {
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    Ints(Ints),
    Packed(ListpackBuf),
    Table(Box<Table>),
}

/// Integers in order.
#[derive(Debug, Clone)]
struct Ints {
    members: Vec<i64>,
    width: u8,
}

/// A set that is one blob.
#[derive(Debug, Clone, Copy)]
pub enum PackedSet<'a> {
    /// Integers in order, and the bytes that each takes in the server's intset.
    Ints(&'a [i64], u8),
    /// A listpack of the members.
    Packed(&'a ListpackBuf),
}

impl Default for Set {
    /// An empty set of integers.
    fn default() -> Self {
        Set { form: Form::Ints(Ints { members: Vec::new(), width: 2 }) }
    }
}

impl Set {
    /// An empty set, in the form that suits a first member and so many in all.
    #[inline]
    pub fn suiting(first: &[u8], members: usize, limits: &Limits) -> Self {
        if members <= limits.intset_entries && integer(first).is_some() {
            Set::default()
        } else if members <= limits.set_entries {
            Set::packed_one()
        } else {
            Set::table(members)
        }
    }

    /// An empty set in a listpack.
    pub fn packed_one() -> Self {
        Set { form: Form::Packed(ListpackBuf::new()) }
    }

    fn table(capacity: usize) -> Self {
        let table = Table::with_capacity_and_hasher(capacity, DefaultHashBuilder::default());
        Set { form: Form::Table(Box::new(table)) }
    }

    /// Makes it a table where so many members are about to come that newer servers do not try
    /// anything else.
    #[inline]
    pub fn expect(&mut self, members: usize, limits: &Limits) {
        match &self.form {
            Form::Ints(_) if members > limits.intset_entries => self.unpack(members),
            Form::Packed(_) if members > limits.set_entries => self.unpack(members),
            _ => {}
        }
    }

    /// How many members there are.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.form {
            Form::Ints(ints) => ints.members.len(),
            Form::Packed(pack) => pack.len(),
            Form::Table(table) => table.len(),
        }
    }

    /// Whether there is no member.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What OBJECT ENCODING says.
    pub fn encoding(&self) -> &'static str {
        match &self.form {
            Form::Ints(_) => "intset",
            Form::Packed(_) => "listpack",
            Form::Table(_) => "hashtable",
        }
    }

    /// The blob, where this is one.
    pub fn packed(&self) -> Option<PackedSet<'_>> {
        match &self.form {
            Form::Ints(ints) => Some(PackedSet::Ints(&ints.members, ints.width)),
            Form::Packed(pack) => Some(PackedSet::Packed(pack)),
            Form::Table(_) => None,
        }
    }

    /// The members.
    #[inline]
    pub fn iter(&self) -> Members<'_> {
        self.iter_from(0)
    }

    /// The members from the `index`-th on.
    pub fn iter_from(&self, index: usize) -> Members<'_> {
        Members(match &self.form {
            Form::Ints(ints) => Walk::Ints(ints.members.get(index..).unwrap_or_default().iter()),
            Form::Table(table) => Walk::Table(table, index),
            Form::Packed(pack) => {
                let at = if index == 0 { Some(ListpackBuf::FIRST) } else { pack.seek(index) };
                Walk::Packed(pack.iter_from(at.unwrap_or(pack.end())))
            }
        })
    }

    /// Whether a member is in it.
    #[inline]
    pub fn has(&self, member: &[u8]) -> bool {
        match &self.form {
            Form::Ints(ints) => integer(member).is_some_and(|n| ints.place(n).is_ok()),
            Form::Packed(pack) => pack.find(member, ListpackBuf::FIRST, 1).is_some(),
            Form::Table(table) => table.contains(member),
        }
    }

    /// As [`Set::has`], of a member of another set.
    #[inline]
    pub fn has_elem(&self, member: Elem<'_>) -> bool {
        match (&self.form, member) {
            (Form::Ints(ints), Elem::Int(n)) => ints.place(n).is_ok(),
            _ => self.has(member.bytes(&mut itoa::Buffer::new())),
        }
    }

    /// Adds a member; whether it is new.
    #[inline]
    pub fn add(&mut self, member: &[u8], limits: &Limits) -> bool {
        match &mut self.form {
            Form::Table(table) => add(table, member),
            Form::Packed(pack) => {
                if pack.find(member, ListpackBuf::FIRST, 1).is_some() {
                    return false;
                }
                if pack.len() < limits.set_entries && member.len() <= limits.set_value {
                    pack.push(member);
                    return true;
                }
                self.unpack(0);
                self.add(member, limits)
            }
            Form::Ints(ints) => match integer(member) {
                Some(n) => {
                    let new = ints.add(n);
                    if ints.members.len() > limits.intset_entries {
                        self.unpack(0);
                    }
                    new
                }
                None => {
                    self.outgrow_ints(member.len(), limits);
                    self.add(member, limits)
                }
            },
        }
    }

    /// As [`Set::add`], of a member of another set.
    pub fn add_elem(&mut self, member: Elem<'_>, limits: &Limits) -> bool {
        self.add(member.bytes(&mut itoa::Buffer::new()), limits)
    }

    /// Turns integers into what can hold a text of this length besides.
    #[cold]
    fn outgrow_ints(&mut self, len: usize, limits: &Limits) {
        let Form::Ints(ints) = &self.form else { return };
        let ends = ints.members.first().into_iter().chain(ints.members.last());
        let longest = ends.map(|n| Elem::Int(*n).len() as usize).max().unwrap_or(0).max(len);
        if ints.members.len() < limits.set_entries && longest <= limits.set_value {
            let mut pack = ListpackBuf::new();
            ints.members.iter().for_each(|n| pack.push_int(*n));
            self.form = Form::Packed(pack);
        } else {
            self.unpack(0);
        }
    }

    #[cold]
    fn unpack(&mut self, capacity: usize) {
        let mut all = Set::table(capacity.max(self.len()));
        if let Form::Table(table) = &mut all.form {
            for member in self.iter() {
                add(table, member.bytes(&mut itoa::Buffer::new()));
            }
        }
        *self = all;
    }

    /// Turns a listpack of nothing but integers into integers, as servers do with the result of
    /// an intersection.
    pub fn tighten(&mut self, limits: &Limits) {
        let Form::Packed(pack) = &self.form else { return };
        if pack.len() > limits.intset_entries {
            return;
        }
        let mut ints = Ints { members: Vec::new(), width: 2 };
        for (_, elem) in pack.iter() {
            let Elem::Int(n) = elem else { return };
            ints.add(n);
        }
        self.form = Form::Ints(ints);
    }

    /// Removes a member; whether it was there.
    #[inline]
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.form {
            Form::Table(table) => table.swap_remove(member),
            Form::Packed(pack) => match pack.find(member, ListpackBuf::FIRST, 1) {
                Some(at) => {
                    pack.remove(at, 1);
                    true
                }
                None => false,
            },
            Form::Ints(ints) => {
                let place = integer(member).and_then(|n| ints.place(n).ok());
                place.map(|place| ints.members.remove(place)).is_some()
            }
        }
    }
}

/// Adds a member to a table; whether it is new.
#[inline]
fn add(table: &mut Table, member: &[u8]) -> bool {
    // A short one costs nothing to make; a long one costs an allocation.
    let there = member.len() > Bytes::INLINE && table.contains(member);
    !there && table.insert(member.into())
}

impl Ints {
    #[inline]
    fn place(&self, n: i64) -> Result<usize, usize> {
        // Most sets are filled from below.
        match self.members.last() {
            Some(&last) if n > last => Err(self.members.len()),
            _ => self.members.binary_search(&n),
        }
    }

    #[inline]
    fn add(&mut self, n: i64) -> bool {
        let Err(place) = self.place(n) else { return false };
        self.members.insert(place, n);
        self.width = self.width.max(width(n));
        true
    }
}

/// The bytes that an integer takes in an intset.
fn width(n: i64) -> u8 {
    match n {
        -0x8000..=0x7fff => 2,
        -0x8000_0000..=0x7fff_ffff => 4,
        _ => 8,
    }
}

/// The members of a set: integers in their order, others in that of the commands that ran.
#[derive(Debug, Clone)]
pub struct Members<'a>(Walk<'a>);

#[derive(Debug, Clone)]
enum Walk<'a> {
    Ints(std::slice::Iter<'a, i64>),
    Packed(Elems<'a>),
    Table(&'a Table, usize),
}

impl<'a> Iterator for Members<'a> {
    type Item = Elem<'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Ints(walk) => walk.next().map(|n| Elem::Int(*n)),
            Walk::Packed(walk) => walk.next().map(|(_, elem)| elem),
            Walk::Table(table, index) => {
                let member = table.get_index(*index)?;
                *index += 1;
                Some(Elem::Bytes(member))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PackedSet, Set};
    use crate::rdb::Limits;

    #[track_caller]
    fn check(set: &Set, encoding: &str, want: &[&str]) {
        assert_eq!(set.encoding(), encoding);
        let got: Vec<_> = set.iter().map(|m| String::from_utf8(m.to_vec()).unwrap()).collect();
        assert_eq!(got, want);
        assert!(want.iter().all(|member| set.has(member.as_bytes())));
        assert_eq!(set.len(), want.len());
    }

    #[test]
    fn a_set_grows_out_of_its_forms() {
        let limits = Limits::default();
        let mut set = Set::suiting(b"5", 1, &limits);
        for member in ["5", "-3", "70000", "5"] {
            set.add(member.as_bytes(), &limits);
        }
        check(&set, "intset", &["-3", "5", "70000"]);
        assert!(matches!(set.packed(), Some(PackedSet::Ints(_, 4))));
        assert!(set.remove(b"70000"));
        assert!(!set.remove(b"070"));
        // The width of an intset never shrinks.
        assert!(matches!(set.packed(), Some(PackedSet::Ints(&[-3, 5], 4))));
        assert!(set.add(b"05", &limits));
        check(&set, "listpack", &["-3", "5", "05"]);
        assert!(set.add(&[b'x'; 65], &limits));
        check(&set, "hashtable", &["-3", "5", "05", &"x".repeat(65)]);
    }

    #[test]
    fn an_old_target_has_no_packed_sets() {
        let limits = Limits { set_entries: 0, ..Limits::default() };
        let mut set = Set::default();
        set.add(b"1", &limits);
        set.add(b"a", &limits);
        check(&set, "hashtable", &["1", "a"]);
        assert_eq!(Set::suiting(b"a", 1, &limits).encoding(), "hashtable");
    }
}
